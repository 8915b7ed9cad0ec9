"""Choosing pairs through the loop: what is sold, recorded and scored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.contracts.scores import UnusableScore
from labelbench_plus.loop import run
from labelbench_plus.oracle import QueryError
from labelbench_plus.pair_pools.captioned_images import CaptionedImages
from labelbench_plus.pair_pools.generated_pairs import GeneratedPairs
from labelbench_plus.pair_pools.pair_arrays import PairArrays
from labelbench_plus.pairs.view import Chosen
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.problems.image_text import ImageText, PairOracle
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec, incompatibilities
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import SuiteError, load_suite

SUITE = """\
suite: small_pairs
problems:
  - name: image_text
    pool: {name: captioned_images, dataset: digits, wanted: [0, 1, 2, 3, 4], pairs: 300}
trainers: [{name: contrastive, steps: 60}]
strategies: [random_pairs, clip_score, {name: two_stage, first: clip_score, second: vas, fraction: 0.6}]
initial: null
budget: {first: 100, batch: 50, rounds: 2}
baseline: random_pairs
seeds: 0..0
"""


@pytest.fixture
def suite(tmp_path: Path):
    path = tmp_path / "pairs.yaml"
    path.write_text(SUITE)
    return load_suite(path)


def carry_out(spec: RunSpec, root: Path) -> dict[str, bytes]:
    store = RunStore(root, spec.id)
    lease = store.open(spec, {})
    run(spec, store, lease, Place(root / "cache"), lambda record, costs: None)
    return {path.name: path.read_bytes() for path in (store.folder / "rounds").iterdir()}


def test_a_run_through_the_loop(suite, tmp_path):
    specs = suite.runs()
    assert not any(incompatibilities(spec) for spec in specs)
    rounds = carry_out(specs[2], tmp_path / "a")
    assert rounds == carry_out(specs[2], tmp_path / "b")
    first, second = (json.loads(rounds[f"{number:04d}.json"]) for number in (0, 1))
    assert sum(first["purchase"]["counts"]) == 100 and second["spent"] == 150
    assert set(first["scores"]) == {"zero_shot", "zero_shot_balanced", "retrieval"}
    assert len(json.dumps(first)) < 1000  # a ledger lists no pairs
    assert first["scores"]["zero_shot"] > 0.3


def test_a_model_that_diverged_has_no_nearest_caption(suite, tmp_path):
    class Diverged:
        def embed_images(self, inputs):
            return torch.full((len(inputs), 4), float("nan"))

        embed_texts = embed_images

    with pytest.raises(UnusableScore, match=r"scores 'zero_shot', .* not finite"):
        suite.problems[0].open(Place(tmp_path), Streams(0)).evaluate(Diverged())


def test_what_is_bought_can_be_told_from_the_record(suite):
    oracle, ledger = PairOracle([7, 3]), Ledger()
    masks = [np.array([1, 0, 0, 1, 0, 0, 1], dtype=bool), np.array([0, 1, 0], dtype=bool)]
    oracle.answer(Chosen(masks), 4.0, ledger)
    again = Ledger()
    again.record(Purchase.from_json(json.loads(json.dumps(ledger.purchases[0].as_json()))))
    for bought, mask in zip(oracle.bought(again), masks, strict=True):
        assert np.array_equal(bought, mask)
    assert ledger.purchases[0].labels == 4 and ledger.spent == 4.0
    assert oracle.ask_for(100.0, ledger) == 6


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([0, 1], "expected a choice of pairs"),
        (Chosen([np.ones(3, dtype=bool)]), "a mask for each of 2 shards"),
        (Chosen([np.zeros(7, dtype=bool), np.ones(3, dtype=bool)]), "expected 4 pairs, got 3"),
        (Chosen([np.arange(7) < 4, np.zeros(3, dtype=bool)]), "but 1 of shard 0 were"),
    ],
)
def test_a_query_that_breaks_the_contract_is_refused(query, message):
    oracle, ledger = PairOracle([7, 3]), Ledger()
    oracle.answer(Chosen([np.arange(7) == 0, np.zeros(3, dtype=bool)]), 1.0, ledger)
    with pytest.raises(QueryError, match=message):
        oracle.answer(query, 4.0, ledger)
    assert ledger.spent == 1.0


def test_a_pool_that_cannot_be_tested_on_is_refused(tmp_path):
    path = tmp_path / "pairs.yaml"
    np.save(tmp_path / "vectors.npy", np.eye(200, dtype=np.float32))
    pool = f"{{name: pair_arrays, images: {tmp_path}/vectors.npy, texts: {tmp_path}/vectors.npy}}"
    old = "{name: captioned_images, dataset: digits, wanted: [0, 1, 2, 3, 4], pairs: 300}"
    path.write_text(SUITE.replace(old, pool))
    with pytest.raises(SuiteError, match="has no test data"):
        load_suite(path)


def test_only_pairs_are_sold(tmp_path):
    path = tmp_path / "pairs.yaml"
    path.write_text(SUITE.replace("clip_score,", "margin,", 1))
    with pytest.raises(SuiteError, match="asks for pool, problem 'image_text' sells pairs"):
        load_suite(path)


def test_captions_and_what_is_spoilt():
    digits = registry("datasets").build("digits")
    pool = CaptionedImages(digits, wanted=(0, 1, 2, 3, 4), pairs=400).open(Streams(0))
    kinds = pool.kinds(0)
    found = {kind: int((kinds == kind).sum()) for kind in np.unique(kinds)}
    assert found == {"off target": 120, "swapped caption": 80, "blurred": 40, "duplicate": 40, "clean": 120}
    pairs = pool.inputs(0, np.arange(400))
    copies = {image.tobytes() for image in pairs.images[kinds == "duplicate"]}
    assert len(copies) <= 20 and copies <= {image.tobytes() for image in pairs.images[kinds == "clean"]}
    other = CaptionedImages(digits, wanted=(0, 1, 2, 3, 4), pairs=400).open(Streams(1))
    assert not np.array_equal(other.inputs(0, np.arange(400)).texts, pairs.texts)
    names = pool.evaluation().class_texts
    assert len(names) == 5 and len(np.unique(names, axis=0)) == 5


def test_teacher_s_scores_tell_swapped_captions():
    digits = registry("datasets").build("digits")
    pool = CaptionedImages(digits, wanted=(0, 1, 2, 3, 4), pairs=400).open(Streams(0))
    sides = [np.concatenate(list(pool.vectors(0, side, 1000))).astype(np.float32) for side in ("images", "texts")]
    scores, kinds = (sides[0] * sides[1]).sum(axis=1), pool.kinds(0)
    assert np.median(scores[kinds == "clean"]) > np.quantile(scores[kinds == "swapped caption"], 0.95)


def test_vectors_are_inputs_where_there_is_nothing_better(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float16)
    np.save(tmp_path / "vectors.npy", vectors)
    pool = PairArrays(tmp_path / "vectors.npy", tmp_path / "vectors.npy").open(Streams(0))
    rows = np.array([3, 50, 99])
    pairs = pool.inputs(0, rows)
    assert np.array_equal(pairs.images, vectors[rows].astype(np.float32)) and pairs.texts.shape == (3, 8)


def test_a_clip_of_vectors():
    problem = ImageText(GeneratedPairs(rows=1500, shards=2, width=24, concepts=6, wanted=3, test_pairs=300))
    instance, ledger = problem.open(Place(Path("unused")), Streams(0)), Ledger()
    strategy = registry("strategies").build("clip_score")
    view = instance.view(strategy.needs, ledger, None, 800.0)
    instance.oracle.answer(strategy.select(view, 800, np.random.default_rng(0)), 800.0, ledger)
    data = instance.training_data(ledger, with_validation=False)
    assert data.pairs.images.shape == (800, 64)
    model = registry("trainers").build({"name": "contrastive", "steps": 100}).fit(data, Streams(0), None)
    assert instance.evaluate(model)["zero_shot"] > 0.6  # 1/6 by chance
