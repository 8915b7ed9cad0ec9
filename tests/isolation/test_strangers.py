"""Strangers' strategies where choices are isolated: data that a confined process reports, never code beside labels."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.isolation.cell import Cell
from labelbench_plus.isolation.reported import FIELDS, Pinned, Reported, reports_of
from labelbench_plus.isolation.suites import load_suite
from labelbench_plus.isolation.wire import Malformed
from labelbench_plus.plugins import describe, is_built_in, label, load_plugin_file, registry
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.strategies import strategies
from labelbench_plus.suite import Isolation, SuiteError
from labelbench_plus.suite import load_suite as load_plain_suite
from labelbench_plus.testing.pool_scene import make_view
from labelbench_plus.testing.toy_problem import game_for

STRANGERS = Path(__file__).parent / "strangers.py"
ISOLATED = ("suite: small", "suite: small\nisolate: best_effort")


@pytest.fixture(scope="module")
def cell():
    """One child for the tests of reports."""
    with Cell([STRANGERS], terms=Isolation(kind="best_effort", seconds=60)) as child:
        yield child


@pytest.fixture(autouse=True)
def forgotten():
    """Whatever of the stranger's file came into this process is forgotten again."""
    before = set(strategies._local)
    yield
    for name in set(strategies._local) - before:
        del strategies._local[name], strategies._classes[name]
    for module in [name for name in sys.modules if name.startswith("labelbench_plus_local_strangers")]:
        del sys.modules[module]


@pytest.fixture
def imported_here(forgotten):
    """Import the stranger's file into this process."""
    load_plugin_file(STRANGERS)


def nothing_imported() -> bool:
    return not any(name.startswith("labelbench_plus_local_strangers") for name in sys.modules) and not any(
        name.startswith("stranger_") for name in strategies.entries()
    )


def read(path, *overrides):
    return load_suite(path, overrides, plugin_files=[STRANGERS])


def faults(path, *overrides) -> list[str]:
    with pytest.raises(SuiteError) as refused:
        read(path, *overrides)
    return str(refused.value).replace(str(path), "suite.yaml").splitlines()


DESCRIBED = (
    "{name: stranger_margin}",
    "{name: stranger_margin, power: 2, mode: slow, at: data/x, later: 4, version: 3}",
    "{name: stranger_margin, power: 0.1, later: 0}",
)


def test_ids_and_labels_are_those_of_the_class(suite_file, request):
    path = suite_file(("[random, margin]", f"[random, {', '.join(DESCRIBED)}]"), ISOLATED)
    reported = read(path)
    assert nothing_imported()
    request.getfixturevalue("imported_here")
    plain = load_plain_suite(path, ["isolate=null"])
    assert [run.id for run in reported.runs()] == [run.id for run in plain.runs()]
    for apart, here in zip(reported.strategies, plain.strategies, strict=True):
        assert isinstance(apart, Reported) is (here.name != "random")
        for semantic_only in (False, True):
            assert describe(apart, semantic_only=semantic_only) == describe(here, semantic_only=semantic_only)
        assert label(apart) == label(here)
        for declared in ("name", "version", "title", "query", "needs", "uses_hidden_labels", "knows_truth"):
            assert getattr(apart, declared) == getattr(here, declared)
        assert is_built_in(apart) is is_built_in(here)


def test_what_is_wrong_is_told_at_its_place(suite_file):
    wrong = "[random, {name: stranger_margin, pwer: 2, mode: medium, power: .nan}]"
    found = faults(suite_file(("[random, margin]", wrong), ISOLATED))
    assert [line.partition(": ")[2].partition(":")[0] for line in found] == [
        "strategies.1.power",
        "strategies.1.mode",
        "strategies.1.pwer",
    ]
    assert (
        "suite.yaml:6:46: strategies.1.pwer: unknown hyperparameter of 'stranger_margin'; did you mean 'power'?"
        in (found[2])
    )
    assert "(got 'medium')" in found[1]
    (unknown,) = faults(suite_file(("[random, margin]", "[random, stranger_margn]"), ISOLATED))
    says = "suite.yaml:6:22: strategies.1: unknown strategy 'stranger_margn'; did you mean 'stranger_margin' or"
    assert unknown.startswith(says)
    (version,) = faults(suite_file(("[random, margin]", "[random, {name: stranger_margin, version: 2}]"), ISOLATED))
    assert "version 2 was requested, version 3 is installed" in version
    assert nothing_imported()


def test_a_file_that_cannot_be_loaded_is_told(suite_file, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("import no_such_package_at_all")
    path = suite_file(("[random, margin]", "[random, broken]"), ISOLATED)
    with pytest.raises(SuiteError, match=r"broken.py: ModuleNotFoundError: No module named 'no_such_package_at_all'"):
        load_suite(path, plugin_files=[broken])


def test_a_plugin_file_is_read_for_strategies_alone(suite_file, tmp_path):
    theirs = (STRANGERS.parents[1] / "sweep" / "plugins_under_test.py").read_text()
    (tmp_path / "theirs.py").write_text(theirs.replace('"centroids"', '"centroids_never_loaded"'))
    path = suite_file(("logistic_regression", "centroids_never_loaded"), ISOLATED)
    with pytest.raises(SuiteError, match=r"unknown trainer 'centroids_never.* is read for strategies only: whatever"):
        load_suite(path, plugin_files=[tmp_path / "theirs.py"])


def test_nobody_answers_for_strangers_unless_somebody_is_asked(suite_file, imported_here):
    path = suite_file(("[random, margin]", "[random, stranger_margin]"), ISOLATED)
    with pytest.raises(SuiteError, match="is third-party and the suite isolates it"):
        load_plain_suite(path)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("needs", "needs without names"),
        ("many", "characters, where 65,536 are the most"),
        ("query", "a question without a name"),
        ("raises", "ImportError: no such.*package"),
        ("name", "another plugin"),
        ("version", "a version that is no whole number"),
        ("title", "a label that cannot be printed"),
    ],
)
def test_odd_reports_are_refused(cell, how, says):
    with pytest.raises(PydanticCustomError, match=f"'stranger_odd' cannot be described.*{says}") as refused:
        cell.report("strategies", {"name": "stranger_odd", "how": how})
    assert "\x1b" not in str(refused.value)


def test_a_class_that_ends_or_never_ends_is_told(suite_file):
    (died,) = faults(suite_file(("[random, margin]", "[random, {name: stranger_odd, how: exits}]"), ISOLATED))
    assert "strategies.1: strategy 'stranger_odd' cannot be described: the process it ran in died (exit code 7)" in died
    hasty = "{kind: best_effort, seconds: 2}"
    path = suite_file(("[random, margin]", "[random, {name: stranger_odd, how: hangs}]"), (ISOLATED[0], ISOLATED[1]))
    (late,) = faults(path, f"isolate={hasty}")
    assert "expected an answer within 2 s, and ended its process" in late


HONEST = {
    "described": {"name": "its", "version": 1, "k": [1, {"deep": None}]},
    "semantic": {"name": "its", "version": 1},
    "label": "its(k=2)",
    "title": "Its",
    "query": "pool",
    "needs": ["features"],
    "uses_hidden_labels": False,
    "knows_truth": False,
    "origin": "local (its.py:Its), unversioned",
}


@pytest.mark.parametrize(
    "changed",
    [
        *({field: None} for field in FIELDS),
        {"more": 1},
        {"described": {"name": "other", "version": 1}},
        {"described": {"name": "its", "version": True}, "semantic": {"name": "its", "version": True}},
        {"semantic": {"name": "its", "version": 2}},
        {"semantic": {"name": "its", "version": 1, "j": 3}},
        {"described": {"name": "its", "version": 1, "k": "x" * 70_000}},
        {"label": "random"},
        {"label": "itself"},
        {"label": "its\x1b[0m"},
        {"query": "pool; drop"},
        {"needs": ["features", 3]},
        {"needs": ["A B"]},
        {"uses_hidden_labels": 0},
        {"origin": "built in"},
        {"origin": "numpy 2.0"},
    ],
    ids=lambda changed: str(changed)[:40],
)
def test_a_report_is_what_it_must_be(changed):
    origin = re.escape(HONEST["origin"])
    assert Reported.of(HONEST, "its", origin).needs == {"features"}
    with pytest.raises(Malformed):
        Reported.of({**HONEST, **changed}, "its", origin)


def test_a_run_is_the_same_to_the_byte_and_names_its_files(suite_file, tmp_path, request):
    only = [("[random, margin]", "[{name: stranger_margin, power: 2.0}]"), ("seeds: 0..1", "seeds: [0]")]
    path = suite_file(*only, ("suite: small", "suite: small\nbaseline: 'stranger_margin(power=2.0)'"))
    apart = read(path, "isolate=best_effort")
    (spec,) = apart.runs()
    where = Where(tmp_path / "apart", tmp_path / "cache", plugin_files=(STRANGERS,))
    job = Job.of(spec, where, isolate=apart.isolate)
    assert job.reports == reports_of([spec.strategy])
    carry_out(job, lambda rounds: None)
    assert nothing_imported()
    request.getfixturevalue("imported_here")
    carry_out(
        Job.of(spec, Where(tmp_path / "here", tmp_path / "cache", plugin_files=(STRANGERS,))), lambda rounds: None
    )
    here, there = (RunStore(tmp_path / root, spec.id).folder for root in ("here", "apart"))
    for file in [*sorted(here.glob("rounds/*.json")), here / "result.json", here / "config.json"]:
        assert (there / file.relative_to(here)).read_bytes() == file.read_bytes()
    said, plain = (json.loads((folder / "manifest.json").read_bytes()) for folder in (there, here))
    isolation = said.pop("isolation")
    assert said == plain and said["plugins"]["strategies"] == "local (strangers.py:Margin), unversioned"
    assert isolation["asked"] == "best_effort" and len(isolation["plugin_files"]["strangers.py"]) == 64


def classes_bought(store: RunStore) -> set[int]:
    return {int(answer) for record in store.rounds()[1:] for answer in record.purchase.answers}


def test_a_class_that_hands_over_labels_when_described_gets_none(suite_file, tmp_path):
    only = [("[random, margin]", "[stranger_thief]"), ("seeds: 0..1", "seeds: [0]\nbaseline: stranger_thief")]
    apart = read(suite_file(*only, ISOLATED))
    (spec,) = apart.runs()
    where = Where(tmp_path / "apart", tmp_path / "cache", plugin_files=(STRANGERS,))
    carry_out(Job.of(spec, where, isolate=apart.isolate), lambda rounds: None)
    assert nothing_imported()
    assert len(classes_bought(RunStore(where.root, spec.id))) > 3


def test_the_thief_does_steal_where_it_is_described_beside_labels(imported_here):
    """Otherwise the test above would show nothing."""
    thief = strategies.build("stranger_thief")
    assert describe(thief)["loot"] == []
    game = game_for(thief)
    assert game.instance.oracle is not None and len(describe(thief)["loot"]) > 10


def test_a_built_in_never_chooses_where_a_strangers_code_ran(cell, imported_here):
    def chosen(name: str) -> list[int]:
        return cell.select(strategies.build(name), make_view(needs=frozenset()), 5, np.random.default_rng(3)).tolist()

    here = strategies.build("random").select(make_view(needs=frozenset()), 5, np.random.default_rng(3)).tolist()
    assert chosen("random") == here
    chosen("stranger_saboteur")
    assert chosen("random") == here


def test_what_was_reported_is_pinned(cell):
    strategy = cell.report("strategies", {"name": "stranger_margin", "power": 2})
    pinned = Pinned([strategy.report])
    described = describe(strategy)
    assert pinned.report("strategies", described) == strategy
    with pytest.raises(PydanticCustomError, match="was not reported when the run was described"):
        pinned.report("strategies", {**described, "power": 3.0})
    spec = {"protocol": 1, "strategy": described, "initial": None, "amounts": [1], "seed": 0}
    problem = {"name": "classification", "dataset": {"name": "digits"}, "encoder": {"name": "pixels"}}
    record = {**spec, "problem": problem, "trainer": {"name": "logistic_regression"}}
    assert RunSpec.from_json(record, pinned).strategy == strategy
    with pytest.raises((ValidationError, PydanticCustomError), match="is not imported beside labels"):
        RunSpec.from_json(record, Pinned([]))


def test_a_stranger_inside_a_built_in_is_a_stranger(cell):
    class Inside(Cell):
        """Takes another built-in for a stranger's."""

        def foreign(self, kind, name):
            return name == "clip_score"

    with Inside([STRANGERS]) as inside:
        found = registry("strategies").build({"name": "rank_sum", "first": "clip_score"}, inside)
    plain = registry("strategies").build({"name": "rank_sum", "first": "clip_score"})
    assert isinstance(found, Reported) and describe(found) == describe(plain) and not is_built_in(found)


@pytest.mark.parametrize("isolate", [True, False])
def test_no_command_imports_a_stranger_beside_labels(suite_file, tmp_path, monkeypatch, isolate):
    mark, out = tmp_path / "mark", tmp_path / "out"
    monkeypatch.setenv("LBP_TEST_MARK", str(mark))
    path = suite_file(("[random, margin]", "[random, stranger_margin]"), ("seeds: 0..1", "seeds: [0]"), ISOLATED)
    options = [str(path), *([] if isolate else ["isolate=null"]), "--plugin", str(STRANGERS)]
    commands = [
        ["config", "hash", *options],
        ["run", *options, "--out", str(out), "--jobs", "1"],
    ]
    said = []
    for command in commands:
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        said.append(done.stderr)
    assert mark.exists() is not isolate
    assert ("strategies choose where no label is sent" in said[1]) is isolate
    assert ("beside the labels runs everything else, including third-party plugins: none here" in said[1]) is isolate


def test_an_installed_package_is_a_stranger_too(suite_file, tmp_path, monkeypatch):
    """Found in a checkout on the path, of which a confined process can read what can be imported."""
    (tmp_path / "site").mkdir()
    package, about = tmp_path / "site" / "theirs", tmp_path / "site" / "theirs-2.1.dist-info"
    package.mkdir()
    about.mkdir()
    (package / "__init__.py").write_text(STRANGERS.read_text())
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 2.1\n")
    (about / "entry_points.txt").write_text("[labelbench_plus.strategies]\nstranger_margin = theirs:Margin\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    strategies.__dict__.pop("_installed", None)
    try:
        suite = load_suite(suite_file(("[random, margin]", "[random, {name: stranger_margin, power: 3}]"), ISOLATED))
        reported = suite.strategies[1]
        assert isinstance(reported, Reported) and label(reported) == "stranger_margin(power=3.0)"
        assert reported.origin == "theirs 2.1"
        assert "theirs" not in sys.modules
    finally:
        strategies.__dict__.pop("_installed", None)


def test_what_an_adapter_adapts_is_imported_in_the_confined_process(suite_file, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "theirs_too.py").write_text(
        "class Theirs:\n    input_types = [0]\n    def __init__(self, config, dataset): pass\n"
    )
    path = suite_file(("[random, margin]", "[random, {name: labelbench, target: 'theirs_too:Theirs'}]"), ISOLATED)
    adapted = load_suite(path).strategies[1]
    assert isinstance(adapted, Reported) and adapted.needs == {"num_classes", "probabilities"}
    assert "theirs_too" not in sys.modules


def test_a_sweep_and_a_replay_know_strangers_by_their_reports(suite_file, tmp_path, monkeypatch):
    mark, out = tmp_path / "mark", tmp_path / "out"
    monkeypatch.setenv("LBP_TEST_MARK", str(mark))
    only = [("[random, margin]", "[stranger_margin]"), ("seeds: 0..1", "seeds: [0]\nbaseline: stranger_margin")]
    path = suite_file(*only, ("rounds: 3", "rounds: 2"), ISOLATED)

    def lbp(*command: str) -> str:
        done = CliRunner().invoke(app, [*command, "--out", str(out)])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    said = lbp("sweep", "submit", str(path), "--plugin", str(STRANGERS), "--allow-code-drift")
    assert "beside the labels runs everything else" in said
    wait = time.monotonic() + 600
    while not list(out.glob("runs/*/result.json")) and time.monotonic() < wait:
        time.sleep(0.5)
    (result,) = out.glob("runs/*/result.json")
    lbp("sweep", "collect", "small", "--to", str(tmp_path / "all.csv"), "--strict")
    lbp("sweep", "resume", "small", "--dry-run")
    assert "stranger_margin" in (tmp_path / "all.csv").read_text()
    log = (result.parent / "attempts" / "0001.log").read_text()
    assert "strategies choose where no label is sent" in log
    trainer = "{name: logistic_regression, l2: 0.5}"
    lbp("replay", result.parent.name, "--trainer", trainer, "--plugin", str(STRANGERS))
    assert len(list(out.glob("runs/*/result.json"))) == 2
    assert all("isolation" in json.loads(each.read_bytes()) for each in out.glob("runs/*/manifest.json"))
    assert not mark.exists() and nothing_imported()


def test_isolation_that_was_promised_is_kept(suite_file, tmp_path):
    (spec,) = load_suite(suite_file(("[random, margin]", "[random]"), ("seeds: 0..1", "seeds: [0]"))).runs()
    job = Job.of(spec, Where(tmp_path / "out", tmp_path / "cache"), isolate=Isolation(kind="best_effort"))
    with pytest.raises(KeyboardInterrupt):
        carry_out(job, lambda rounds: exec("raise KeyboardInterrupt"))
    with pytest.raises(Exception, match=r"begun with strategies isolated .* but they would choose beside the labels"):
        carry_out(replace(job, isolate=None), lambda rounds: None)
    assert carry_out(job, lambda rounds: None) == "finished"
