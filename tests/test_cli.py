import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelbench_plus import cli
from labelbench_plus.cli import app

LBP = [sys.executable, "-c", "from labelbench_plus.cli import main; main()"]


def lbp(*arguments: object, **keywords) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LBP, *map(str, arguments)], capture_output=True, text=True, check=False, **keywords)


def test_a_suite_from_nothing_to_a_page_and_again(suite_file, tmp_path):
    suite, out = suite_file(), tmp_path / "out"
    first = lbp("run", suite, "--out", out, "--jobs", 2)
    assert first.returncode == 0, first.stderr
    assert "small: 4 runs, 0 done, 4 to do" in first.stdout
    assert "4 runs finished" in first.stdout
    assert "margin" in first.stdout
    page = out / "leaderboards" / "small" / "index.html"
    assert str(page) in first.stdout
    assert "margin" in page.read_text()
    second = lbp("run", suite, "--out", out)
    assert "4 runs, 4 done, 0 to do" in second.stdout
    more = lbp("run", suite, "seeds=0..2", "--out", out)
    assert "6 runs, 4 done, 2 to do" in more.stdout

    board = lbp("leaderboard", suite, "--out", out)
    assert board.returncode == 0
    assert "margin" in board.stdout

    (run_id,) = {
        line.split()[0] for line in lbp("config", "hash", suite).stdout.splitlines() if "margin · seed 1" in line
    }
    shown = lbp("show", run_id[:6], "--out", out)
    assert f"run {run_id}: done, 3 of 3 rounds" in shown.stdout
    assert "attempt 1" in shown.stdout
    manifest = json.loads((out / "runs" / run_id / "manifest.json").read_bytes())
    assert manifest["plugins"]["strategies"] == "built in"
    assert manifest["packages"]["torch"]


def test_errors_say_what_is_wrong_and_stop_before_any_work(suite_file, tmp_path):
    out = tmp_path / "out"
    wrong = lbp("run", suite_file(("margin", "margn")), "--out", out)
    assert wrong.returncode == 2
    assert "did you mean 'margin'?" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert not out.exists()
    assert lbp("run", tmp_path / "none.yaml").returncode == 2
    assert lbp("show", "0000", "--out", out).returncode == 2
    assert lbp("list", "strategy").returncode == 2
    assert "one of problems" in lbp("list", "strategy").stderr
    nothing = lbp("leaderboard", suite_file(), "--out", out)
    assert nothing.returncode == 1
    assert "nothing to rank" in nothing.stdout


def test_a_place_that_cannot_be_written_to_is_told_before_any_work(suite_file, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("somebody else's")
    done = CliRunner().invoke(app, ["run", str(suite_file()), "--out", str(taken)])
    assert done.exit_code == 2
    assert f"--out {taken}: cannot be written to: " in done.stderr and "runs," not in done.stdout


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_what_is_wrong_with_a_users_file_is_no_traceback(monkeypatch, capsys, number):
    def fails():
        raise OSError(number, os.strerror(number), "/theirs/file")

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert f"/theirs/file: {os.strerror(number)}" in capsys.readouterr().err
    number = errno.EBADF
    with pytest.raises(OSError):
        cli.main()


def test_help_is_quick_because_nothing_heavy_is_imported():
    code = (
        "import sys; sys.argv = ['lbp', '--help']\n"
        "from labelbench_plus.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print({'torch', 'numpy', 'pandas', 'wandb', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_config_commands(suite_file):
    suite = suite_file()
    shown = json.loads(lbp("config", "show", suite).stdout)
    assert len(shown) == 4
    assert shown[0]["problem"]["metrics"][0] == {"name": "accuracy", "version": 1}  # defaults are spelled out
    left, right = suite.with_name("a.json"), suite.with_name("b.json")
    left.write_text(json.dumps(shown[0]))
    right.write_text(json.dumps(shown[2]))
    different = lbp("config", "diff", left, right)
    assert different.returncode == 1
    assert "seed: 0 | 1" in different.stdout
    assert lbp("config", "diff", left, left).returncode == 0


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle_and_called_again(suite_file, tmp_path, kill):
    suite, out = suite_file(("rounds: 3", "rounds: 20")), tmp_path / "out"
    process = subprocess.Popen(
        [*LBP, "run", str(suite), "--out", str(out), "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that a shell has put into the background ignore Ctrl-C, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 600
    while len(list(out.glob("runs/*/rounds/*.json"))) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    if kill == signal.SIGINT:
        os.killpg(process.pid, kill)  # as a terminal does: parent and workers alike
        stdout, stderr = process.communicate(timeout=600)
        assert process.returncode == 130
        assert "The same command resumes from here." in stdout
        assert "Traceback" not in stderr
    else:
        process.kill()  # the parent alone: its workers must not go on for ever
        process.communicate(timeout=600)
    assert len(list(out.glob("runs/*/result.json"))) < 4
    deadline = time.monotonic() + 600
    while (again := lbp("run", suite, "--out", out)).returncode == 0 and time.monotonic() < deadline:
        if "being computed by another process" not in again.stdout:
            break
    assert again.returncode == 0, again.stderr
    assert len(list(out.glob("runs/*/result.json"))) == 4

    undisturbed = tmp_path / "undisturbed"
    lbp("run", suite, "--out", undisturbed)

    def files(root: Path) -> dict[str, bytes]:
        return {str(path.relative_to(root)): path.read_bytes() for path in root.glob("runs/*/r*/*")}

    assert files(out) == files(undisturbed)
