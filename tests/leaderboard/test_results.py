"""Folders of results: what is written comes back, and what cannot be used is refused by name."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
from pathlib import Path

import pandas as pd
import pytest

from labelbench_plus.leaderboard import About, Results, curves_file, read_results, write_results
from labelbench_plus.leaderboard.results import ResultsError
from labelbench_plus.store.archive import restore_archive
from labelbench_plus.store.run_store import StoreError

from .synthetic import STRATEGIES, csv_of, meta, synthetic_curves

FILES = ["board.json", "curves.csv", "table.csv", "table.md"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_writes_the_folder_and_nothing_else(tmp_path: Path) -> None:
    write_results(Results(synthetic_curves(), meta()), tmp_path / "new" / "board")
    assert sorted(contents(tmp_path / "new" / "board")) == FILES


def test_the_same_curves_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    curves = synthetic_curves(problems=["a", "b"])
    write_results(Results(curves, meta(problems=["a", "b"])), tmp_path / "one")
    write_results(Results(curves.sample(frac=1, random_state=3), meta(problems=["b", "a"])), tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_comes_back_whole_odd_names_and_all(tmp_path: Path) -> None:
    curves = synthetic_curves(STRATEGIES | {"None": 0.0, "nan": 0.01, '<b>"quoted", 主动': 0.0})
    about = {"digits": About("classification", "labels", "digits", {"encoder": "pixels"})}
    declared = dataclasses.replace(
        meta(), problems=about, badge="checked", badges={"r": "re-run"}, slack={"digits": 1.5}, notes=("a note",)
    )
    results = Results(curves, declared)
    write_results(results, tmp_path)
    again = read_results(tmp_path)
    assert again.meta == declared
    assert csv_of(again) == csv_of(results)
    pd.testing.assert_frame_equal(
        again.curves.sort_values(["run_id", "round"], ignore_index=True),
        curves.sort_values(["run_id", "round"], ignore_index=True)[list(again.curves.columns)],
        check_dtype=False,
    )


def test_a_long_table_is_compressed_and_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = Results(synthetic_curves(), meta())
    write_results(results, tmp_path)
    plain, text = read_results(tmp_path), (tmp_path / "curves.csv").read_bytes()
    monkeypatch.setattr(curves_file, "LONGEST_PLAIN", len(results.curves) - 1)
    write_results(results, tmp_path)
    assert sorted(contents(tmp_path)) == ["board.json", "curves.csv.gz", "table.csv", "table.md"]
    assert gzip.decompress((tmp_path / "curves.csv.gz").read_bytes()) == text
    pd.testing.assert_frame_equal(read_results(tmp_path).curves, plain.curves)
    once = contents(tmp_path)
    write_results(results, tmp_path)
    assert contents(tmp_path) == once
    (tmp_path / "curves.csv").write_bytes(text)
    with pytest.raises(ResultsError, match=r"curves\.csv and curves\.csv\.gz are both there: remove the older"):
        read_results(tmp_path)
    monkeypatch.setattr(curves_file, "LONGEST_PLAIN", len(results.curves))
    write_results(results, tmp_path)
    assert sorted(contents(tmp_path)) == FILES


def test_a_compressed_table_that_is_damaged_or_too_long_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves_file, "LONGEST_PLAIN", 0)
    write_results(Results(synthetic_curves(seeds=range(2)), meta()), tmp_path)
    file = tmp_path / "curves.csv.gz"
    whole = file.read_bytes()
    for damaged in (whole[:-20], b"no table", whole[:20] + bytes(20) + whole[40:]):
        file.write_bytes(damaged)
        with pytest.raises(ResultsError, match=r"curves\.csv\.gz: not a whole gzip file"):
            read_results(tmp_path)
    file.write_bytes(whole)
    monkeypatch.setattr(curves_file, "MOST_BYTES", 1000)
    with pytest.raises(ResultsError, match=r"more than 1,000 bytes"):
        read_results(tmp_path)


def test_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"no board\.json"):
        read_results(tmp_path)
    write_results(Results(synthetic_curves(seeds=range(2)), meta()), tmp_path)
    board = json.loads((tmp_path / "board.json").read_bytes())
    for broken in ({**board, "format": 99}, {**board, "budgets": {"digits": [2, 1]}}, {**board, "badge": "gold"}, []):
        (tmp_path / "board.json").write_text(json.dumps(broken))
        with pytest.raises(ResultsError, match=r"board\.json: not a board of format 1"):
            read_results(tmp_path)
    (tmp_path / "curves.csv").unlink()
    with pytest.raises(ResultsError, match=r"no curves\.csv"):
        read_results(tmp_path)


def test_an_archive_that_is_cut_short_is_named(tmp_path: Path) -> None:
    write_results(Results(synthetic_curves(seeds=range(2)), meta()), tmp_path)
    whole = gzip.compress(b'{"run": "%s"}\n' % random.Random(0).randbytes(5000).hex().encode())
    for damaged in (whole[:-20], b"no archive", whole[:20] + bytes(20) + whole[40:]):
        (tmp_path / "runs.jsonl.gz").write_bytes(damaged)
        with pytest.raises(ResultsError, match=str(tmp_path)):
            read_results(tmp_path)
        with pytest.raises(StoreError, match=r"runs\.jsonl\.gz is damaged or cut short"):
            restore_archive(tmp_path / "runs.jsonl.gz", tmp_path / "out")


def test_a_failure_leaves_the_old_files_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_results(Results(synthetic_curves(), meta()), tmp_path)
    before = contents(tmp_path)

    def fail(*_: object) -> str:
        raise RuntimeError("no disk")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(RuntimeError, match="no disk"):
        write_results(Results(synthetic_curves(generator_seed=1), meta()), tmp_path)
    assert contents(tmp_path) == before


def test_what_runs_hold_alike_is_kept_once_and_is_what_the_archive_says(tmp_path: Path) -> None:
    curves = synthetic_curves()
    write_results(Results(curves, meta()), tmp_path)
    lines = [
        {
            "config": {"problem": {"name": "digits"}, "seed": seed},
            "costs": [{"attempt": 1}],
            "manifest": {
                "packages": {"torch": "2"},
                "identity": {"problem": {"name": "digits"}, "seed": seed},
                "run": run,
            },
            "rounds": [{"manifest": {"packages": "another"}, "run": "another"}],
            "run": run,
        }
        for seed, run in enumerate(sorted(set(curves["run_id"])))
    ]
    in_order = [json.dumps(line, sort_keys=True, separators=(",", ":")) for line in lines]
    for texts in (in_order, [json.dumps(dict(reversed(line.items())), indent=None) for line in lines]):
        (tmp_path / "runs.jsonl.gz").write_bytes(gzip.compress("".join(f"{text}\n" for text in texts).encode()))
        records = read_results(tmp_path).records
        assert records == {line["run"]: {"config": line["config"], "manifest": line["manifest"]} for line in lines}
        first, second, *_ = records.values()
        assert first["manifest"]["packages"] is second["manifest"]["packages"]
        assert first["config"]["problem"] is second["manifest"]["identity"]["problem"]
