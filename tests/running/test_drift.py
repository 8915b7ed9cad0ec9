"""A plugin file that was edited after its runs were finished: nothing old passes for new without a word."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.running.drift import changed_since
from labelbench_plus.suite import load_suite

PLUGIN = """\
from dataclasses import dataclass
from labelbench_plus.strategies import PoolStrategy, strategies

@strategies.register("first_or_last")
@dataclass(frozen=True)
class FirstOrLast(PoolStrategy):
    needs = frozenset()
    def select(self, view, n, rng):
        return view.candidates[:n]
"""
SUITE = """\
suite: drifting
problems: [{name: classification, dataset: digits, encoder: pixels}]
trainers: [logistic_regression]
strategies: [random, first_or_last]
budget: {first: 10, batch: 5, rounds: 2}
seeds: [0]
"""


def test_finished_runs_of_another_content_are_told(tmp_path: Path) -> None:
    suite, plugin, out = tmp_path / "drifting.yaml", tmp_path / "first_or_last.py", tmp_path / "out"
    suite.write_text(SUITE)
    plugin.write_text(PLUGIN)
    command = ["run", str(suite), "--plugin", str(plugin), "--out", str(out), "--jobs", "1"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0 and "an earlier plugin" not in first.output
    runs = load_suite(suite).runs()
    assert changed_since(runs, out, [plugin]) == {}
    plugin.write_text(PLUGIN.replace("[:n]", "[-n:]"))
    assert changed_since(runs, out, [plugin]) == {"plugin first_or_last.py": 1}
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0 and "2 done, 0 to do" in again.output
    assert "note: 1 finished run used an earlier plugin first_or_last.py" in " ".join(again.output.split())
    assert changed_since(load_suite(suite, ["strategies=[random]"]).runs(), out, [plugin]) == {}
