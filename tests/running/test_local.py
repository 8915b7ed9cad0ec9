import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from labelbench_plus.plugins import load_plugin_file
from labelbench_plus.running.crew import Crew
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.running.local import run_local
from labelbench_plus.running.progress import Progress
from labelbench_plus.store.lease import attempts
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite

MISBEHAVING = '''
import os, signal
from dataclasses import dataclass
from labelbench_plus.strategies import PoolStrategy, strategies

@strategies.register("throws")
@dataclass(frozen=True)
class Throws(PoolStrategy):
    """Raises."""
    def select(self, view, n, rng):
        raise ZeroDivisionError("on purpose")

@strategies.register("dies")
@dataclass(frozen=True)
class Dies(PoolStrategy):
    """Takes its process with it."""
    def select(self, view, n, rng):
        os.kill(os.getpid(), signal.SIGKILL)

@strategies.register("greedy")
@dataclass(frozen=True)
class Greedy(PoolStrategy):
    """Wants one more than it may have."""
    def select(self, view, n, rng):
        return view.candidates[: n + 1]
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("plugin") / "misbehaving.py"
    path.write_text(MISBEHAVING)
    load_plugin_file(path)
    return path


def jobs(suite: Path, root: Path, plugins: tuple[Path, ...] = ()) -> list[Job]:
    cache = Path(os.environ["LBP_CACHE"])
    return [Job.of(spec, Where(root, cache, plugin_files=plugins)) for spec in load_suite(suite).runs()]


def chatter(work: int, tell: Callable[[int], None]) -> int:
    """Prints, logs and warns, as what plugins use does."""
    print("half a", end=" ")
    print(f"line of {work}\n\n\tand another")
    logging.getLogger("labelbench_plus.models").info("one that is logged")
    tell(work)
    print("not ended", file=sys.stderr)
    return work


def test_what_workers_print_is_heard_line_by_line_and_none_is_printed_twice(capfd):
    heard = []
    with Crew(chatter, 1, hears=True) as crew:
        for work in (1, 2):
            crew.hand_out(work)
            while crew.busy:
                heard += [(report.state, report.value) for report in crew.listen()]
    one = ["half a line of 1", "\tand another", "one that is logged", "not ended"]
    assert [value for state, value in heard if state == "said"] == [*one, *[each.replace("1", "2") for each in one]]
    assert [state for state, _ in heard if state != "said"] == ["told", "done"] * 2
    progress = Progress(2, 1)
    for state, value in heard:
        if state == "said":
            progress.said(value)
    shown = capfd.readouterr().err
    assert shown.count("one that is logged") == 1 and "line of 1" in shown and "line of 2" in shown


def outcomes(todo: list[Job], workers: int) -> dict[str, str]:
    ended = {}
    run_local(todo, workers, lambda event: ended.__setitem__(event.job.run_id, event))
    return {event.job.spec["strategy"]["name"]: f"{event.state} {event.message}".strip() for event in ended.values()}


def files(root: Path) -> dict[str, bytes]:
    kept = [*root.glob("runs/*/rounds/*"), *root.glob("runs/*/result.json")]
    return {str(path.relative_to(root)): path.read_bytes() for path in kept}


def test_results_do_not_depend_on_the_number_of_processes(suite_file, tmp_path):
    suite = suite_file(("[random, margin]", "[random, margin, badge, k_center]"))
    for workers in (1, 3):
        assert set(outcomes(jobs(suite, tmp_path / str(workers)), workers).values()) == {"finished"}
    alone, together = files(tmp_path / "1"), files(tmp_path / "3")
    assert len(alone) == 8 * 4
    assert alone == together


def test_runs_start_alike_whatever_the_strategy(suite_file, tmp_path):
    suite = suite_file(("[random, margin]", "[random, margin, entropy, least_confidence, badge, k_center]"))
    todo = jobs(suite, tmp_path)
    outcomes(todo, 2)
    for seed in (0, 1):
        first = [RunStore(tmp_path, job.run_id).rounds()[0] for job in todo if job.spec["seed"] == seed]
        assert len({(r.purchase.items.tobytes(), *r.scores.values()) for r in first}) == 1


def test_one_failure_harms_no_other_run(suite_file, tmp_path, plugin):
    suite = suite_file(("[random, margin]", "[dies, random, throws, greedy, margin]"), ("0..1", "[0]"))
    ended = outcomes(jobs(suite, tmp_path, (plugin,)), 2)
    assert ended["random"] == ended["margin"] == "finished"
    assert ended["dies"] == "failed the worker process died: killed by SIGKILL (out of memory?)"
    assert ended["throws"] == "failed ZeroDivisionError: on purpose"
    assert ended["greedy"] == ("failed StrategyContractError: strategy 'greedy', round 1: expected 10 items, got 11")


def test_what_is_done_is_not_done_again(suite_file, tmp_path):
    todo = jobs(suite_file(), tmp_path)
    outcomes(todo, 2)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("runs/*/*")}
    assert set(outcomes(todo, 2).values()) == {"already done"}
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("runs/*/*")}


def test_a_run_somebody_else_computes_is_left_to_them(suite_file, tmp_path):
    (job,) = jobs(
        suite_file(("[random, margin]", "[margin]"), ("0..1", "[0]"), ("seeds:", "baseline: margin\nseeds:")),
        tmp_path,
    )
    spec = load_suite(
        suite_file(("[random, margin]", "[margin]"), ("0..1", "[0]"), ("seeds:", "baseline: margin\nseeds:"))
    ).runs()[0]
    lease = RunStore(tmp_path, job.run_id).open(spec, {})
    assert outcomes([job], 1) == {"margin": "busy"}
    lease.release("stopped")
    assert outcomes([job], 1) == {"margin": "finished"}


def test_a_run_that_another_process_took_over_is_busy_and_did_not_fail(suite_file, tmp_path):
    todo = jobs(suite_file(("[random, margin]", "[random]"), ("0..1", "[0]")), tmp_path)
    (job,) = [each for each in todo if each.spec["strategy"]["name"] == "random"]
    folder = RunStore(tmp_path, job.run_id).folder / "attempts"

    def taken(rounds):
        (folder / "0002.json").write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 1.0}))

    assert carry_out(job, taken) == "busy"
    ours, theirs = attempts(folder)
    assert (ours["ended"], ours["detail"]) == ("stopped", f"{job.run_id}: attempt 2 took over")
    assert "ended" not in theirs


def test_an_interruption_gives_the_runs_back(suite_file, tmp_path):
    suite = suite_file(("rounds: 3", "rounds: 60"))
    todo = jobs(suite, tmp_path)
    handler = signal.getsignal(signal.SIGTERM)

    def interrupt(event):
        if event.state == "round":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_local(todo, 2, interrupt)
    ends = [path.read_text() for path in tmp_path.rglob("attempts/*.json")]
    assert ends
    assert all('"ended"' in end for end in ends)
    assert set(outcomes(todo, 2).values()) == {"finished"}
    assert signal.getsignal(signal.SIGTERM) == handler  # only workers change it
