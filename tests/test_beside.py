"""What is used beside the budget is declared in named lines, and every board shows them."""

import csv
import dataclasses
import json

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard.markdown import render as in_markdown
from labelbench_plus.leaderboard.results import read_results
from labelbench_plus.leaderboard.site import build_site
from labelbench_plus.leaderboard.text import render
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.problems.classification import Classification
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.spec import RunSpec, incompatibilities
from labelbench_plus.store.manifest import manifest
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.submission.check import check
from labelbench_plus.submission.pack import pack
from labelbench_plus.suite import load_suite
from labelbench_plus.testing.toy_problem import Blobs
from tests.answered import Answered, ByHeart
from tests.submission.bundles import WHO, lines_of, write_lines

SUITE = """\
suite: beside
problems: [{name: answered, seed_texts: 1200}]
trainers: [by_heart, {name: by_heart, views: 30}]
strategies: [random]
budget: {first: 4, batch: 4, rounds: 2}
seeds: 0..2
"""


def spec(problem=None, trainer=None, **about) -> RunSpec:
    random = registry("strategies").build("random")
    return RunSpec(problem or Answered(), trainer or ByHeart(), random, random, (4.0,), seed=0, **about)


class Seeded(Blobs):
    """A data set that comes with examples of its own."""

    def beside(self):
        return {"worked examples": 7}


class Validated(Answered):
    """A problem that has validation labels."""

    def validation_labels(self):
        return 40


class Stopping(ByHeart):
    """A trainer that reads validation labels."""

    uses_validation = True


def test_a_run_adds_up_what_its_plugins_say():
    assert spec().beside == {}
    assert spec(Answered(seed_texts=3), ByHeart(views=5)).beside == {"seed texts": 3, "pretraining views": 5}
    classification = Classification(Seeded(), registry("encoders").build("identity"))
    assert spec(classification, Stopping()).beside == {"validation": 40, "worked examples": 7}
    assert spec(Answered(), ByHeart(), proxy=ByHeart(views=5)).beside == {"pretraining views": 5}


def test_two_plugins_may_not_mean_different_things_by_one_name():
    class Clashing(ByHeart):
        def beside(self):
            return {"seed texts": 1}

    class Validating(ByHeart):
        def beside(self):
            return {"validation": 1}

    class Half(ByHeart):
        def beside(self):
            return {"views": 0.5}

    for trainer, says in (
        (Clashing(), "both use 'seed texts' beside the budget"),
        (Validating(), "declares a line beside the budget 'validation'"),
        (Half(), "uses 0.5 of 'views'"),
    ):
        wrong = spec(Answered(seed_texts=3), trainer)
        with pytest.raises(ValueError, match=says):
            wrong.beside  # noqa: B018
        assert any(says in reason for reason in incompatibilities(wrong))
    proxied = spec(trainer=ByHeart(views=2), proxy=ByHeart(views=5))
    assert any("trainer and proxy use 2 and 5" in reason for reason in incompatibilities(proxied))


def test_manifests_name_lines_only_where_there_are_any():
    assert "beside" not in manifest(spec(), "cpu")
    assert manifest(spec(Answered(seed_texts=3)), "cpu")["beside"] == {"seed texts": 3}
    validating = spec(Validated(), Stopping())
    assert "beside" not in manifest(validating, "cpu")
    assert manifest(validating, "cpu")["validation_labels"] == 40


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "beside.yaml").write_text(SUITE)
    suite, out = load_suite(tmp_path / "beside.yaml"), tmp_path / "out"
    for run in suite.runs():
        carry_out(Job.of(run, Where(out, tmp_path)), lambda rounds: None)
    pack(suite, suite.runs(), out, tmp_path / "bundle", **WHO, differences=["of the tests"])
    return tmp_path / "bundle"


def test_every_board_and_table_shows_every_line(bundle, tmp_path):
    results = read_results(bundle)
    plain = "0 validation labels, 1,200 seed texts beside the budget"
    viewed = "0 validation labels, 30 pretraining views, 1,200 seed texts beside the budget"
    for text in (render(results.board()), in_markdown(results.board())):
        assert plain in text and viewed in text
    build_site([results], tmp_path / "site")
    pages = "".join(path.read_text() for path in (tmp_path / "site").rglob("*.html"))
    assert plain in pages and viewed in pages
    with open(bundle / "curves.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["declared_validation_labels"] for row in rows} == {"0"}
    assert {row["beside_seed texts"] for row in rows} == {"1200"}
    assert {row["beside_pretraining views"] for row in rows} == {"0", "30"}
    run = next(run for run in load_suite(tmp_path / "beside.yaml").runs() if run.trainer.views)
    shown = CliRunner().invoke(app, ["show", run.id, "--out", str(tmp_path / "out")])
    assert "beside the budget: 30 pretraining views, 1,200 seed texts" in shown.stdout


def test_runs_that_disagree_are_not_quite_one_budget(bundle):
    results = read_results(bundle)
    curves = results.curves.copy()
    curves.loc[curves["seed"] == 1, "beside_seed texts"] = 5
    board = dataclasses.replace(results, curves=curves).board()
    assert all(setting.beside["seed texts"] is None for setting in board.settings)
    assert "seed texts unknown or not the same in all runs" in render(board)
    assert any("different numbers of seed texts (5, 1200)" in warning for warning in board.settings[0].warnings)


def test_a_submission_declares_what_its_plugins_use(bundle, tmp_path):
    assert not check(bundle, Place(tmp_path)).problems
    lines = lines_of(bundle)
    del lines[0]["manifest"]["beside"]["seed texts"]
    write_lines(bundle, lines)
    told = [str(problem) for problem in check(bundle, Place(tmp_path)).problems]
    assert any("declares other lines beside the budget than its plugins use" in line for line in told)
    assert any("beside_seed texts" in line for line in told)  # and curves.csv says otherwise


def test_a_run_that_uses_nothing_says_nothing(tmp_path):
    carry_out(Job.of(spec(), Where(tmp_path / "out", tmp_path)), lambda rounds: None)
    store = RunStore(tmp_path / "out", spec().id)
    assert "beside" not in json.loads((store.folder / "manifest.json").read_bytes())
    assert "beside" not in CliRunner().invoke(app, ["show", store.id, "--out", str(tmp_path / "out")]).stdout
