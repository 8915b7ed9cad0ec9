"""The suites of many objectives can be read, and have what they must show."""

from pathlib import Path

import pytest

from labelbench_plus.plugins import label
from labelbench_plus.suite import load_suite

SUITES = Path(__file__).parents[2] / "benchmarks" / "suites"


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("weighting_table", 3 * 2 * 7 * 30),
        ("weighting_bank", 2 * 2 * 7 * 30),
        ("objectives_token_world", 7 * 2 * 20),
        ("objectives_noisy", 2 * 2 * 20),
        ("objectives_divergences", 8 * 4 * 20),
        ("objectives_smollm", 3),
    ],
)
def test_a_suite_is_as_large_as_it_says_and_has_the_reference(name, runs):
    suite = load_suite(SUITES / f"{name}.yaml")
    assert len(suite) == runs
    if name.startswith("objectives"):
        assert "preference_policies(reference)" in map(label, suite.trainers)
        assert all(score.caveat for score in suite.problems[0].shown_scores() if score.name == "hypervolume_share")
        assert suite.primary_metric() == ("regret", False)
    assert "training anew for a new weighting needs no new labels either" in (SUITES / f"{name}.yaml").read_text()
