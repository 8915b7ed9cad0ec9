"""The folder that is written: complete, the same bytes each time, never half done."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from labelbench_plus.leaderboard import build, page

from .synthetic import meta, synthetic_curves

FILES = ["curves.csv", "index.html", "table.csv", "table.md"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_writes_the_folder_and_nothing_else(tmp_path: Path) -> None:
    index = build(synthetic_curves(), meta(), tmp_path / "new" / "board")
    assert index == tmp_path / "new" / "board" / "index.html"
    assert sorted(contents(index.parent)) == FILES


def test_the_same_curves_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    curves = synthetic_curves(problems=["a", "b"])
    build(curves, meta(problems=["a", "b"]), tmp_path / "one")
    build(curves.sample(frac=1, random_state=3), meta(problems=["b", "a"]), tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_curves_come_back_whole_and_are_named_by_their_digest(tmp_path: Path) -> None:
    curves = synthetic_curves()
    index = build(curves, meta(), tmp_path)
    again = pd.read_csv(tmp_path / "curves.csv")
    keys = ["strategy", "seed", "round"]
    pd.testing.assert_frame_equal(
        again.sort_values(keys, ignore_index=True), curves.sort_values(keys, ignore_index=True), check_dtype=False
    )
    assert hashlib.sha256((tmp_path / "curves.csv").read_bytes()).hexdigest() in index.read_text(encoding="utf-8")


def test_a_failure_leaves_the_old_page_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(synthetic_curves(), meta(), tmp_path)
    before = contents(tmp_path)

    def fail(*_: object) -> str:
        raise RuntimeError("no disk")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", fail)
        with pytest.raises(RuntimeError, match="no disk"):
            build(synthetic_curves(generator_seed=1), meta(), tmp_path)
    assert contents(tmp_path) == before
    monkeypatch.setattr(page, "render", fail)
    with pytest.raises(RuntimeError):
        build(synthetic_curves(generator_seed=1), meta(), tmp_path)
    assert contents(tmp_path)["index.html"] == before["index.html"]
