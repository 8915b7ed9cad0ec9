"""Similarities: values, scales that do not depend on units, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from labelbench_plus.algorithms.blocks.similarity import Cosine, Rbf, check_centers, mean_squared_distance
from labelbench_plus.algorithms.facility_location import facility_location, sparse_facility_location
from labelbench_plus.algorithms.graph_cut import graph_cut
from labelbench_plus.algorithms.log_det import log_det
from labelbench_plus.algorithms.max_herding import max_herding

X = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))


def distances(x: torch.Tensor) -> torch.Tensor:
    return (x.double()[:, None] - x.double()[None]).square().sum(dim=2)


def test_mean_squared_distance_is_the_mean_over_all_ordered_pairs() -> None:
    assert mean_squared_distance(X) == pytest.approx(float(distances(X).mean()))
    assert mean_squared_distance(X[:30], X[30:]) == pytest.approx(float(distances(X).mean()))
    assert mean_squared_distance(torch.full((5, 3), 0.1)) == pytest.approx(0.0, abs=1e-12)
    assert mean_squared_distance(X[:0]) == 0.0


def test_rbf_is_free_of_scale_unless_gamma_is_given() -> None:
    for factor in (1.0, 1e3):
        fitted = Rbf(scale=0.5).fit(X * factor, None)
        expected = torch.exp(-distances(X) / (0.5 * distances(X).mean()))
        assert torch.allclose(fitted.of_distance(distances(X * factor)), expected)
    assert torch.allclose(Rbf(gamma=2.0).fit(X, None).of_distance(distances(X)), torch.exp(-distances(X) / 2))


def test_constant_features_are_all_alike() -> None:
    assert Rbf().fit(torch.zeros(4, 2), None).of_distance(torch.zeros(3)).tolist() == [1, 1, 1]


def test_cosine_ignores_length_and_clamps_at_zero() -> None:
    fitted = Cosine().fit(X, None)
    embedded = fitted.embed(X * torch.logspace(-150, 150, 40, dtype=torch.float64)[:, None])
    unit = torch.nn.functional.normalize(X.double())
    assert torch.allclose(fitted.of_distance(distances(embedded)), (unit @ unit.T).clamp(min=0))
    assert fitted.embed(X.half()).dtype == torch.float64


def test_reach_inverts_the_similarity() -> None:
    squared = torch.tensor([0.0, 0.3, 1.9]).double()
    for fitted in (Rbf(gamma=0.7).fit(X, None), Cosine().fit(X, None)):
        assert torch.allclose(fitted.reach(fitted.of_distance(squared)), squared)
        assert (fitted.of_distance(torch.tensor([-1e-9]).double()) == 1).all()
    assert Rbf(gamma=0.7).fit(X, None).reach(torch.zeros(1))[0] == torch.inf


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="gamma"):
        Rbf(gamma=0.0)
    with pytest.raises(ValueError, match="scale"):
        Rbf(scale=float("inf"))
    zero = X.clone()
    zero[7] = 0
    with pytest.raises(ValueError, match="row 7 of features"):
        Cosine().fit(zero, None)
    with pytest.raises(ValueError, match="row 7 of centers"):
        Cosine().fit(X, zero)
    with pytest.raises(ValueError, match="columns"):
        check_centers(X, torch.zeros(3, 5))
    with pytest.raises(ValueError, match="row 1"):
        check_centers(X, torch.tensor([[0.0] * 6, [float("nan")] * 6]))
    assert check_centers(X, X[:0]) is None and check_centers(X, None) is None


@pytest.mark.parametrize(
    "pick",
    [
        lambda x: facility_location(x, 3, similarity=Rbf(gamma=1e-3)),
        lambda x: sparse_facility_location(x, 3, neighbours=30, similarity=Rbf(gamma=1e-3)),
        lambda x: facility_location(x, 3, weights=torch.ones(len(x)), similarity=Rbf(scale=1e-9)),
        lambda x: graph_cut(x, 3, similarity=Rbf(gamma=1e-3)),
        lambda x: max_herding(x, 3, gamma=1e-3),
        lambda x: log_det(x, 3, kernel=Rbf(gamma=1e-3)),
    ],
)
def test_a_width_at_which_all_similarities_vanish_is_raised_to_the_nearest_rows(pick, caplog):
    """Otherwise every row stands for itself alone, and rows are picked in the order they lie in."""
    x = 100 * torch.randn(60, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[40:] = 0.1 * x[40:] + 50
    assert pick(x).tolist() != [0, 1, 2]
    assert "no two rows are similar" in caplog.text


def test_a_width_at_which_some_rows_are_similar_stays(caplog):
    x = torch.tensor([[0.0], [1e-3], [1e3], [2e3]], dtype=torch.float64)
    assert Rbf(gamma=1e-5).fit(x, None).of_distance(torch.tensor([1e-6])).item() == pytest.approx(math.exp(-0.1))
    assert Rbf(gamma=1e-5).fit(torch.ones(3, 2), None).of_distance(torch.zeros(1)).item() == 1, "copies alone"
    assert not caplog.messages
