"""Strategies for real-valued labels: known answers, what equals what, and what a unit may not change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.similarity import Rbf
from labelbench_plus.algorithms.design.greedy_design import d_optimal, v_optimal
from labelbench_plus.algorithms.k_center import k_center_greedy
from labelbench_plus.algorithms.learners.gaussian_process import gaussian_process
from labelbench_plus.algorithms.learners.ridge import leave_one_out, ridge_regression
from labelbench_plus.algorithms.log_det import log_det
from labelbench_plus.plugins import registry
from labelbench_plus.view import ItemView
from tests.algorithms.known_regression import KNOWN, LABELLED, X, Y
from tests.trainers.regression_world import FAST, bent, cloud, fitted

NEW = (
    *("gsx", "gsy", "igs", "query_by_committee", "emcm", "max_variance", "alc", "bait_regression", "max_det"),
    *("frank_wolfe", "lcmd"),
)
MEMBERS_TOO = tuple({"name": name, "posterior": "members"} for name in ("max_variance", "alc"))


def view_of(
    features: Tensor, bought: Tensor, answers: Tensor, needs: frozenset[str], *, prices: Tensor | None = None,
    **said: Tensor,
) -> ItemView:  # fmt: skip
    """A pool of items (N, d), of which `said` is known: predictions and variance (N,), members (M, N)."""
    free = torch.ones(len(features), dtype=torch.bool)
    free[bought] = False
    rows = free.nonzero()[:, 0]
    providers: dict[str, Any] = {
        "features": ("features", lambda: features[rows]),
        "labelled_features": ("features", lambda: features[bought]),
        **{name: (name, lambda value=value: value[..., rows]) for name, value in said.items()},
    }
    prices = torch.ones(len(features), dtype=torch.float64) if prices is None else prices
    return ItemView(needs, providers, rows, bought, answers, prices[rows], money=float(len(rows)))


def pick(spec: str | Mapping[str, Any], n: int, *pool: Tensor, seed: int = 0, **said: Tensor) -> list[int]:
    strategy = registry("strategies").build(spec)
    view = view_of(*pool, strategy.needs, **said)  # type: ignore[misc]
    return strategy.select(view, n, np.random.default_rng(seed)).tolist()


def of_model(model: Any, features: Tensor) -> dict[str, Tensor]:
    names = ("predictions", "variance", "members")
    return {name: getattr(model, name)(features) for name in names if hasattr(model, name)}


def test_known_answers():
    fit = ridge_regression(X[LABELLED], Y[LABELLED], l2=KNOWN["ridge"])
    committee = leave_one_out(X[LABELLED], Y[LABELLED], l2=KNOWN["ridge"])
    gp = {name: KNOWN["gp"][name] for name in ("variance", "length", "noise")}
    said = {
        "predictions": fit.predictions(X),
        "members": committee.predictions(X),
        "variance": gaussian_process(X[LABELLED], Y[LABELLED], **gp).posterior_variance(X),
    }

    def chosen(spec, n, features=X):
        return pick(spec, n, features, LABELLED, Y[LABELLED], **said)

    for name in ("gsx", "gsy", "igs", "query_by_committee", "lcmd"):
        assert chosen(name, 5) == KNOWN[name]
    assert chosen("emcm", 1) == [KNOWN["emcm_first"]]
    assert chosen({"name": "bait_regression", "ridge": 0.01, "extra": 0}, 5) == KNOWN["bait_forward"]
    assert chosen("max_variance", 1) == [KNOWN["alm"]]
    # γ is given over the mean squared distance of two items of the pool.
    exact = torch.cat([X[[row for row in range(len(X)) if row not in LABELLED.tolist()]], X[LABELLED]])
    spread = Rbf().fit(exact, None).spread  # type: ignore[attr-defined]
    process = {"posterior": "rbf", "noise": gp["noise"], "scale": 2 * gp["length"] ** 2 / spread}
    assert chosen({"name": "max_variance", **process}, 1) == [KNOWN["alm"]]
    assert chosen({"name": "alc", **process}, 1) == [KNOWN["alc"]]


FEATURES = cloud(80, 4, 1).double()
BOUGHT = torch.tensor([3, 50, 7, 61, 20])
ANSWERS = bent(FEATURES)[BOUGHT]
FREE = torch.tensor([row for row in range(80) if row not in BOUGHT.tolist()])
Z = torch.cat([FEATURES, torch.ones(80, 1)], dim=1)


def test_greedy_designs_by_their_other_names():
    pool = (FEATURES, BOUGHT, ANSWERS)
    z, labelled = Z[FREE], Z[BOUGHT]
    expected = FREE[d_optimal(z, 12, ridge=0.3, labelled=labelled)].tolist()
    assert pick({"name": "max_variance", "posterior": "linear", "noise": 0.3}, 12, *pool) == expected
    assert pick({"name": "max_det", "noise": 0.3}, 12, *pool) == expected
    expected = FREE[v_optimal(z, 12, ridge=0.3, labelled=labelled)].tolist()
    assert pick({"name": "alc", "noise": 0.3}, 12, *pool) == expected
    everything = torch.cat([z, labelled])
    expected = FREE[v_optimal(z, 12, ridge=0.3, labelled=labelled, targets=everything)].tolist()
    assert pick({"name": "bait_regression", "ridge": 0.3, "extra": 0}, 12, *pool) == expected
    x, known = FEATURES[FREE], FEATURES[BOUGHT]
    expected = FREE[log_det(x, 12, alpha=4.0, centers=known, kernel=Rbf(scale=0.7))].tolist()
    assert pick({"name": "max_variance", "posterior": "rbf", "noise": 0.25, "scale": 0.7}, 12, *pool) == expected
    assert pick({"name": "max_det", "kernel": "rbf", "noise": 0.25, "scale": 0.7}, 12, *pool) == expected


def test_gsx_is_k_center_but_for_the_first_item():
    assert pick("gsx", 20, FEATURES, BOUGHT, ANSWERS) == pick("k_center", 20, FEATURES, BOUGHT, ANSWERS)
    nothing = (FEATURES, BOUGHT[:0], ANSWERS[:0])
    first, *others = pick("gsx", 20, *nothing)
    assert first == int((FEATURES - FEATURES.mean(dim=0)).norm(dim=1).argmin())
    rest = torch.tensor([row for row in range(80) if row != first])
    assert others == rest[k_center_greedy(FEATURES[rest], 19, centers=FEATURES[[first]])].tolist()


def test_batches_are_conditioned_on_covariances_of_members():
    members = cloud(9, 80, 3).double().cumsum(dim=1)
    noise = 0.2 * float(members[:, FREE].var(dim=0, correction=0).mean())
    covariance = torch.cov(members[:, FREE].T, correction=0)
    for name in ("max_variance", "alc"):
        left, picks = covariance.clone(), []
        for _ in range(6):
            variance = left.diagonal()
            score = variance.clone() if name == "max_variance" else left.square().sum(dim=0) / (variance + noise)
            score[picks] = -torch.inf
            picks.append(int(score.argmax()))
            column = left[:, picks[-1]].clone()
            left = left - torch.outer(column, column) / (column[picks[-1]] + noise)
        spec = {"name": name, "posterior": "members", "noise": 0.2}
        assert pick(spec, 6, FEATURES, BOUGHT, ANSWERS, members=members) == FREE[picks].tolist()


def test_igs_falls_back_to_the_order_of_indices_where_all_predictions_are_equal():
    said = {"predictions": torch.full((80,), 2.0, dtype=torch.float64)}
    same = torch.full((5,), 2.0, dtype=torch.float64)
    assert pick("igs", 6, FEATURES, BOUGHT, same, **said) == FREE[:6].tolist()


def test_gsy_with_shuffled_predictions_is_random_sampling():
    """What is chosen then says nothing of features: its mean is that of a sample of the pool."""
    label, distances = bent(FEATURES), []
    for seed in range(200):
        order = torch.randperm(80, generator=torch.Generator().manual_seed(seed))
        chosen = pick("gsy", 15, FEATURES, BOUGHT, ANSWERS, predictions=label[order])
        distances.append(FEATURES[chosen].mean(dim=0) - FEATURES[FREE].mean(dim=0))
    off = torch.stack(distances)
    assert float((off.mean(dim=0) / (off.std(dim=0) / 200**0.5)).abs().max()) < 4
    expected = FEATURES[FREE].var(dim=0) / 15 * (1 - 15 / 75)
    torch.testing.assert_close(off.var(dim=0), expected, rtol=0.5, atol=0)


def test_rbf_targets_are_drawn_only_where_there_are_more():
    spec = {"name": "alc", "posterior": "rbf", "targets": 75}
    picks = [pick(spec, 10, FEATURES, BOUGHT, ANSWERS, seed=seed) for seed in range(2)]
    assert picks[0] == picks[1]
    few = [pick({**spec, "targets": 5}, 10, FEATURES, BOUGHT, ANSWERS, seed=seed) for seed in range(2)]
    assert few[0] != few[1]


@pytest.mark.parametrize("trainer", FAST)
@pytest.mark.parametrize(("scale", "shift"), [(1000.0, 0.0), (1.0, 50.0)])
def test_the_unit_and_the_origin_of_labels_change_no_pick(trainer, scale, shift):
    features, bought = cloud(120, 3, 4), torch.arange(0, 120, 6)
    label = bent(features)
    models = [fitted(trainer, features[bought], values[bought]) for values in (label, scale * label + shift)]
    answers = label[bought], scale * label[bought] + shift
    for spec in (*NEW, *MEMBERS_TOO):
        if not registry("strategies").build(spec).needs <= {"features", *of_model(models[0], features)}:
            continue
        picks = [
            pick(spec, 10, features, bought, answer, **of_model(model, features))
            for model, answer in zip(models, answers, strict=True)
        ]
        assert picks[0] == picks[1], spec


@pytest.mark.parametrize("name", ["query_by_committee", "emcm", "max_variance", "max_det"])
def test_those_that_can_prefer_the_cheap(name):
    said = of_model(fitted("ridge", FEATURES[BOUGHT], ANSWERS), FEATURES)
    dear = pick(name, 5, FEATURES, BOUGHT, ANSWERS, **said)
    prices = torch.ones(80, dtype=torch.float64)
    prices[dear] = 1000.0
    assert not set(pick(name, 5, FEATURES, BOUGHT, ANSWERS, prices=prices, **said)) & set(dear)


def worlds():
    """Twenty linear worlds: a pool with heavy tails, what was bought first, and the inverse information of a choice."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        features = torch.as_tensor(rng.standard_t(4, size=(200, 6)) * np.linspace(0.3, 2, 6))
        yield seed, rng, features, torch.arange(8)


def linear_errors(spec, seed, rng, features, bought):
    """Of least squares on what was chosen: the mean squared error of weights, and of predictions of the pool."""
    chosen = torch.cat([bought, torch.tensor(pick(spec, 16, features, bought, torch.zeros(8).double(), seed=seed))])
    x = features[chosen]
    inverse = torch.linalg.inv(x.T @ x)
    noise = torch.as_tensor(rng.standard_normal((300, len(chosen))))
    errors = noise @ x @ inverse  # 300 draws of the noise at once: what least squares is off by
    return float(errors.square().sum(dim=1).mean()), float((errors @ features.T).square().mean())


@pytest.mark.parametrize("name", ["d_optimal", "a_optimal", "v_optimal", "max_variance", "alc", "bait_regression"])
def test_designs_beat_random_sampling_where_the_world_is_linear(name):
    spec = {"name": name, **({"posterior": "linear"} if name == "max_variance" else {})}
    found = []
    for seed, rng, features, bought in worlds():
        own, other = (linear_errors(chooser, seed, rng, features, bought) for chooser in (spec, "random"))
        found.append([np.log(other[0] / own[0]), np.log(other[1] / own[1])])
    gain = np.array(found)
    error = gain.std(axis=0, ddof=1) / len(gain) ** 0.5
    weights, predictions = gain.mean(axis=0) > 3 * error
    assert predictions
    assert weights
