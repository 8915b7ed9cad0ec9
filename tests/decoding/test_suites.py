"""The suites of many objectives can be read, and have what they must show."""

import json
from pathlib import Path

import pytest

from labelbench_plus.contracts.prompts import loaded
from labelbench_plus.plugins import label, registry
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
        ("front_hh_llama", 3 * 3),
    ],
)
def test_a_suite_is_as_large_as_it_says_and_has_the_reference(name, runs, monkeypatch, no_network):
    if name == "front_hh_llama":
        monkeypatch.setattr(registry("policy_sets").load("adapters"), "fingerprint", lambda self: "whatever it is")
    suite = load_suite(SUITES / f"{name}.yaml")
    assert len(suite) == runs
    if name.startswith("objectives"):
        assert "preference_policies(reference)" in map(label, suite.trainers)
        assert all(score.caveat for score in suite.problems[0].shown_scores() if score.name == "hypervolume_share")
        assert suite.primary_metric() == ("regret", False)
    assert "training anew for a new weighting needs no new labels either" in (SUITES / f"{name}.yaml").read_text()


def test_what_the_front_at_scale_wants_is_said_file_by_file(tmp_path, monkeypatch, no_network):
    monkeypatch.chdir(tmp_path)
    suite = SUITES / "front_hh_llama.yaml"
    with pytest.raises(Exception, match=r"hh/prompts\.jsonl: no such file; name one with one JSON object per line"):
        load_suite(suite)
    (tmp_path / "hh").mkdir()
    lines = (json.dumps({"prompt": f"Question {number}", "answer": "-"}) for number in range(2200))
    (tmp_path / "hh" / "prompts.jsonl").write_text("\n".join(lines))
    loaded.cache_clear()
    with pytest.raises(Exception, match=r"no model in .*hh/helpful .*reward_folders, one per model"):
        load_suite(suite)
