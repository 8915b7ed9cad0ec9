"""SECURITY.md names, for every promise, a test that is there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TABLES = [
    line
    for line in (TESTS.parent / "SECURITY.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and line.count("|") == 5 and not line.startswith(("| promise", "|-"))
]


@pytest.mark.parametrize("row", TABLES, ids=lambda row: row[2:60])
def test_each_promise_has_a_test(row):
    cell = row.split("|")[4]
    folder = ""
    named = re.findall(r"`([\w/]+\.py)`", cell)
    assert named or cell.strip() == "the same", cell
    for name in named:
        folder = name.rpartition("/")[0] if "/" in name else folder
        assert (TESTS / name).exists() or (TESTS / folder / name).exists(), name


def test_there_are_promises_of_every_kind():
    assert len(TABLES) > 20
