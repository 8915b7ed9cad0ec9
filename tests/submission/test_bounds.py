"""Submissions that are made to be dear: told in few words, within the time and the memory that a check may take."""

from __future__ import annotations

import copy
import gzip
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.commands.submission import MEGABYTES, SECONDS
from labelbench_plus.leaderboard.badges import BADGES_FILE
from labelbench_plus.limited import Limits
from labelbench_plus.spec import canonical
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.submission.check import check
from labelbench_plus.submission.findings import MOST_TOLD, Finding, Findings
from labelbench_plus.submission.limited_check import check_within
from tests.submission.bundles import lines_of, named, write_lines


def unpacked(*parts: bytes):
    """An archive of these bytes."""

    def write(folder: Path) -> None:
        with gzip.open(folder / ARCHIVE, "wb", 1) as file:
            for part in parts:
                file.write(part)

    return write


def with_first(change):
    """An archive of one run's line, changed as text."""
    return lambda folder: unpacked(change(canonical(lines_of(folder)[0])) + b"\n")(folder)


def with_problem(**problem):
    """Every run of another problem, which only building it again shows to be dear."""

    def write(folder: Path) -> None:
        lines = lines_of(folder)
        for line in lines:
            line["config"]["problem"] = line["result"]["identity"]["problem"] = {"version": 1, **problem}
            named(line)
        write_lines(folder, lines)

    return write


def friedman(pool: int):
    dataset = {"name": "friedman", "version": 1, "function": 1, "pool": pool}
    return with_problem(name="regression", dataset=dataset)


def many_runs(folder: Path) -> None:
    first = lines_of(folder)[0]
    lines = []
    for seed in range(3000):
        first["config"]["seed"] = first["result"]["identity"]["seed"] = seed
        named(first)
        lines.append(copy.deepcopy(first))
    write_lines(folder, lines)


def many_rounds(folder: Path) -> None:
    line = lines_of(folder)[0]
    nothing = {**line["rounds"][-1], "purchase": {"items": [], "prices": [], "answers": []}}
    line["rounds"] += [dict(nothing, round=number) for number in range(len(line["rounds"]), 20_000)]
    line["config"]["amounts"] = line["result"]["identity"]["amounts"] = [1.0] * len(line["rounds"])
    line["costs"] = [{}] * len(line["rounds"])
    named(line)
    write_lines(folder, [line])


def grown(name: str, text: bytes, times: int):
    def write(folder: Path) -> None:
        with open(folder / name, "ab") as file:
            for _ in range(times):
                file.write(text)

    return write


def bomb(folder: Path) -> None:
    with gzip.open(folder / "curves.csv.gz", "wb", compresslevel=1) as file:
        for _ in range(257):
            file.write((b"0" * 1023 + b"\n") * 2**10)
    (folder / "curves.csv").unlink()


def torn_table(folder: Path) -> None:
    text = (folder / "curves.csv").read_bytes().splitlines(keepends=True)
    (folder / "curves.csv.gz").write_bytes(gzip.compress(text[0]) + gzip.compress(b"".join(text[1:]))[:20])
    (folder / "curves.csv").unlink()


def second_table(folder: Path) -> None:
    (folder / "curves.csv.gz").write_bytes(gzip.compress((folder / "curves.csv").read_bytes()))


def linked(folder: Path) -> None:
    (folder.parent / "theirs").write_bytes((folder / "board.json").read_bytes())
    (folder / "board.json").unlink()
    os.link(folder.parent / "theirs", folder / "board.json")


def crowded(folder: Path) -> None:
    for number in range(2000):
        (folder / f"more_{number}").touch()


# What is done to an honest submission, and what the check says of it.
DEAR = {
    "twenty thousand lines": (unpacked(b"{}\n" * 20_000), "20 lines are no run; what follows is not read"),
    "a million lines": (unpacked(b"0\n" * 1_000_000), "20 lines are no run; what follows is not read"),
    "a line for ever": (unpacked(*[b" " * 2**20] * 1100), "unpacks to more than a run can need"),
    "one run for ever": (lambda folder: with_first(lambda text: (text + b"\n") * 5000)(folder), "20 lines are no run"),
    "a deep config": (
        with_first(lambda text: text.replace(b'"l2":', b'"l2":' + b"[" * 900 + b"]" * 900 + b',"x":', 1)),
        "line 1: config.trainer.l2.0.0",
    ),
    "many objects": (unpacked(b"[" + b"{}," * 5_000_000 + b"{}]\n"), "of more values than are read"),
    "many amounts": (
        with_first(lambda text: text.replace(b'"amounts":[', b'"amounts":[' + b"1," * 7_000_000, 1)),
        "of more values than are read",
    ),
    "a long text": (
        with_first(lambda text: text.replace(b'"manifest":{', b'"manifest":{"a":"' + b"x" * 2**24 + b'",', 1)),
        "unpacks to more than a run can need",
    ),
    "a long number": (
        with_first(lambda text: text.replace(b'"round":0', b'"round":' + b"9" * 4000, 1)),
        "rounds.0.round: a number of more than 64 bits",
    ),
    "a pool of 10^9": (friedman(10**9), "needs more memory than a check has"),
    "a pool of 10^7": (friedman(10**7), "needs more memory than a check has"),
    "a giant network": (
        with_problem(
            name="classification",
            dataset={"name": "digits", "version": 1},
            encoder={
                "name": "timm",
                "version": 1,
                "model": "vit_giant_patch14_dinov2",
                "weights": "random-plumbing-test",
            },
        ),
        "needs more memory than a check has|could not be checked within",
    ),
    "many runs": (many_runs, "runs.jsonl.gz: |could not be checked within"),
    "many rounds": (many_rounds, "over budget|could not be checked within"),
    "a board for ever": (grown("board.json", b" " * 2**20, 20), "board.json: too long"),
    "a deep board": (
        lambda folder: (folder / "board.json").write_bytes(b'{"budgets":' + b"[" * 10**5),
        "board.json: not what",
    ),
    "a table for ever": (grown("curves.csv", b"\n" * 2**20, 65), "curves.csv: too long"),
    "a row for ever": (grown("curves.csv", b"," * 2**20, 1), "curves.csv: row 14: a row longer than is read"),
    "a text over rows": (grown("curves.csv", b'"\n,', 1000), "a text that does not end where its row does"),
    "a bomb of a table": (bomb, "unpacks to more than is read"),
    "a table cut short": (torn_table, "curves.csv.gz: after row 1: not a whole gzip file"),
    "two tables": (second_table, "curves.csv: curves.csv.gz is there too"),
    "many rows": (grown("curves.csv", b"0,0,0\n" * 2**10, 1000), "more than 20 such rows; the rest is not read"),
    "badges for ever": (grown(BADGES_FILE, b"[" * 2**20, 17), "badges.json: too long"),
    "a signature for ever": (grown("submission.json", b" " * 2**20, 2), "submission.json: too long"),
    "a hard link": (linked, "board.json: has another name elsewhere (a hard link)"),
    "many files": (crowded, "more than 100 files; the others were not looked at"),
}


class Watched:
    """The highest number of megabytes that each child of this process had in memory."""

    def __enter__(self):
        self.peak, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()

    def _watch(self):
        while not self._over.wait(0.01):
            ours = Path("/proc/self/cmdline").read_bytes()
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            for child in children:
                try:
                    if Path(f"/proc/{child}/cmdline").read_bytes() == ours:
                        continue  # still a copy of this process, with what that needed
                    text = Path(f"/proc/{child}/status").read_text()
                    self.peak = max(self.peak, int(text.partition("VmHWM:")[2].split()[0]) // 1024)
                except (OSError, IndexError):
                    continue  # it is no more


@pytest.fixture(scope="module")
def usual(computed):
    """Megabytes that the check of an honest submission takes at most, nearly all of them for its imports."""
    with Watched() as watched:
        told = check_within(computed / "bundle", Limits(seconds=120))
    assert not told.problems and len(told.sound) == 4
    return watched.peak


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a child is read from /proc")
@pytest.mark.parametrize("kind", DEAR)
def test_a_dear_submission_is_told_in_few_words_and_little_memory(kind, bundle, usual):
    make, message = DEAR[kind]
    make(bundle)
    with Watched() as watched:
        told = check_within(bundle, Limits())
    text = [str(problem) for problem in told.problems]
    assert any(part in line for part in message.split("|") for line in text), text
    assert len(told.problems) + len(told.warnings) <= 2 * MOST_TOLD + 3
    assert max(map(len, text)) < 2000
    assert not told.sound
    assert watched.peak - usual < 200


def test_what_was_found_before_the_end_is_told(bundle, monkeypatch):
    (bundle / "index.html").write_text("<script>")
    many_runs(bundle)
    told = check_within(bundle, Limits(seconds=0.5))
    last = told.problems[-1]
    assert "could not be checked within 0.5 s: ended while its" in last.what and "--seconds" in last.expected
    assert not told.sound and told.runs == 0
    began = time.monotonic()
    assert not check_within(bundle, Limits(seconds=0.5)).sound
    assert time.monotonic() - began < 120  # whatever else runs here


def test_limits_can_be_raised_on_the_command_line(bundle):
    command = ["submission", "check", str(bundle), "--megabytes", "50", "--seconds", "60"]
    friedman(10**6)(bundle)
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1 and "needs more memory than a check has, see --megabytes" in done.stderr
    done = CliRunner().invoke(app, [*command[:3], "--megabytes", "800", "--seconds", "60"])
    assert "needs more memory" not in done.stderr


def test_the_command_has_the_usual_limits():
    assert Limits(SECONDS, MEGABYTES) == Limits()


def test_findings_are_cut_and_say_so():
    told: list[Finding] = []
    findings = Findings(told.extend)
    findings.add(Finding("a", f"wrong {number}") for number in range(MOST_TOLD + 1234))
    findings.add(Finding("a", f"odd {number}", warning=True) for number in range(3))
    findings.add([Finding("a", "x" * 10**6), Finding("a", "odd 1", warning=True)])
    findings.close()
    assert len(findings.problems) == MOST_TOLD + 1 and len(findings.warnings) == 3
    assert str(findings.problems[-1]) == "1,235 more problems are not listed"
    assert set(told) == {*findings.problems, *findings.warnings} and len(told) == len(set(told))


def test_a_terminal_obeys_nothing_of_a_finding(bundle, place):
    name = "\x1b]0;owned\x07\u202e\udcff.txt"
    (bundle / name).touch()
    (problem,) = check(bundle, place).problems
    assert str(problem).isprintable() and "\\u001b]0;owned\\u0007\\u202e\\udcff.txt: no part" in str(problem)
    done = CliRunner().invoke(app, ["submission", "check", str(bundle)])
    assert done.exit_code == 1 and "\x1b" not in done.output + done.stderr
