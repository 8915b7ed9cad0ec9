"""Claims and limits: one process asks, and money is never exceeded, whoever asks at once."""

import multiprocessing
import os
import signal
import threading
import time

import pytest

from labelbench_plus.answering.claims import Claims
from labelbench_plus.answering.kept_answers import KeptAnswers
from labelbench_plus.answering.paying import Limits, MoneyRefused, Till
from labelbench_plus.contracts.annotators import Purse
from labelbench_plus.store import holder

KEY = "0" * 64
FORK = multiprocessing.get_context("fork")


def till(folder, most=10.0, purse="p", ever=None, seconds=60.0):
    kept = KeptAnswers(folder / "answers", purse)
    return Till(kept, Claims(folder / "claims"), Limits(Purse(purse, most), ever), seconds), kept


def test_a_claim_is_taken_once_and_again_when_its_process_died(tmp_path, monkeypatch):
    claims = Claims(tmp_path / "claims")
    child = FORK.Process(target=lambda: (claims.take(KEY, 2.0, "p", 60.0), os._exit(0)))
    child.start()
    child.join()
    (dead,) = claims.all()
    assert not dead.alive and dead.money == 2.0
    mine = claims.take(KEY, 1.0, "p", 60.0)
    assert mine is not None and mine.number == 2 and claims.take(KEY, 1.0, "p", 60.0) is None
    lost = []
    claims.clear(mine, lost.append)
    assert [claim.path for claim in lost] == [dead.path] and [claim.path for claim in claims.all()] == [mine.path]
    claims.release(mine)
    assert claims.all() == []


def test_a_claim_of_another_machine_ends_with_its_seconds(tmp_path, monkeypatch):
    claims = Claims(tmp_path / "claims")
    claim = claims.take(KEY, 1.0, "p", 60.0)
    monkeypatch.setattr(holder, "lives", lambda record: None)
    assert claims.take(KEY, 1.0, "p", 60.0) is None
    past = time.time() - 61
    os.utime(claim.path, (past, past))
    assert claims.take(KEY, 1.0, "p", 60.0).number == 2


def test_what_a_dead_process_may_have_paid_counts_as_paid(tmp_path):
    first, _ = till(tmp_path, most=5.0)

    def die() -> None:
        with first.asking(KEY, 3.0):
            os.kill(os.getpid(), signal.SIGKILL)

    child = FORK.Process(target=die)
    child.start()
    child.join()
    second, kept = till(tmp_path, most=5.0)
    words = "may cost 3, and this command paid 3 of at most 5: raise --pay"
    with pytest.raises(MoneyRefused, match=words), second.asking("1" * 64, 3.0):
        pass
    with second.asking(KEY, 2.0) as answer:  # the same question: the dead claim becomes a line
        assert answer is None
        kept.add(KEY, "x", 0.5)
    assert kept.spent("p") == 3.5 and [line["money"] for line in kept.lost()] == [3.0]
    assert Claims(tmp_path / "claims").all() == []


def test_who_waits_for_another_gets_its_answer(tmp_path):
    first, kept = till(tmp_path)
    second, _ = till(tmp_path)
    got = []

    def ask():
        with second.asking(KEY, 1.0) as answer:
            got.append(answer.answer)

    with first.asking(KEY, 1.0) as answer:
        assert answer is None
        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.1)
        assert not got
        kept.add(KEY, "said", 1.0)
    thread.join()
    assert got == ["said"] and kept.spent() == 1.0


def _spend(folder, keys, most, barrier):
    mine, kept = till(folder, most=most)
    barrier.wait()
    for key in keys:
        try:
            with mine.asking(key, 2.0) as answer:
                if answer is None:
                    # What is claimed by all is within the limit while anybody asks.
                    claimed = sum(claim.money for claim in Claims(folder / "claims").all())
                    time.sleep(0.002)
                    kept.add(key, claimed, 1.0)
        except MoneyRefused:
            return


@pytest.mark.parametrize("same", [True, False])
def test_processes_that_ask_at_once_never_pay_twice_nor_too_much(tmp_path, same):
    barrier = FORK.Barrier(4)
    keys = [[f"{number if same else 100 * worker + number:064x}" for number in range(12)] for worker in range(4)]
    most = 9.0
    crew = [FORK.Process(target=_spend, args=(tmp_path, each, most, barrier)) for each in keys]
    for worker in crew:
        worker.start()
    for worker in crew:
        worker.join()
        assert worker.exitcode == 0
    kept = KeptAnswers(tmp_path / "answers")
    answers = [*kept.all()]
    assert len({each.key for each in answers}) == len(answers) == kept.spent()
    assert most - 2.0 < kept.spent() <= most  # up to where the next might be too much, and no further
    assert Claims(tmp_path / "claims").all() == []


def test_a_limit_for_ever_counts_what_other_commands_paid(tmp_path):
    first, kept = till(tmp_path, purse="one", ever=3.0)
    with first.asking(KEY, 2.0):
        kept.add(KEY, 1, 2.0)
    second, _ = till(tmp_path, purse="two", ever=3.0)
    words = "all runs with these answers paid 2 of at most 3: raise max_money"
    with pytest.raises(MoneyRefused, match=words), second.asking("2" * 64, 2.0):
        pass
