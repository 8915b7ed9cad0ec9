"""What other people's code holds is noted, and another content under the same name is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labelbench_plus.plugins import load_plugin_file, registry
from labelbench_plus.store.manifest import CodeDiffers, check_others_code
from labelbench_plus.store.others_code import changed, code_of_run, code_of_sweep

PLUGIN = """\
from dataclasses import dataclass
from labelbench_plus.strategies import PoolStrategy, strategies

@strategies.register("first_ones_of_others")
@dataclass(frozen=True)
class FirstOnes(PoolStrategy):
    needs = frozenset()
    def select(self, view, n, rng):
        return view.candidates[:n]
"""


@pytest.fixture
def forgotten() -> Iterator[None]:
    """The strategy that is registered here is unknown to other tests."""
    yield
    for known in (registry("strategies")._classes, registry("strategies")._local):
        known.pop("first_ones_of_others", None)


@pytest.mark.usefixtures("forgotten")
def test_a_plugin_file_is_known_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "mine_of_others.py"
    file.write_text(PLUGIN)
    load_plugin_file(file)
    other = tmp_path / "unused.py"
    other.write_text("")
    mine = registry("strategies").build("first_ones_of_others")
    begun = code_of_run([mine, registry("strategies").build("random")], [file, other])
    assert list(begun) == ["plugin mine_of_others.py"], "what is not used may change"
    assert code_of_run([registry("strategies").build("random")], [file]) == {}
    of_sweep = code_of_sweep([file, other], [])
    file.write_text(PLUGIN.replace("[:n]", "[-n:]"))
    assert changed(of_sweep, code_of_sweep([file, other], [])) == ["plugin mine_of_others.py"]
    now = code_of_run([mine], [file])
    with pytest.raises(CodeDiffers, match=r"an earlier plugin mine_of_others\.py.*raise its plugin's `version`"):
        check_others_code({"others_code": begun}, {"others_code": now}, tmp_path)
    check_others_code({}, {"others_code": now}, tmp_path)  # a run of an earlier version does not say


def test_checkouts_that_specs_name_are_known_by_their_sources(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "pkg").mkdir(parents=True)
    source = tmp_path / "theirs" / "pkg" / "least_sure.py"
    source.write_text("a = 1")
    spec = {"strategy": {"name": "labelbench", "checkout": str(tmp_path / "theirs"), "of": [{"checkout": None}]}}
    before = code_of_sweep([], [spec])
    assert "checkout theirs" in before
    (tmp_path / "theirs" / "notes.txt").write_text("no code")
    assert code_of_sweep([], [spec]) == before
    source.write_text("a = 2")
    assert changed(before, code_of_sweep([], [spec])) == ["checkout theirs"]
