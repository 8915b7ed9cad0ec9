"""Archives of strangers are looked at before anything of them is laid out."""

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.store.archive import ARCHIVE
from tests.submission.bundles import lines_of, named, write_lines

OWN_DATA = {"name": "arrays", "version": 1, "path": "mine.npz"}
THEIR_CODE = {"name": "labelbench", "version": 1, "target": "it's:X", "config": "{}", "checkout": "."}


def restore(bundle, out, *options):
    return CliRunner().invoke(app, ["restore", str(bundle / ARCHIVE), "--out", str(out), *options])


def of(line, place, value):
    line["config"][place] = line["result"]["identity"][place] = value
    named(line)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: of(line, "strategy", THEIR_CODE), "leads to code outside the benchmark"),
        (lambda line: of(line, "initial", THEIR_CODE), "leads to code outside the benchmark"),
        (
            lambda line: of(line, "problem", {**line["config"]["problem"], "dataset": OWN_DATA}),
            "leads to files outside",
        ),
        (lambda line: of(line, "strategy", {"name": "mаrgin", "version": 1}), "names are of a-z"),
        (lambda line: line["config"].update(seed=7), "is not what the id stands for"),
        (lambda line: line["rounds"][1]["scores"].update(accuracy=0.99), "does not follow from the round before"),
        (lambda line: line.update(more=[[[[]]]]), "unknown field"),
        (lambda line: line["manifest"].update(deep=[[[[[[[[[]]]]]]]]] * 10**6), "longer than is read"),
    ],
)
def test_what_is_wrong_with_one_run_keeps_all_from_being_laid_out(bundle, tmp_path, change, message):
    lines = lines_of(bundle)
    change(lines[-1])
    write_lines(bundle, lines)
    done = restore(bundle, tmp_path / "out")
    assert done.exit_code == 2 and message in done.stderr and "nothing was restored" in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_leads_outside_is_laid_out_if_it_is_allowed_by_name(bundle, tmp_path):
    lines = lines_of(bundle)
    of(lines[0], "problem", {**lines[0]["config"]["problem"], "dataset": OWN_DATA})
    of(lines[1], "strategy", THEIR_CODE)
    write_lines(bundle, lines)
    told = restore(bundle, tmp_path / "out").stderr
    assert "--allow datasets.arrays.path=mine.npz" in told
    assert "--allow 'strategies.labelbench.target=it'\"'\"'s:X'" in told  # as a shell reads it
    values = [
        "datasets.arrays.path=mine.npz",
        "strategies.labelbench.target=it's:X",
        "strategies.labelbench.checkout=.",
    ]
    done = restore(bundle, tmp_path / "out", *(part for value in values for part in ("--allow", value)))
    assert done.exit_code == 0, done.stderr
    assert len(list((tmp_path / "out" / "runs").iterdir())) == len(lines)


def test_plugins_that_are_not_here_are_laid_out(bundle, tmp_path):
    lines = lines_of(bundle)
    of(lines[0], "strategy", {"name": "elsewhere", "version": 1})
    write_lines(bundle, lines)
    assert restore(bundle, tmp_path / "out").exit_code == 0
