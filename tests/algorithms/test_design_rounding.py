"""Rounding against its theorems and against the best of all subsets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms.design.design_rounding import (
    RoundedDesign,
    round_a_optimal,
    round_d_optimal,
    round_e_optimal,
    round_v_optimal,
)
from labelbench_plus.algorithms.design.relaxed_design import (
    DesignCertificate,
    RelaxedDesign,
    relaxed_a_optimal,
    relaxed_d_optimal,
    relaxed_e_optimal,
    relaxed_v_optimal,
)

RELAX: dict[str, Callable[..., RelaxedDesign]] = {
    "D": relaxed_d_optimal,
    "A": relaxed_a_optimal,
    "V": relaxed_v_optimal,
    "E": relaxed_e_optimal,
}
ROUND: dict[str, Callable[..., RoundedDesign]] = {
    "D": round_d_optimal,
    "A": round_a_optimal,
    "V": round_v_optimal,
    "E": round_e_optimal,
}
every_design = pytest.mark.parametrize("name", RELAX)


def rows(count: int, dimension: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed)).to(dtype)


def objective(name: str, features: Tensor, picks: Tensor, start: Tensor) -> float:
    """The criterion of some rows, from its definition."""
    features = features.double()
    matrix = start + features[picks].T @ features[picks]
    if name == "D":
        return float(torch.logdet(matrix))
    if name == "E":
        return float(torch.linalg.eigvalsh(matrix)[0])
    inverse = torch.linalg.inv(matrix)
    return float(inverse.trace() if name == "A" else ((features @ inverse) * features).sum(dim=1).mean())


def prior(dimension: int, ridge: float, labelled: Tensor | None = None) -> Tensor:
    matrix = ridge * torch.eye(dimension, dtype=torch.float64)
    return matrix if labelled is None else matrix + labelled.double().T @ labelled.double()


def efficiency(name: str, reached: float, best: float, dimension: int) -> float:
    if name == "D":
        return math.exp((reached - best) / dimension)
    if name == "E":
        return reached / best
    return best / reached if reached else 1.0


def check(name: str, rounded: RoundedDesign, design: RelaxedDesign, features: Tensor, n: int, start: Tensor) -> None:
    """What must hold of every rounding."""
    dimension = features.shape[1]
    assert rounded.picks.dtype == torch.long
    assert len(rounded.picks) == n
    assert bool((rounded.picks.diff() > 0).all())  # ascending and distinct
    assert bool((design.weights[rounded.picks] > 0).all())
    reached = objective(name, features, rounded.picks, start)
    certificate = rounded.certificate
    assert certificate.objective == pytest.approx(reached, rel=1e-7, abs=1e-7)
    assert certificate.bound == design.certificate.bound
    assert certificate.efficiency == pytest.approx(efficiency(name, reached, certificate.bound, dimension), rel=1e-6)
    assert 0 <= rounded.guarantee <= 1
    against_weights = efficiency(name, reached, design.certificate.objective, dimension)
    assert against_weights >= rounded.guarantee - 1e-9


@every_design
@pytest.mark.parametrize("with_labelled", [False, True])
def test_near_the_best_subset(name: str, with_labelled: bool) -> None:
    shares = []
    for seed in range(8):
        features, n = rows(11, 3, seed), 5
        labelled = rows(3, 3, seed + 50) if with_labelled else None
        start = prior(3, 0.1, labelled)
        design = RELAX[name](features, n, ridge=0.1, labelled=labelled)
        rounded = ROUND[name](features, design, ridge=0.1, labelled=labelled)
        check(name, rounded, design, features, n, start)
        values = [objective(name, features, torch.tensor(s), start) for s in itertools.combinations(range(11), n)]
        best = max(values) if name in "DE" else min(values)
        shares.append(efficiency(name, rounded.certificate.objective, best, 3))
    assert max(shares) <= 1 + 1e-9
    assert sum(share >= 1 - 1e-9 for share in shares) >= 4  # the best itself, as a rule
    assert min(shares) > (0.8 if name == "E" else 0.97)


@every_design
@pytest.mark.parametrize(("dimension", "n"), [(1, 1), (1, 60), (2, 3), (2, 95), (6, 6), (6, 7), (6, 30), (6, 120)])
def test_the_guarantee_is_kept(name: str, dimension: int, n: int) -> None:
    features = rows(300, dimension, n)
    features[50:100] = features[:50]
    design = RELAX[name](features, n, ridge=0.0)
    rounded = ROUND[name](features, design, ridge=0.0)
    check(name, rounded, design, features, n, prior(dimension, 0.0))
    if name == "D":
        promised = math.exp(-dimension / (n - dimension)) if n > dimension else 0
    elif name == "E":
        promised = 1 - 3 * math.sqrt(5 * dimension / n) if n >= 45 * dimension else 0
    else:
        promised = (n - dimension + 1) / (int((design.weights > 0).sum()) - dimension + 1) if n >= dimension else 0
    assert rounded.guarantee == pytest.approx(promised)


@every_design
def test_weights_far_from_optimal_are_held_to_the_same_guarantee(name: str) -> None:
    """The theorems speak of any weights; equal ones leave most to drop."""
    features, n = rows(400, 3, 1), 150
    weights = torch.full((400,), n / 400, dtype=torch.float64)
    start = prior(3, 0.2)
    chosen = features * weights.sqrt()[:, None]
    matrix = start + chosen.T @ chosen
    value = {
        "D": float(torch.logdet(matrix)),
        "A": float(torch.linalg.inv(matrix).trace()),
        "V": float(((features @ torch.linalg.inv(matrix)) * features).sum(dim=1).mean()),
        "E": float(torch.linalg.eigvalsh(matrix)[0]),
    }[name]
    bound = RELAX[name](features, n, ridge=0.2).certificate.bound
    design = RelaxedDesign(weights, DesignCertificate(value, bound, abs(bound - value), 1.0, 0))
    rounded = ROUND[name](features, design, ridge=0.2)
    check(name, rounded, design, features, n, start)
    assert rounded.certificate.efficiency > (0.8 if name == "E" else 0.95)


def test_no_exchange_of_the_cheapest_row_is_left() -> None:
    """What the proof of the D theorem needs."""
    features, n = rows(80, 4, 2), 12
    design = relaxed_d_optimal(features, n, ridge=0.0)
    picks = round_d_optimal(features, design, ridge=0.0).picks
    reached = objective("D", features, picks, prior(4, 0.0))
    without = [torch.cat([picks[:at], picks[at + 1 :]]) for at in range(n)]
    cheapest = max(without, key=lambda rest: objective("D", features, rest, prior(4, 0.0)))
    outside = [row for row in design.weights.nonzero()[:, 0].tolist() if row not in picks.tolist()]
    assert outside
    for row in outside:
        assert objective("D", features, torch.cat([cheapest, torch.tensor([row])]), prior(4, 0.0)) <= reached + 1e-8


@every_design
def test_whole_weights_stay_as_they_are(name: str) -> None:
    features = rows(20, 3, 3)
    everything = RELAX[name](features, 20, ridge=1.0)
    rounded = ROUND[name](features, everything, ridge=1.0)
    assert rounded.picks.tolist() == list(range(20))
    assert rounded.certificate.efficiency >= 0.99


def test_targets() -> None:
    features, targets = rows(40, 3, 4), rows(5, 3, 5) * torch.tensor([3.0, 0.1, 0.0])
    design = relaxed_v_optimal(features, 6, ridge=0.1, targets=targets)
    rounded = round_v_optimal(features, design, ridge=0.1, targets=targets)
    inverse = torch.linalg.inv(prior(3, 0.1, features[rounded.picks]))
    assert rounded.certificate.objective == pytest.approx(float(((targets @ inverse) * targets).sum(dim=1).mean()))
    assert rounded.certificate.efficiency > 0.9


@every_design
@pytest.mark.parametrize(
    "features",
    [torch.ones(30, 4), torch.zeros(30, 4), rows(5, 4, 13).repeat(6, 1), rows(30, 1, 14), rows(30, 4, 15).half()],
    ids=["constant", "zero", "duplicates", "one feature", "float16"],
)
@pytest.mark.parametrize("n", [1, 7, 29, 30])
@pytest.mark.filterwarnings("error")
def test_odd_pools(name: str, features: Tensor, n: int) -> None:
    for labelled in (None, features[:0], features[:9]):
        design = RELAX[name](features, n, ridge=0.5, labelled=labelled)
        rounded = ROUND[name](features, design, ridge=0.5, labelled=labelled)
        check(name, rounded, design, features, n, prior(features.shape[1], 0.5, labelled))


@every_design
def test_of_equal_rows_the_lowest_are_picked(name: str) -> None:
    features = rows(25, 3, 18).repeat(4, 1)
    design = RELAX[name](features, 31, ridge=0.1)
    rounded = ROUND[name](features, design, ridge=0.1)
    check(name, rounded, design, features, 31, prior(3, 0.1))
    picked = torch.zeros(100, dtype=torch.bool).index_fill_(0, rounded.picks, True).reshape(4, 25)
    assert bool((picked[:-1] | ~picked[1:]).all())


@every_design
def test_rounding_is_deterministic_whatever_the_threads(name: str) -> None:
    features = rows(1500, 6, 16, torch.float32)
    design = RELAX[name](features, 50, ridge=0.1)
    picks = ROUND[name](features, design, ridge=0.1).picks
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(ROUND[name](features, design, ridge=0.1).picks, picks)
    finally:
        torch.set_num_threads(threads)


def handmade(weights: list[float]) -> RelaxedDesign:
    return RelaxedDesign(torch.tensor(weights, dtype=torch.float64), DesignCertificate(0.0, 0.0, 0.0, 1.0, 0))


@every_design
def test_refusals(name: str) -> None:
    features = rows(4, 2, 17)
    with pytest.raises(ValueError, match="3 weights for 4 rows"):
        ROUND[name](features, handmade([1.0, 1.0, 0.0]), ridge=1.0)
    for bad in ([2.0, 0.0, 0.0, 0.0], [-1.0, 1.0, 1.0, 1.0]):
        with pytest.raises(ValueError, match=r"needs weights in 0..1: relax with cap=1"):
            ROUND[name](features, handmade(bad), ridge=1.0)
    with pytest.raises(ValueError, match=r"whole number of rows, got 1\.5"):
        ROUND[name](features, handmade([0.5, 0.5, 0.5, 0.0]), ridge=1.0)
    with pytest.raises(ValueError, match="keep M regular: use a larger ridge"):
        ROUND[name](features, handmade([0.25, 0.25, 0.25, 0.25]), ridge=0.0)
    spoilt = features.clone()
    spoilt[1, 0] = math.inf
    with pytest.raises(ValueError, match="features must be finite, but row 1"):
        ROUND[name](spoilt, handmade([1.0, 0.0, 0.0, 0.0]), ridge=1.0)


def test_memory_follows_the_support_and_not_the_pool(peak_bytes: Callable[[str, str], int]) -> None:
    setup = "\n".join(
        [
            "from labelbench_plus.algorithms.design.design_rounding import round_d_optimal, round_e_optimal",
            "from labelbench_plus.algorithms.design.relaxed_design import DesignCertificate, RelaxedDesign",
            "x = torch.randn(150000, 32)",
            "weights = torch.zeros(150000, dtype=torch.float64)",
            "weights[:1000] = 0.2",
            "design = RelaxedDesign(weights, DesignCertificate(1.0, 1.0, 0.0, 1.0, 0))",
            "small = RelaxedDesign(weights[:1000], design.certificate)",
        ]
    )
    warm = "[round(x[:1000], small, ridge=1.0) for round in (round_d_optimal, round_e_optimal)]"
    # The features are 19 MB and nothing of that size is made.
    assert peak_bytes(f"{setup}\n{warm}", warm.replace("x[:1000], small", "x, design")) < 12 * 2**20
