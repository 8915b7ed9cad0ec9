import os
import pty
import re
import subprocess
import sys

from rich.console import Console

from labelbench_plus.running.failures import FailureGroup
from labelbench_plus.sweep.folder import SweepRun
from labelbench_plus.sweep.matrix import BAR_WIDTH, matrix
from labelbench_plus.sweep.state import Files, RunStatus, State, SweepStatus

from .conftest import LBP


def swept(cells):
    """A sweep from its table: (strategy, problem) -> the states of its runs."""
    runs = [
        RunStatus(SweepRun(f"{s}{p}{seed}", p, "t", s, seed, 5, {}), state, Files([]))
        for (s, p), states in cells.items()
        for seed, state in enumerate(states)
    ]
    return SweepStatus("many", runs, {"scheduler": "ok"})


def shown(found, causes=(), width=100):
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(matrix(found, ("strategy", "problem"), "≈ 5 min left", causes, "every 30 s"))
    return console.export_text().splitlines()


def test_the_matrix_says_how_each_cell_stands():
    done, failed = State.DONE, State.FAILED
    found = swept(
        {
            ("margin", "digits"): [done, done],
            ("margin", "letters"): [done, State.RUNNING],
            ("badge", "digits"): [failed, State.REQUEUED],
        }
    )
    cause = FailureGroup(("badgedigits0",), "ValueError: k is 0", "badge.py:88", "code", "lower k")
    lines = shown(found, [cause])
    assert lines[0].startswith("many  3/6 done  ≈ 5 min left  scheduler: ok")
    assert lines[1] == "━" * BAR_WIDTH
    assert lines[2].split("   ")[:4] == ["✓ 3 done", "▶ 1 running", "↻ 1 requeued", "✗ 1 failed"]
    table = {line.split()[0]: line.split()[1:] for line in lines[4:7]}
    assert table == {
        "strategy": ["digits", "letters"],
        "margin": ["2/2", "1/2", "▶1"],
        "badge": ["0/2", "↻1", "✗1", "·"],
    }
    assert lines[8:] == ["✗ 1 ValueError: k is 0 in badge.py:88", "  lower k"]


def test_a_live_view_ends_when_there_is_nothing_to_wait_for(bench, shim):
    """In a terminal, as a person sees it."""
    shim()
    bench.submit(bench.suite("seen", "random", seeds="[0]"), "-l", "slurm", "--set", "time=1h")
    (bench.folder / "shim" / "state").write_text("COMPLETED")
    ours, theirs = pty.openpty()
    command = [*LBP, *bench.command("status", "seen", "--watch", 1)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=sys.stderr, env=environment)
    assert process.wait(120) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(ours, 100_000).decode())
    os.close(ours)
    os.close(theirs)
    assert "seen  0/1 done" in text
    assert "every 1 s, Ctrl-C leaves" in text
    assert "? 1 lost" in text
    assert "resume with: lbp sweep resume seen" in text
