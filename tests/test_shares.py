"""That the tests are shared out as said shows where a second cluster would be started (tests/slurm/conftest.py)."""

from pathlib import Path
from types import SimpleNamespace

from tests.shares import APART, LONG, Shares, place, share

TESTS = Path(__file__).parent


def test_a_files_tests_go_together_and_all_on_slurm_do():
    assert share("tests/a/test_b.py::test_c") == share("tests/a/test_b.py::test_d[1]") == "tests/a/test_b.py"
    assert share("tests/slurm/test_a.py::test_b") == share("tests/slurm/test_c.py::test_d")
    apart = f"tests/{min(APART)}::test_"
    assert share(apart + "a") != share(apart + "b")


def test_what_waits_begins_first_and_then_what_is_long():
    begin = [
        "tests/slurm/test_a.py::test_b",
        *(f"tests/{file}::test_a" for file in LONG),
        "tests/test_spec.py::test_a",
    ]
    assert [place(nodeid) for nodeid in begin] == [*range(-1, len(LONG)), len(LONG)]


class Worker:
    """What the scheduler needs of one."""

    shutting_down = False

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.send_runtest_some, self.shutdown = self.sent.extend, list


def test_what_is_alone_and_long_begins_before_many_that_are_short():
    config = SimpleNamespace(getvalue=lambda name: ["popen"], option=SimpleNamespace(loadscopereorder=True))
    shares, worker = Shares(config), Worker()
    shares.add_node(worker)
    shares.add_node_collection(worker, ["tests/a.py::long", *(f"tests/b.py::short[{number}]" for number in range(9))])
    shares.schedule()
    assert worker.sent == list(range(10))


def test_the_files_named_are_there():
    assert all((TESTS / file).is_file() for file in {*LONG, *APART})
