"""Packing: what is packed passes the check, and what cannot be packed says why."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard import read_results
from labelbench_plus.submission.check import check
from labelbench_plus.submission.schema import json_schema
from tests.submission.bundles import WHO, lines_of

PUBLISHED = Path(__file__).parents[2] / "results" / "submission.schema.json"


def command(computed, to, *more):
    words = [part for name, text in WHO.items() for part in (f"--{name}", text)]
    start = ["submission", "pack", str(computed / "small.yaml"), "--out", str(to), "--runs", str(computed / "out")]
    return [*start, *words, "--difference", "run by the tests", *more]


def test_what_is_packed_passes_the_check_and_is_the_same_every_time(computed, bundle, place, tmp_path):
    done = CliRunner().invoke(app, command(computed, tmp_path / "again"))
    assert done.exit_code == 0, done.output
    assert "4 runs packed" in done.stdout
    assert not check(tmp_path / "again", place).problems
    names = sorted(path.name for path in bundle.iterdir())
    assert names == ["board.json", "curves.csv", "runs.jsonl.gz", "submission.json", "table.csv", "table.md"]
    assert all((bundle / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)


def test_single_runs_and_fewer_seeds_can_be_packed(computed, place, tmp_path):
    done = CliRunner().invoke(app, command(computed, tmp_path / "seed", "seeds=1..1"))
    assert done.exit_code == 0 and "2 runs packed" in done.stdout
    assert not check(tmp_path / "seed", place).problems
    (one, *_) = (line["run"] for line in lines_of(tmp_path / "seed"))
    done = CliRunner().invoke(app, command(computed, tmp_path / "one", one[:8]))
    assert done.exit_code == 0 and "1 runs packed" in done.stdout
    assert [line["run"] for line in lines_of(tmp_path / "one")] == [one]


def test_a_part_of_a_suite_can_be_published(computed, tmp_path):
    start = ["publish", str(computed / "small.yaml"), str(tmp_path / "part")]
    out = ["--out", str(computed / "out")]
    done = CliRunner().invoke(app, [*start, "seeds=1..1", *out])
    assert done.exit_code == 0 and "2 runs and their tables" in done.stdout, done.output
    assert {line["config"]["seed"] for line in lines_of(tmp_path / "part")} == {1}
    assert set(read_results(tmp_path / "part").curves["seed"]) == {1}
    done = CliRunner().invoke(app, [*start, "seeds=0..2", *out])
    assert done.exit_code == 2 and "2 of 6 runs of small are not finished: lbp run " in done.stderr
    assert f"small.yaml seeds=0..2 --out {computed / 'out'}" in done.stderr


def test_what_cannot_be_packed_says_why(computed, tmp_path):
    to = tmp_path / "to"
    for more, message in (
        (["seeds=0..2"], "2 of 6 runs are not finished"),
        (["zzzz"], "run zzzz: fits 0 runs of small"),
        (["--contact", "nowhere"], "--contact: expected a text of the form"),
        (["strategies=[margn]"], "did you mean"),
    ):
        done = CliRunner().invoke(app, command(computed, to, *more))
        assert done.exit_code == 2 and message in done.stderr, done.output
        assert not to.exists()


def test_a_plugin_that_nobody_else_can_install_is_declared_or_not_packed(computed, tmp_path):
    out = Path(shutil.copytree(computed / "out", tmp_path / "out"))
    for file in out.glob("*/*/manifest.json"):
        manifest = json.loads(file.read_text())
        manifest["plugins"]["datasets digits"] = "theirs 2.1, from a folder"
        file.write_text(json.dumps(manifest))
    words = command(computed, tmp_path / "to", "--runs", str(out))
    at = words.index("--difference")
    done = CliRunner().invoke(app, words[:at] + words[at + 2 :])
    assert done.exit_code == 2 and not (tmp_path / "to").exists()
    assert "--difference: nobody else can install datasets digits (theirs 2.1, from a folder)" in done.stderr
    assert CliRunner().invoke(app, words).exit_code == 0


def test_the_published_schema_is_that_of_the_code_and_fits_what_is_packed(bundle):
    assert PUBLISHED.read_bytes() == json_schema(), "lbp submission schema > results/submission.schema.json"
    schema = json.loads(json_schema())
    signed = json.loads((bundle / "submission.json").read_text())
    jsonschema.validate(signed, schema)
    with pytest.raises(jsonschema.ValidationError, match="contact"):
        jsonschema.validate({key: value for key, value in signed.items() if key != "contact"}, schema)
    for line in lines_of(bundle):
        jsonschema.validate(line, {"$ref": "#/$defs/RunLine", "$defs": schema["$defs"]})
