"""A judge over HTTP: what it is asked, what it costs, and what happens when the endpoint misbehaves."""

import json
import os
import re
import signal
import threading
import time
from dataclasses import replace

import pytest

from labelbench_plus.annotators import Asked, annotators
from labelbench_plus.answering.chat import EndpointError
from labelbench_plus.answering.judging import ANSWERS
from labelbench_plus.answering.kept_answers import KeptAnswers
from labelbench_plus.answering.paying import MoneyRefused
from labelbench_plus.answering.questions import folder_name, identity_of, key_of
from labelbench_plus.contracts.annotators import Purse
from labelbench_plus.oracle import MoneyPending
from labelbench_plus.plugins import label

from .loopback import Loopback
from .test_paying import FORK

QUESTIONS = [Asked(f"prompt {number}?", "never told", ("x" * number,)) for number in range(1, 9)]


def unanswered(judge, questions, desk):
    keys = {key_of(identity_of(judge), question): question for question in questions}
    there = kept(judge, desk).find(keys)
    return [question for key, question in keys.items() if key not in there]


def kept(judge, desk):
    return KeptAnswers(desk.folder / folder_name(judge) / ANSWERS)


def test_scores_are_bought_once_and_found_by_every_run(judge, loopback, desk, capsys):
    mine, loopback.seconds = judge(concurrency=3), 0.05
    assert mine.ask(QUESTIONS, desk) == [float(number) for number in range(1, 9)]
    assert desk.notes == {"from_store": 0.0, "money": 8 * 15 / 1e6, "unparsed": 0.0}
    assert len(loopback.seen) == 8 and 1 < loopback.most <= 3
    (one,) = [body for body in loopback.seen if "prompt 3?" in body["messages"][1]["content"]]
    assert one == {
        "model": "m",
        "temperature": 0,
        "max_tokens": 8,
        "messages": [
            {"role": "system", "content": "Say how good the response is."},
            {"role": "user", "content": "Prompt: prompt 3?\nResponse:\nxxx"},
        ],
    }
    assert "never told" not in json.dumps(loopback.seen)
    again = replace(desk, notes={}, purse=None)  # everything is there: nothing need be paid
    assert judge().ask([QUESTIONS[4], QUESTIONS[0], QUESTIONS[4]], again) == [5.0, 1.0, 5.0]
    assert again.notes == {"from_store": 3.0, "money": 0.0, "unparsed": 0.0} and len(loopback.seen) == 8
    told = capsys.readouterr().out
    assert told.count("nothing else of the data") == 1 and "prompt 1?" in told and loopback.url in told
    (record,) = kept(mine, desk).find([each.key for each in kept(mine, desk).all() if each.answer == 3.0]).values()
    assert record[0].about["question"] == {"prompt": "prompt 3?", "responses": ["xxx"]}
    assert record[0].about["said"] == ["I count. Score: 3"]
    assert (record[0].about["tokens_in"], record[0].about["tokens_out"]) == (10, 5)


def test_another_rubric_or_model_is_another_judge_and_another_price_is_not(judge, loopback, desk):
    judge().ask(QUESTIONS[:1], desk)
    judge(price_in=2.0, concurrency=1, max_money=None, tries=1).ask(QUESTIONS[:1], desk)
    assert len(loopback.seen) == 1
    judge(model="other").ask(QUESTIONS[:1], desk)
    mine = judge()
    mine.rubric.write_text("Rate {prompt} {response}")
    mine.ask(QUESTIONS[:1], desk)
    assert len(loopback.seen) == 3


@pytest.mark.parametrize("fault", ["429", "500", "503", "wait"])
def test_a_busy_endpoint_is_asked_again_and_nothing_is_paid_for_it(judge, loopback, desk, fault):
    loopback.faults = [fault, fault]
    assert judge().ask(QUESTIONS[:1], desk) == [1.0]
    assert len(loopback.seen) == 3 and desk.notes["money"] == 15 / 1e6


@pytest.mark.parametrize("fault", ["slow", "drip", "cut"])
def test_a_lost_reply_counts_as_paid_and_is_asked_again(judge, loopback, desk, fault):
    loopback.faults = [fault]
    mine = judge(timeout=1.0)  # a busy machine answers within a second, too
    worst = mine.money(QUESTIONS[0])
    assert mine.ask(QUESTIONS[:1], desk) == [1.0]
    assert len(loopback.seen) == 2
    assert desk.notes["money"] == pytest.approx(worst + 15 / 1e6) == kept(mine, desk).spent("command")
    (lost,) = kept(mine, desk).lost()
    assert "no whole reply" in lost["about"]["why"]


def test_an_endpoint_that_is_down_ends_the_run_and_what_was_answered_is_kept(judge, loopback, desk):
    mine = judge(tries=2, concurrency=1)
    loopback.faults = ["", *["500"] * 9]
    with pytest.raises(EndpointError, match=r"no answer after 2 tries: status 500.*answers so far are kept"):
        mine.ask(QUESTIONS, desk)
    assert len(kept(mine, desk)) == 1
    gone = Loopback()
    gone.close()
    with pytest.raises(EndpointError, match="no connection"):
        judge(url=gone.url, tries=2).ask(QUESTIONS[:1], desk)


@pytest.mark.parametrize("fault", ["malformed", "wrong", "no verdict", "no usage"])
def test_a_reply_without_verdict_is_billed_counted_and_kept(judge, loopback, desk, fault):
    loopback.faults = [fault]
    mine = judge()
    answer = 1.0 if fault == "no usage" else None
    assert mine.ask(QUESTIONS[:1], desk) == [answer]
    billed = 15 / 1e6 if fault == "no verdict" else mine.money(QUESTIONS[0])
    assert desk.notes == {"from_store": 0.0, "money": billed, "unparsed": float(answer is None)}
    (record,) = kept(mine, desk).all()
    assert record.about["estimated"] is (fault != "no verdict") and record.about["said"][0]
    assert mine.ask(QUESTIONS[:1], desk) == [answer] and len(loopback.seen) == 1  # and it is not asked again


def test_pairs_are_shown_in_an_order_drawn_by_the_question(judge, loopback, desk):
    pairs = [Asked(f"{number}?", None, ("first", "second")) for number in range(40)]
    loopback.says = lambda text: "Verdict: A. No: Verdict: B" if text.endswith("second") else "Verdict: A"
    mine = judge("pair", concurrency=1)
    assert (
        mine.ask(pairs, desk) == [1] * 40
    )  # it always likes "second", wherever it stands, and the last verdict counts
    shown = [body["messages"][1]["content"].endswith("second") for body in loopback.seen]
    assert 8 < sum(shown) < 32
    assert {each.about["swapped"] for each in kept(mine, desk).all()} == {True, False}


@pytest.mark.parametrize(("says", "verdict"), [("Verdict: A", 0), ("Verdict: tie", 0), ("first", -1), ("none", None)])
def test_both_orders_make_a_tie_of_a_judge_who_likes_a_place(judge, loopback, desk, says, verdict):
    def first(text):
        return f"Verdict: {'A' if text.endswith('second') else 'B'}"

    loopback.says = first if says == "first" else lambda text: says
    mine = judge("pair", both_orders=True)
    assert mine.ask([Asked("?", None, ("first", "second"))], desk) == [verdict]
    assert len(loopback.seen) == 2 and desk.notes["money"] == 30 / 1e6
    assert mine.money(Asked("?", None, ("a", "b"))) == 2 * judge("pair").money(Asked("?", None, ("a", "b")))


def test_what_is_judged_cannot_fill_places(judge, loopback, desk):
    judge().ask([Asked("{response}", None, ("{prompt}",))], desk)
    assert loopback.seen[0]["messages"][1]["content"] == "Prompt: {response}\nResponse:\n{prompt}"


def test_nobody_is_asked_without_a_purse_and_nothing_costs_nothing(judge, loopback, desk):
    poor = replace(desk, purse=None)
    with pytest.raises(MoneyRefused, match=r"8 answers are not in .* may cost up to 0\.00\d+: say what .* --pay MAX"):
        judge().ask(QUESTIONS, poor)
    with pytest.raises(MoneyRefused, match="nobody may be asked here"):
        judge().ask(QUESTIONS, None)
    assert not loopback.seen
    assert judge(price_in=0.0, price_out=0.0).ask(QUESTIONS[:2], poor) == [1.0, 2.0]


def test_money_is_never_exceeded_with_many_requests_at_once(judge, loopback, desk):
    loopback.seconds = 0.01
    mine = judge(concurrency=8)
    worst = max(map(mine.money, QUESTIONS))
    questions = [Asked(f"prompt {number}?", None, ("x",)) for number in range(60)]
    purse = Purse("small", 3 * worst)
    with pytest.raises(MoneyPending) as waits:
        mine.ask(questions, replace(desk, purse=purse))
    spent, answered = kept(mine, desk).spent(), len(kept(mine, desk))
    assert waits.value.count == 60 - answered
    assert waits.value.money == pytest.approx(sum(map(mine.money, unanswered(mine, questions, desk))))
    assert purse.most - worst < spent <= purse.most
    assert loopback.most <= 3


def test_who_may_pay_nothing_needs_no_key_and_asks_nobody(judge, loopback, desk, monkeypatch, capsys):
    monkeypatch.delenv("MY_JUDGE", raising=False)
    poor = replace(desk, purse=Purse("empty", 0.0))
    with pytest.raises(MoneyPending, match=r"^waiting for money: 8 answers may cost up to 0\.00\d+ more$"):
        judge(key_from="MY_JUDGE").ask(QUESTIONS, poor)
    assert not loopback.seen and not capsys.readouterr().out


def test_a_broken_endpoint_is_told_before_an_empty_purse(judge, loopback, desk):
    loopback.faults, mine = ["401"], judge(concurrency=2)
    loopback.seconds = 0.2
    with pytest.raises(EndpointError, match="is the key right"):
        mine.ask(QUESTIONS[:3], replace(desk, purse=Purse("small", 1.5 * mine.money(QUESTIONS[0]))))


def test_an_endpoint_that_bills_more_than_was_declared_is_stopped(judge, loopback, desk):
    loopback.faults = ["dear"]
    mine = judge(concurrency=1, max_money=None)
    with pytest.raises(MoneyRefused, match=r"more than the .* it could cost by what annotator 'http_judge' declares"):
        mine.ask(QUESTIONS, replace(desk, purse=Purse("rich", 100.0)))
    assert len(loopback.seen) == 1 and len(kept(mine, desk)) == 1


@pytest.mark.parametrize("fault", ["echo 401", "echo 500", "echo 200"])
def test_the_key_is_in_no_file_and_no_message(judge, loopback, desk, tmp_path, monkeypatch, capfd, fault):
    monkeypatch.setenv("MY_JUDGE", "sk-very-secret-0123456789")
    loopback.faults = [fault] * 2
    try:
        judge(key_from="MY_JUDGE", tries=1).ask(QUESTIONS[:2], desk)
    except EndpointError as error:
        assert "sk-" not in str(error) and "[key]" in str(error)
    assert set(loopback.keys) == {"Bearer sk-very-secret-0123456789"}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not [path for path in files if b"very-secret" in path.read_bytes()]
    assert "very-secret" not in "".join(capfd.readouterr())


def test_a_key_that_is_not_set_is_missed_before_anything_is_asked(judge, loopback, desk, monkeypatch):
    monkeypatch.delenv("MY_JUDGE", raising=False)
    with pytest.raises(ValueError, match="environment variable MY_JUDGE is not set"):
        judge(key_from="MY_JUDGE").ask(QUESTIONS, desk)
    assert not loopback.seen


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "ftp://x"}, "http"),
        ({"url": "https://me:pass@x/v1"}, "no password"),
        ({"both_orders": True}, "only pairs"),
        ({"verdict": "("}, "no regular expression"),
        ({"verdict": "Score"}, "expected a group"),
    ],
)
def test_what_cannot_be_meant_is_refused(judge, changes, words):
    with pytest.raises(Exception, match=words):
        judge(**changes)


def test_a_rubric_must_have_its_places(judge, desk, tmp_path):
    mine = judge()
    mine.rubric.write_text("Rate it {prompt}\n---\n{prompt}")
    with pytest.raises(ValueError, match=r"score.txt: a rubric for 'score' has the places \{prompt\}, \{response\}"):
        mine.ask(QUESTIONS, desk)


def _ask(mine, desk, barrier):
    barrier.wait()
    assert mine.ask(QUESTIONS[:4], desk) == [1.0, 2.0, 3.0, 4.0]


def test_two_processes_that_ask_the_same_at_once_pay_once(judge, loopback, desk):
    loopback.seconds, barrier = 0.05, FORK.Barrier(2)
    crew = [FORK.Process(target=_ask, args=(judge(concurrency=2), desk, barrier)) for _ in range(2)]
    for worker in crew:
        worker.start()
    for worker in crew:
        worker.join()
        assert worker.exitcode == 0
    assert len(loopback.seen) == 4 and kept(judge(), desk).spent() == 4 * 15 / 1e6


def test_killed_between_a_payment_and_the_next_nothing_is_paid_twice(judge, loopback, desk):
    mine = judge(concurrency=1)

    def ask_and_die():
        watch = threading.Thread(target=_die_after, args=(mine, desk, 3), daemon=True)
        watch.start()
        mine.ask(QUESTIONS, desk)

    loopback.seconds = 0.05
    child = FORK.Process(target=ask_and_die)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    before, asked = len(kept(mine, desk)), len(loopback.seen)
    assert 3 <= before <= asked <= before + 1 < 8
    loopback.seconds = 0.0
    assert mine.ask(QUESTIONS, desk) == [float(number) for number in range(1, 9)]
    assert desk.notes["from_store"] == before
    assert len(loopback.seen) == asked + 8 - before  # at most the one that was under way is asked again
    assert asked - before <= len(kept(mine, desk).lost()) <= 1  # which may have been billed, and counts as if it was


def _die_after(mine, desk, number):
    while len(kept(mine, desk)) < number:
        time.sleep(0.005)
    os.kill(os.getpid(), signal.SIGKILL)


def test_boards_call_a_judge_by_what_tells_it_from_others(judge):
    usual = label(judge())
    assert re.fullmatch(r"http_judge\(model=m, rubric=score, [0-9a-f]{8}\)", usual)
    assert label(judge(price_in=9.0, max_money=None, concurrency=1, key_from="MY_KEY")) == usual
    others = [judge(model="n"), judge("pair"), judge(max_tokens=9), judge(verdict="(.)"), judge(url="http://other/v1")]
    assert len({usual, *map(label, others)}) == 6
    assert label(annotators.build("queue")) == "queue"
    told = [annotators.build({"name": "queue", "instructions": text}) for text in ("day or night?", "cat or dog?")]
    assert len(set(map(label, told))) == 2 and all(len(label(each)) < 20 for each in told)
