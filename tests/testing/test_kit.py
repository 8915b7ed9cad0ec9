"""The report, strict expected failures, the decorator and the command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.testing import ConformanceError, check_encoder, check_strategy, parametrize_checks
from labelbench_plus.testing.report import Outcome, held_to

GOOD = """
from dataclasses import dataclass
from labelbench_plus.algorithms.blocks.checks import check_count
from labelbench_plus.strategies import PoolStrategy, strategies

@strategies.register("{name}")
@dataclass(frozen=True)
class Fine(PoolStrategy):
    "{doc}"

    def select(self, view, n, rng):
        check_count(n, len(view.candidates))
        return {answer}
"""
AT_RANDOM = "view.candidates[rng.permutation(len(view.candidates))[:n]]"
IN_ORDER = "view.candidates[:n]"


@pytest.fixture
def plugin(tmp_path: Path):
    """Write a plugin file; what it registers is forgotten after the test."""
    before = set(strategies._local)

    def write(name: str, answer: str, doc: str = "Says what it does.") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(GOOD.format(name=name, doc=doc, answer=answer))
        return path

    yield write
    for name in set(strategies._local) - before:
        del strategies._local[name], strategies._classes[name]


def lbp(*arguments: object):
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def test_a_file_is_checked_and_exit_codes_say_how_it_went(plugin):
    good, bad = plugin("kit_good", AT_RANDOM), plugin("kit_bad", IN_ORDER)
    done = lbp(good, "--quick")
    assert done.exit_code == 0, done.output
    assert "kit_good: " in done.output
    assert "0 failed" not in done.output
    wrong = lbp(bad, "--quick", "--json")
    assert wrong.exit_code == 1
    (report,) = json.loads(wrong.output)
    assert not report["passed"]
    assert [check["id"] for check in report["checks"] if check["status"] == "failed"] == ["pool_order"]
    expected = lbp(bad, "--quick", "--expect", "pool_order=it visits items in order")
    assert expected.exit_code == 0, expected.output


def test_unknown_subjects_and_announcements_are_answered(tmp_path):
    assert "did you mean 'margin'" in lbp("margn").output
    assert lbp("margn").exit_code == 2
    empty = tmp_path / "empty.py"
    empty.write_text("")
    assert "registers nothing" in lbp(empty).output
    assert "expected ID=REASON" in lbp("margin", "--expect", "ties").output
    assert "--with" in lbp("open_clip").output
    assert lbp("pca").exit_code == 0  # it declares an example
    assert lbp("pca", "--with", "{dimensions: 3}").exit_code == 0
    assert lbp("pca", "--with", "{dimension: 3}").exit_code == 2


def test_expected_failures_are_strict():
    outcomes = [Outcome("a", "it does", "do", "failed", "it did not"), Outcome("b", "it does", "do", "passed")]
    first, second = held_to(outcomes, {"a": "as announced"})
    assert (first.status, second.status) == ("expected", "passed")
    late = held_to(outcomes, {"a": "as announced", "b": "was so once"})[1]
    assert late.status == "failed"
    assert "announced to fail (was so once), but it passes" in late.detail
    with pytest.raises(ValueError, match="no such check as c"):
        held_to(outcomes, {"c": "typing error"})


@dataclass(frozen=True)
class Unregistered(PoolStrategy):
    """Nobody can name it."""

    def select(self, view, n, rng):
        return view.candidates[:n]


def test_a_class_nobody_registered_is_told_so():
    report = check_strategy(Unregistered, quick=True)
    assert "declaration" in report.failed
    assert "not registered" in report["declaration"].detail
    with pytest.raises(ConformanceError, match="declaration: it is a registered"):
        report.raise_if_failed()
    with pytest.raises(TypeError, match="is no encoder"):
        check_encoder(Unregistered)


def test_the_decorator_makes_one_test_a_check(plugin):
    from labelbench_plus.plugins import load_plugin_file, registry

    load_plugin_file(plugin("kit_order", IN_ORDER))
    cls = registry("strategies").load("kit_order")

    def conforms(check):
        check()

    (mark,) = parametrize_checks(cls, quick=True)(conforms).pytestmark
    checks = {check.id: check for check in mark.args[1]}
    assert list(checks) == mark.kwargs["ids"]
    checks["distinct"]()
    with pytest.raises(ConformanceError, match=r"renumbered, it chose"):
        checks["pool_order"]()
    with pytest.raises(pytest.skip.Exception, match="reported by"):
        checks["accepted"]()

    def rightly_fails(check):
        check()

    (announced,) = parametrize_checks(cls, quick=True, expected_failures={"pool_order": "on purpose"})(
        rightly_fails
    ).pytestmark
    with pytest.raises(pytest.xfail.Exception, match="on purpose"):
        next(check for check in announced.args[1] if check.id == "pool_order")()
    with pytest.raises(TypeError, match="there are no checks for it"):
        parametrize_checks(int)
