"""The data-selection theory: linear students, and the order of strategies that it claims."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.learners.linear_alignment import cross_covariance, fit_linear_student
from labelbench_plus.budget import Ledger
from labelbench_plus.pair_pools import Inputs, OpenPool
from labelbench_plus.pair_pools.generated_pairs import GeneratedPairs
from labelbench_plus.problems.linear_alignment import LinearAlignmentInstance, LinearAlignmentProblem
from labelbench_plus.seeding import Streams
from labelbench_plus.strategies import strategies
from labelbench_plus.suite import load_suite

ROWS, KEPT, SEEDS = 20_000, 2000, 8
SUITE = Path(__file__).parents[2] / "benchmarks" / "suites" / "data_selection_theory.yaml"


def test_the_student_is_the_best_low_rank_part():
    rng = torch.Generator().manual_seed(0)
    images, texts = torch.randn(500, 7, generator=rng), torch.randn(500, 5, generator=rng)
    covariance = cross_covariance(images, texts)
    by_numpy = np.cov(images.double().numpy().T, texts.double().numpy().T, bias=True)[:7, 7:]
    np.testing.assert_allclose(covariance.numpy(), by_numpy, atol=1e-12)
    student = fit_linear_student(images, texts, 2)
    values = torch.linalg.svdvals(covariance)
    left = torch.linalg.norm(covariance - student.product)
    torch.testing.assert_close(left, values[2:].square().sum().sqrt(), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(fit_linear_student(images, texts, 5).product, covariance)
    with pytest.raises(ValueError, match="as many texts as images"):
        cross_covariance(images, texts[:5])


class Held(OpenPool):
    """A pool whose vectors and inputs are computed once."""

    def __init__(self, pool: OpenPool) -> None:
        self._pool, self.shards = pool, pool.shards
        self._vectors = {side: np.concatenate(list(pool.vectors(0, side, ROWS))) for side in ("images", "texts")}
        self._inputs = pool.inputs(0, np.arange(ROWS))
        self._evaluation, self._targets = pool.evaluation(), list(pool.targets())

    def uids(self, shard):
        return self._pool.uids(shard)

    def vectors(self, shard, side, chunk):
        yield self._vectors[side]

    def targets(self):
        return iter(self._targets)

    def inputs(self, shard, rows):
        return Inputs(self._inputs.images[rows], self._inputs.texts[rows])

    def evaluation(self):
        return self._evaluation


@cache
def pool(seed: int, first: int) -> Held:
    return Held(GeneratedPairs(rows=ROWS, shards=1, width=24, first=first).open(Streams(seed)))


def scores(strategy, first: int, name: str, seeds: int = SEEDS) -> np.ndarray:
    found = []
    for seed in range(seeds):
        instance, ledger = LinearAlignmentInstance(pool(seed, first), 128, "cpu"), Ledger()
        built = strategies.build(strategy)
        chosen = built.select(instance.view(built.needs, ledger, None, KEPT), KEPT, np.random.default_rng(seed))
        instance.oracle.answer(chosen, KEPT, ledger)
        data = instance.training_data(ledger, with_validation=False)
        images, texts = torch.from_numpy(data.pairs.images), torch.from_numpy(data.pairs.texts)
        found.append(instance.evaluate(fit_linear_student(images, texts, 6))[name])
    return np.array(found)


def after_clip(second):
    return {"name": "two_stage", "first": "clip_score", "second": second, "fraction": 0.4}


def test_check_14_order_on_the_loss_of_the_theory():
    order = [
        {"name": "vas", "against": "texts"},
        after_clip("vas"),
        "clip_score",
        "random_pairs",
        after_clip({"name": "design_removal", "criterion": "a"}),
    ]
    found = [scores(strategy, 0, "raw") for strategy in order]
    for better, worse in pairwise(found):
        error = np.sqrt((better.var(ddof=1) + worse.var(ddof=1)) / SEEDS)
        assert better.mean() - worse.mean() > 3 * error


def test_check_14_a_rare_target_needs_the_target():
    vas, random = (scores(strategy, 6, "retrieval") for strategy in ("vas", "random_pairs"))
    assert vas.mean() >= 5 * random.mean()


def test_the_suite_holds_this_experiment():
    suite = load_suite(SUITE)
    assert {problem.pool.first for problem in suite.problems} == {0, 6}
    assert all(problem.pool.rows == ROWS and problem.pool.width == 24 for problem in suite.problems)
    assert suite.budget.amounts() == (KEPT,) and len(suite.seeds) == SEEDS
    assert isinstance(suite.problems[0], LinearAlignmentProblem)
