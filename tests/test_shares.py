"""That the tests are shared out as said shows where a second cluster would be started (tests/slurm/conftest.py)."""

from pathlib import Path

from tests.shares import APART, LONG, place, share

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


def test_the_files_named_are_there():
    assert all((TESTS / file).is_file() for file in {*LONG, *APART})
