"""What is started warm is told from what is started anew by nothing that is looked at here."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks that are adopted are Linux's")
TELL = """
import json, os, sys, signal
files = sorted(int(each) for each in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{each}"))
print(json.dumps({
    "argv": sys.argv, "original": sys.orig_argv[0], "path": sys.path, "environment": dict(os.environ),
    "folder": os.getcwd(), "parent": os.getppid(), "session": os.getsid(0) == os.getpid(), "files": files,
    "name": __name__, "file": globals().get("__file__"), "tasks": len(os.listdir("/proc/self/task")),
    "modules": sorted(name for name in sys.modules if name.partition(".")[0] in
        ("torch", "numpy", "scipy", "sklearn", "pandas", "pydantic", "labelbench_plus", "tests")),
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "interrupted": str(signal.getsignal(signal.SIGINT)), "stdin": sys.stdin.read(),
    "streams": [[each.write_through, each.errors, each.encoding, type(each.buffer).__name__]
        for each in (sys.stdout, sys.stderr)],
}))
print("said", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture
def both(warm_starts, monkeypatch):
    """Run something started anew, and started warm."""

    def run(what):
        before = warm_starts.started
        warm = what()
        assert warm_starts.started > before
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "_fork_exec", warm_starts._fork_exec)
            return what(), warm

    return run


def told(*command, **options):
    options = {"env": dict(os.environ), **options}  # which may have less in it than what a library has set
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, input="given", **options)
    assert (done.returncode, done.stderr) == (3, "said\n"), done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("how", ["code", "safe", "module", "file", "session"])
def test_a_process_is_what_it_was_asked_to_be(both, how, tmp_path, monkeypatch):
    (tmp_path / "tells.py").write_text(TELL)
    monkeypatch.setenv("LBP_UNDER_TEST", "given")
    ways = {
        "code": lambda: told("-c", TELL, "one", "two"),
        "safe": lambda: told("-P", "-u", "-c", TELL, env={**os.environ, "PYTHONPATH": str(tmp_path)}),
        "module": lambda: told("-m", "tells", "one", cwd=tmp_path),
        "file": lambda: told(str(tmp_path / "tells.py"), "one"),
        "session": lambda: told("-c", TELL, start_new_session=True, cwd=tmp_path),
    }
    new, warm = both(ways[how])
    assert new == warm
    assert warm["parent"] == os.getpid() and warm["stdin"] == "given" and warm["session"] is (how == "session")


def test_the_signals_that_it_blocks_are_those_of_whoever_starts_it(both):
    anew, warm = both(lambda: told("-c", TELL))
    assert warm["blocked"] == anew["blocked"] == []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    try:
        anew, warm = both(lambda: told("-c", TELL))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert warm["blocked"] == anew["blocked"] == sorted({signal.SIGTERM, signal.SIGUSR1})


def test_files_are_passed_under_their_numbers(both):
    code = "import os, sys; os.write(int(sys.argv[1]), b'through')"

    def passed():
        read, write = os.pipe()
        subprocess.run([sys.executable, "-c", code, str(write)], pass_fds=[write], check=True)
        os.close(write)
        try:
            return os.read(read, 100), os.read(read, 100)
        finally:
            os.close(read)

    new, warm = both(passed)
    assert new == warm == (b"through", b"")


WHAT_LOADS = """
import sys
{}
print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{"torch", "numpy", "scipy", "sklearn", "pandas"}}))
import {} as it
print(it.__name__, it.__spec__.name, it.__spec__.origin, it is sys.modules[it.__name__])
"""


@pytest.mark.parametrize(
    ("first", "module"),
    [("", "torch.nn.functional"), ("import pydantic, yaml, typer", "numpy"), ("", "scipy.optimize")],
)
def test_what_was_loaded_is_there_once_it_is_imported(both, first, module):
    code = WHAT_LOADS.format(first, module)
    new, warm = both(lambda: subprocess.run([sys.executable, "-c", code], capture_output=True, text=True))
    assert (new.stdout, new.stderr) == (warm.stdout, warm.stderr)
    assert module in new.stdout and new.stdout.startswith("[]")


def test_it_ends_as_processes_do(both):
    def ended(code):
        return lambda: subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    new, warm = both(ended("import atexit; atexit.register(print, 'at exit'); print('so', end=' '); x = 1 / 0"))
    assert (new.returncode, new.stdout) == (warm.returncode, warm.stdout) == (1, "so at exit\n")
    assert new.stderr.splitlines()[-1] == warm.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"
    new, warm = both(ended("import os; os.kill(os.getpid(), 9)"))
    assert new.returncode == warm.returncode == -9


def _tell(connection):
    connection.send((os.getppid(), "torch" in sys.modules))


def test_workers_of_multiprocessing_are_started_warm(warm_starts):
    before = warm_starts.started
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    worker = multiprocessing.get_context("spawn").Process(target=_tell, args=(theirs,))
    worker.start()
    assert ours.recv() == (os.getpid(), False)
    worker.join()
    assert worker.exitcode == 0 and warm_starts.started == before + 1


@pytest.mark.parametrize(
    "options",
    [
        {"preexec_fn": lambda: None},
        {"env": {**os.environ, "OMP_NUM_THREADS": "2"}},
        {"close_fds": False},
        {"umask": 0o77},
    ],
)
def test_what_it_cannot_do_is_done_anew(warm_starts, options):
    before = warm_starts.started
    subprocess.run([sys.executable, "-c", "pass"], check=True, **options)
    subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
    subprocess.run(["true"], check=True)
    assert warm_starts.started == before


def test_code_that_python_runs_at_its_start_is_run(warm_starts, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print('at the start')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", ""], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "at the start\n"


def test_random_numbers_that_nobody_seeded_differ(warm_starts):
    code = "import random, numpy; print(random.random(), numpy.random.random())"
    one, other = (subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2))
    assert not set(re.findall(r"[\d.]+", one)) & set(re.findall(r"[\d.]+", other))


def test_files_are_passed_under_whatever_number(warm_starts):
    """Those that the process forked from has open are in nobody's way."""
    code = "import os, sys; print([os.fstat(int(each)).st_ino for each in sys.argv[1:]])"
    ends = [each for _ in range(20) for each in os.pipe()]
    try:
        command = [sys.executable, "-c", code, *map(str, ends)]
        done = subprocess.run(command, pass_fds=ends, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == [os.fstat(each).st_ino for each in ends]
    finally:
        for each in ends:
            os.close(each)
