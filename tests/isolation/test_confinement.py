"""What a confined process cannot reach, tried; and what becomes of a machine that confines less."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from labelbench_plus.isolation.cell import Cell, IsolationError
from labelbench_plus.isolation.confine import code_places
from labelbench_plus.isolation.reported import Reported
from labelbench_plus.suite import Isolation
from labelbench_plus.testing.pool_scene import make_view

ATTACKS = Path(__file__).parent / "attacks.py"
SHM = Path("/dev/shm")
TERMS = Isolation(kind="process", seconds=120)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux'")


@pytest.fixture(scope="module")
def prey(tmp_path_factory) -> Iterator[Path]:
    """What others have on a machine: results, sockets that listen, shared memory."""
    folder = tmp_path_factory.mktemp(f"prey-{os.getpid()}-")  # names of sockets and in /dev/shm are everybody's
    (folder / "labels.json").write_text("[1, 2, 3]")
    (SHM / folder.name).write_bytes(b"shared")
    with socket.socket(socket.AF_UNIX) as path, socket.socket(socket.AF_UNIX) as abstract:
        path.bind(str(folder / "docker.sock"))
        abstract.bind(f"\0{folder.name}")
        path.listen(64)
        abstract.listen(64)
        yield folder
    for left in SHM.glob(f"{folder.name}*"):
        left.unlink()


@pytest.fixture(scope="module")
def cell(prey, tmp_path_factory) -> Iterator[Cell]:
    copy = Path(shutil.copy(ATTACKS, tmp_path_factory.mktemp("plugin")))
    with Cell([copy], [prey], TERMS) as child:
        try:
            child.start()
        except IsolationError as error:
            pytest.skip(f"this machine confines less: {error}")
        yield child


def choose(cell: Cell, name: str, **parameters: str) -> list[int]:
    strategy = cell.report("strategies", {"name": name, **parameters})
    assert isinstance(strategy, Reported)
    return cell.select(strategy, make_view(needs=frozenset()), 5, np.random.default_rng(0)).tolist()


def told_by_file(name: str) -> list[str]:
    """What stands in the file of attacks under a name, word by word; it is not imported here."""
    code = f"import sys; sys.path.insert(0, {str(ATTACKS.parent)!r}); import attacks; print(*attacks.{name})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_no_way_out_goes_through(cell, prey):
    names = told_by_file("ROUTES")
    assert len(names) > 55
    through = [names[number] for number in choose(cell, "attack", folder=str(prey)) if number >= 0]
    assert through == []
    assert (prey / "labels.json").read_text() == "[1, 2, 3]"
    assert cell._files[0].read_bytes() == ATTACKS.read_bytes()


def test_the_ways_out_do_go_through_unconfined(prey):
    """Otherwise the test above would show nothing."""
    victim = prey / "victim"
    victim.mkdir()
    (victim / "labels.json").write_text("[1, 2, 3]")
    (SHM / victim.name).write_bytes(b"shared")
    with socket.socket(socket.AF_UNIX) as path, socket.socket(socket.AF_UNIX) as abstract:
        path.bind(str(victim / "docker.sock"))
        abstract.bind("\0victim")
        path.listen(8)
        abstract.listen(8)
        copy = shutil.copy(ATTACKS, victim)
        done = subprocess.run([sys.executable, copy, str(victim)], capture_output=True, text=True, check=True)
    for left in SHM.glob("victim*"):
        left.unlink()
    assert set(told_by_file("ANYBODY.split()")) - set(json.loads(done.stdout)) == set()


def test_honest_work_is_done(cell):
    assert choose(cell, "worker") == make_view(needs=frozenset()).candidates[:5].tolist()
    assert cell.held["landlock"] >= 1 and cell.held["seccomp"] and not cell.held["missing"]


def test_it_has_no_privilege_and_no_terminal(cell):
    status = Path(f"/proc/{cell._process.pid}/status").read_text()
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(facts["CapEff"], 16) == int(facts["CapPrm"], 16) == 0
    assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2"
    assert os.getsid(cell._process.pid) == cell._process.pid
    for number in (0, 1, 2):
        assert not os.readlink(f"/proc/{cell._process.pid}/fd/{number}").startswith(("/dev/pts", "/dev/tty"))


def test_every_thread_of_it_is_confined(cell):
    """Threads that were there before would not be: NumPy and torch are imported later."""
    for task in Path(f"/proc/{cell._process.pid}/task").iterdir():
        assert "Seccomp:\t2" in (task / "status").read_text()


LESS = """
import sys
sys.path[:0] = {path!r}
from labelbench_plus.isolation import calls
library = calls._library()
context = library.seccomp_init(calls.ALLOW)
for name, conditions in {refused!r}.items():
    listed = (calls._Condition * len(conditions))(*(calls._Condition(*each) for each in conditions))
    number = library.seccomp_syscall_resolve_name(name.encode())
    assert library.seccomp_rule_add_array(context, calls.ERRNO | calls.ENOSYS, number, len(conditions), listed) == 0
assert library.seccomp_load(context) == 0
from labelbench_plus.cli import main
sys.argv = ["lbp", *{arguments!r}]
main()
"""
PEEK = """
from dataclasses import dataclass
from labelbench_plus.strategies import PoolStrategy, strategies


@strategies.register("peek")
@dataclass(frozen=True)
class Peek(PoolStrategy):
    def select(self, view, n, rng):
        view.note("passwords", len(open("/etc/passwd").read()))
        return view.candidates[:n]
"""
NO_LANDLOCK = {"landlock_create_ruleset": []}
NO_SECCOMP = {"seccomp": [], "prctl": [(0, 7, 0xFFFFFFFF, 22)]}


@pytest.mark.parametrize(
    ("refused", "missing"),
    [(NO_LANDLOCK, "this kernel has no Landlock"), (NO_SECCOMP, "the kernel refuses the filter")],
    ids=["landlock", "seccomp"],
)
def test_a_machine_that_confines_less_is_refused_unless_that_will_do(suite_file, tmp_path, refused, missing):
    plugin = tmp_path / "peek.py"
    plugin.write_text(PEEK)
    suite = suite_file(
        ("[random, margin]", "[peek]"), ("seeds: 0..1", "seeds: [0]\nbaseline: peek\ninitial: null"),
        ("{first: 20, batch: 10, rounds: 3}", "{first: 20, rounds: 1}"),
    )  # fmt: skip

    def run(kind: str) -> subprocess.CompletedProcess[str]:
        options = ["--out", str(tmp_path / "out"), "--plugin", str(plugin), "--jobs", "1"]
        code = LESS.format(path=sys.path, refused=refused, arguments=["run", str(suite), f"isolate={kind}", *options])
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    strict = run("process")
    assert strict.returncode == 2
    assert f"isolate: process needs Landlock (Linux 5.13 or later) and seccomp, but {missing}" in strict.stderr
    lenient = run("best_effort")
    if refused is NO_SECCOMP:  # then files are watched over as before
        assert lenient.returncode == 1 and "PermissionError" in lenient.stdout + lenient.stderr
    else:
        assert lenient.returncode == 0, lenient.stderr
        (costs,) = (tmp_path / "out").glob("runs/*/costs/0000.json")
        assert json.loads(costs.read_bytes())["strategy.passwords"] > 0
    assert f"NOT confined in full: {missing}" in lenient.stderr
    (manifest,) = (tmp_path / "out").glob("runs/*/manifest.json")
    isolation = json.loads(manifest.read_bytes())["isolation"]
    assert isolation["asked"] == "best_effort" and missing in isolation["missing"]


def test_of_a_folder_of_scripts_only_what_can_be_imported_is_readable(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "module.py").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "secret.json").touch()
    (tmp_path / "outputs").mkdir()
    mine = [place for place in code_places([str(tmp_path)], []) if place.is_relative_to(tmp_path)]
    assert sorted(place.name for place in mine) == ["module.py", "package"]
    hidden = [tmp_path / "package" / "runs"]
    mine = [place for place in code_places([str(tmp_path)], hidden) if place.is_relative_to(tmp_path)]
    assert [place.name for place in mine] == ["module.py"]
