"""The suites of views: what they compare, and the effect that must be there."""

from pathlib import Path

import pytest

from labelbench_plus.budget import Ledger
from labelbench_plus.leaderboard.of_suite import _lacking_controls, meta_of_runs
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.suite import load_suite

SUITES = Path(__file__).parents[2] / "benchmarks" / "suites"
QUICK = "{name: reconstructor, scenes: 64, steps: 2, network: {name: small_cnn, width: 8, cells: 2}}"
SCENES = "name: spatial_scenes, pool: 260, validation: 10, test: 200, side: 16"
OVERRIDES = (
    *(f"problems.{place}.dataset.dataset={{{SCENES}, ambiguous: {str(place < 6).lower()}}}" for place in range(12)),
    *(f"problems.{place}.dataset.synthesiser={QUICK}" for place in (5, 11)),
    f"trainers.1.network.network.reconstructor={QUICK}",
)


@pytest.fixture(scope="module")
def suite():
    """As it is published, on fewer scenes and with a reconstructor that has learned next to nothing."""
    return load_suite(SUITES / "views_scenes.yaml", OVERRIDES)


def test_views_scenes_has_every_arm_both_controls_and_bills_what_was_learned_elsewhere(suite):
    runs = suite.runs()
    assert len(runs) == 2 * 6 * 2 * 4 * 10
    arms = [problem.facets()["views"].partition("(")[0] for problem in suite.problems]
    assert arms == ["none", "repeated", "exact", "noisy", "wrong_scene", "reconstructor"] * 2
    assert not [note for note in meta_of_runs(runs, "", "random").notes if "control" in note]
    billed = {(spec.problem.facets()["views"], spec.trainer_label): spec.beside for spec in runs}
    assert sum(bool(lines) for lines in billed.values()) == 7, "the reconstructor's views, and the encoder at all arms"
    assert {lines["pretraining views"] for lines in billed.values() if lines} == {64}


def accuracy(problem, trainer, folder):
    """After 64 labels at random."""
    streams, ledger = Streams(0), Ledger()
    instance = problem.open(Place(folder), streams)
    instance.oracle.answer(streams.rng("chosen").permutation(260)[:64], 64.0, ledger)
    model = trainer.fit(instance.training_data(ledger, with_validation=False), streams, None)
    return instance.evaluate(model)["accuracy"]


def test_exact_views_are_worth_more_than_the_photograph_and_copies_are_not(suite, tmp_path):
    """At 64 labels, one seed: true views by more than .05, the photograph again by no more than that."""
    trainer = suite.trainers[0]
    found = {each.facets()["views"]: accuracy(each, trainer, tmp_path) for each in suite.problems[:3]}
    assert set(found) == {"none", "repeated", "exact"}
    assert found["exact"] > found["none"] + 0.05
    assert found["repeated"] < found["none"] + 0.05


def test_views_vsr_is_priced_without_data_or_weights(no_network, monkeypatch, tmp_path):
    """It has both controls, and what this machine lacks is told with the ways to get it."""
    monkeypatch.setenv("LBP_DATA", str(tmp_path))
    absent: list[str] = []
    suite = load_suite(SUITES / "views_vsr.yaml", absent=absent)
    assert len(suite) == 4 * 2 * 4 * 10
    assert any("VSR is not on this machine" in text and "Ways to get it" in text for text in absent)
    assert not list(_lacking_controls(suite.runs()))
    assert {problem.facet_roles()["views"] for problem in suite.problems} == {"reference", "control", "generator"}
