import json

import pandas as pd
import pytest

from labelbench_plus.store.collect import hyperparameters
from labelbench_plus.suite import load_suite
from labelbench_plus.sweep.folder import Sweep, SweepRun


@pytest.fixture
def computed(bench):
    """Four finished runs of a sweep. Returns it and the function that collects it."""
    suite = bench.suite("table", rounds=2)
    bench.undisturbed(suite)
    (bench.folder / "undisturbed-table").rename(bench.out)
    sweep = Sweep(bench.out, "table")
    sweep.folder.mkdir(parents=True)
    sweep.add_runs(SweepRun.of(spec) for spec in load_suite(suite).runs())
    (sweep.folder / "sweep.json").write_text(json.dumps({"plugins": []}))

    def collect(*options):
        target = bench.folder / "table.parquet"
        done = bench.lbp("collect", "table", "--to", target, *options)
        return done, target.read_bytes(), pd.read_parquet(target)

    return sweep, collect


def folder(sweep, number):
    return sweep.root / "runs" / sweep.runs()[number].id


def test_the_same_rounds_give_the_same_bytes(computed):
    _, collect = computed
    done, content, table = collect("--strict")
    assert done.returncode == 0
    assert "8 rounds of 4 runs; 4 of 4 are complete" in done.stdout
    assert collect()[1] == content
    assert sorted(table["concurrency"].unique()) == [1]


def test_hyperparameters_are_columns(computed):
    _, collect = computed
    table = collect()[2]
    assert set(table["trainer.name"]) == {"centroids"} and set(table["problem.dataset.name"]) == {"digits"}
    assert (table["strategy.name"] == table["strategy"]).all()


def test_a_column_is_of_one_kind_and_empty_where_there_is_no_such_field(suite_file):
    suite = load_suite(
        suite_file(("[logistic_regression]", "[{name: logistic_regression, l2: 0.5}, {name: mlp, steps: 7}]"))
    )
    table = hyperparameters(suite.runs())
    assert table["trainer.l2"].dropna().unique().tolist() == [0.5]
    assert table["trainer.steps"].dropna().unique().tolist() == [7]
    assert table["problem.metrics"].str.startswith("[{").all()
    assert list(table.columns) == ["run_id", *sorted(table.columns[1:])]


def test_a_form_that_is_not_written_is_refused_before_anything_is_read(bench):
    done = bench.lbp("collect", "none", "--to", bench.folder / "table.xlsx")
    assert done.returncode == 2
    assert "are written as .parquet or .csv; name such a file, e.g." in done.stderr and "table.csv" in done.stderr


def test_a_file_that_was_changed_is_named_and_its_run_left_out(computed):
    sweep, collect = computed
    path = folder(sweep, 1) / "rounds" / "0000.json"
    path.write_bytes(path.read_bytes().replace(b'"spent":20', b'"spent":19'))
    done, _, table = collect()
    assert done.returncode == 0
    assert "1 of 4 invalid:" in done.stdout
    assert f"{sweep.runs()[1].id} " in done.stdout
    assert "rounds/0001.json: follows" in done.stdout
    assert sweep.runs()[1].id not in set(table["run_id"])
    assert collect("--strict")[0].returncode == 1


def test_what_is_not_done_is_missing_or_partial(computed):
    sweep, collect = computed
    (folder(sweep, 2) / "result.json").unlink()
    (folder(sweep, 2) / "rounds" / "0001.json").unlink()
    done, _, table = collect()
    assert "1 of 4 missing or not done:" in done.stdout
    assert len(table) == 6
    table = collect("--partial")[2]
    assert len(table) == 7
    assert list(table[table["run_id"] == sweep.runs()[2].id]["complete"]) == [False]
