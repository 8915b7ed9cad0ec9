"""Greedy designs against textbook loops that recompute everything from scratch at every pick."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms.design import greedy_design_eigenvalue, greedy_design_forms, greedy_design_worst_case
from labelbench_plus.algorithms.design.greedy_design import a_optimal, d_optimal, e_optimal, g_optimal, v_optimal

DESIGNS: dict[str, Callable[..., Tensor]] = {
    "D": d_optimal,
    "A": a_optimal,
    "V": v_optimal,
    "G": g_optimal,
    "E": e_optimal,
}
every_design = pytest.mark.parametrize("name", DESIGNS)


def start(dimension: int, ridge: float, labelled: Tensor | None) -> Tensor:
    matrix = ridge * torch.eye(dimension, dtype=torch.float64)
    return matrix if labelled is None else matrix + labelled.double().T @ labelled.double()


def cost(name: str, matrix: Tensor, targets: Tensor) -> float:
    """What the criterion minimises."""
    if name == "D":
        return -float(torch.logdet(matrix))
    if name == "E":
        return -float(torch.linalg.eigvalsh(matrix)[0])
    inverse = torch.linalg.inv(matrix)
    if name == "A":
        return float(inverse.trace())
    variances = ((targets @ inverse) * targets).sum(dim=1)
    return float(variances.mean() if name == "V" else variances.max())


def gains(name: str, matrix: Tensor, features: Tensor, targets: Tensor) -> tuple[Tensor, float]:
    """Gain of every row from scratch, and how close two gains must be to tie."""
    grown = matrix + features[:, :, None] * features[:, None, :]
    if name == "E":
        now = torch.linalg.eigvalsh(matrix)
        folds = int((now <= now[0] * (1 + 1e-7)).sum())
        gain = torch.linalg.eigvalsh(grown)[:, folds - 1] - now[0]
        return gain, 1e-9 * float(gain.max())
    if name == "D":
        gain = torch.logdet(grown) - torch.logdet(matrix)
        return gain, 1e-9 * float(gain.max())
    inverse = torch.linalg.inv(grown)
    before = cost(name, matrix, targets)
    if name == "A":
        gain = before - inverse.diagonal(dim1=1, dim2=2).sum(dim=1)
        return gain, 1e-9 * float(gain.max())
    if name == "V":
        gain = before - (inverse * (targets.T @ targets / len(targets))).sum(dim=(1, 2))
        return gain, 1e-9 * float(gain.max())
    variances = torch.einsum("td,nde,te->nt", targets, inverse, targets)
    return before - variances.amax(dim=1), 1e-9 * before


def textbook(
    name: str,
    features: Tensor,
    n: int,
    ridge: float,
    labelled: Tensor | None = None,
    targets: Tensor | None = None,
    prices: Tensor | None = None,
    budget: float = math.inf,
) -> list[int]:
    features = features.double()
    targets = features if targets is None else targets.double()
    price = torch.ones(len(features), dtype=torch.float64) if prices is None else prices.double()
    matrix = start(features.shape[1], ridge, labelled)
    picks: list[int] = []
    while len(picks) < n:
        gain, tie = gains(name, matrix, features, targets)
        score = gain / price
        score[picks] = -math.inf
        score[price > budget] = -math.inf
        if score.max() == -math.inf:
            break
        close = tie if name == "G" else 0.0
        ties = (score + close / price >= score.max() * (1 - 1e-9 * (name != "G"))) & (score > -math.inf)
        picks.append(int(ties.nonzero()[0]))
        budget -= float(price[picks[-1]])
        matrix = matrix + torch.outer(features[picks[-1]], features[picks[-1]])
    return picks


def rows(count: int, dimension: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few rows be many, so that contenders, look-ahead and candidate blocks are all in play."""
    monkeypatch.setattr(greedy_design_forms, "_CONTENDERS", 7)
    monkeypatch.setattr(greedy_design_eigenvalue, "_SOLVED", 5)
    monkeypatch.setattr(greedy_design_worst_case, "_TRIED", 3)
    monkeypatch.setattr(greedy_design_worst_case, "_HARD", 2)
    monkeypatch.setattr(greedy_design_eigenvalue, "_TERMS", 2)


@every_design
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_picks_are_the_textbook_ones(name: str, seed: int, dtype: torch.dtype, small_blocks: None) -> None:
    dimension = 1 + seed
    features = rows(80, dimension, seed, dtype)
    features[40:50] = features[:10]  # duplicates
    features[50:60] = 0
    labelled = rows(4, dimension, seed + 100, dtype) if seed % 2 else None
    expected = textbook(name, features, 25, 0.05, labelled)
    assert DESIGNS[name](features, 25, ridge=0.05, labelled=labelled).tolist() == expected


@pytest.mark.parametrize("name", ["D", "A", "V", "E"])
def test_more_rows_than_one_block(name: str) -> None:
    features = torch.nn.functional.normalize(rows(1500, 6, 3), dim=1)  # equal norms: nearly flat gains at the start
    assert DESIGNS[name](features, 40, ridge=0.1).tolist() == textbook(name, features, 40, 0.1)


@pytest.mark.parametrize("name", ["V", "G"])
@pytest.mark.parametrize("seed", range(3))
def test_targets(name: str, seed: int, small_blocks: None) -> None:
    features, targets = rows(60, 4, seed), rows(9, 4, seed + 50) * torch.tensor([3.0, 1.0, 0.1, 0.0])
    expected = textbook(name, features, 20, 0.1, targets=targets)
    assert DESIGNS[name](features, 20, ridge=0.1, targets=targets).tolist() == expected
    assert expected != textbook(name, features, 20, 0.1)


@every_design
@pytest.mark.parametrize("budget", [None, 4.0])
def test_gain_per_price(name: str, budget: float | None, small_blocks: None) -> None:
    features = rows(70, 3, 1)
    prices = 0.1 + torch.rand(70, generator=torch.Generator().manual_seed(2))
    expected = textbook(name, features, 20, 0.1, prices=prices, budget=math.inf if budget is None else budget)
    picks = DESIGNS[name](features, 20, ridge=0.1, prices=prices, budget=budget)
    assert picks.tolist() == expected
    if budget is not None:
        assert float(prices[picks].sum()) <= budget
        assert len(picks) < 20  # the budget, not the count, ended it


@every_design
def test_equal_prices_change_nothing(name: str) -> None:
    features = rows(50, 4, 5)
    plain = DESIGNS[name](features, 12, ridge=0.1)
    assert torch.equal(DESIGNS[name](features, 12, ridge=0.1, prices=torch.full((50,), 2.0)), plain)


@pytest.mark.parametrize("name", ["D", "A", "V"])
def test_near_the_best_subset(name: str) -> None:
    shares = []
    for seed in range(12):
        features = rows(12, 3, seed)
        matrix = start(3, 0.3, None)
        nothing = cost(name, matrix, features)

        def gain(subset: tuple[int, ...], at: Tensor = features, m: Tensor = matrix, zero: float = nothing) -> float:
            chosen = at[list(subset)]
            return zero - cost(name, m + chosen.T @ chosen, at)

        best = max(gain(subset) for subset in itertools.combinations(range(12), 3))
        shares.append(gain(tuple(DESIGNS[name](features, 3, ridge=0.3).tolist())) / best)
    assert min(shares) >= 1 - 1 / math.e  # a theorem for D
    assert max(shares) <= 1 + 1e-12
    assert sum(shares) / len(shares) > 0.97


@pytest.mark.parametrize("name", ["D", "A", "V"])
def test_bookkeeping_does_not_drift(name: str) -> None:
    """After hundreds of rank-one updates from a tiny ridge, each pick still is the best one computed afresh."""
    features = rows(900, 40, 7, torch.float32)
    ridge = 1e-8
    picks = DESIGNS[name](features, 800, ridge=ridge)
    assert len(set(picks.tolist())) == 800
    wide = features.double()
    for step in [*range(41, 64), 80, 200, 500, 799]:  # 40 picks span the space: leverages fall 10⁹-fold
        chosen = wide[picks[:step]]
        inverse = torch.linalg.inv(start(40, ridge, chosen))
        leverage = ((wide @ inverse) * wide).sum(dim=1)
        moment = {"D": None, "A": torch.eye(40).double(), "V": wide.T @ wide / 900}[name]
        score = leverage
        if moment is not None:
            score = ((wide @ inverse @ moment @ inverse) * wide).sum(dim=1) / (1 + leverage)
        score[picks[:step]] = -math.inf
        assert float(score[picks[step]]) >= float(score.max()) * (1 - 2e-9)


@every_design
@pytest.mark.parametrize("seed", range(3))
def test_many_ties_beyond_duplicates(name: str, seed: int, small_blocks: None) -> None:
    features = rows(120, 3, seed).round().clamp(-1, 1)  # 27 distinct rows, most of them mirror images
    assert DESIGNS[name](features, 30, ridge=0.5).tolist() == textbook(name, features, 30, 0.5)


@pytest.mark.parametrize(("name", "energy"), [("D", 4 / 5), ("A", 4 / 41)])
def test_ties_with_rows_outside_the_contenders(name: str, energy: float, small_blocks: None) -> None:
    """The second long row ties with the short ones once the first is in, and has the highest index."""
    long = torch.zeros(2, 20, dtype=torch.float64)
    long[:, 0] = 2
    short = energy**0.5 * torch.eye(20, dtype=torch.float64)[1:]
    assert DESIGNS[name](torch.cat([short, long]), 21, ridge=1.0).tolist() == [19, *range(19), 20]


@pytest.mark.parametrize("chunk_bytes", [8 * 10 * 9, 1 << 20])
def test_guesses_are_taken_back(chunk_bytes: int, small_blocks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An A gain can grow, so that a row from outside the contenders overtakes, wherever in the pass it lies."""
    outcomes = []
    settle = greedy_design_forms.Forms.settle

    def spy(forms: greedy_design_forms.Forms, batch: greedy_design_forms.Batch) -> int:
        outcomes.append((len(batch.picks), settle(forms, batch)))
        return outcomes[-1][1]

    monkeypatch.setattr(greedy_design_forms.Forms, "settle", spy)
    monkeypatch.setattr(greedy_design_forms, "_CONTENDERS", 9)
    generator = torch.Generator().manual_seed(1)
    centres = torch.randn(20, 10, generator=generator).double().repeat(15, 1)
    features = torch.nn.functional.normalize(centres + 0.1 * torch.randn(300, 10, generator=generator), dim=1)
    picks = a_optimal(features, 80, ridge=1e-3, chunk_bytes=chunk_bytes)
    assert picks.tolist() == textbook("A", features, 80, 1e-3)
    assert any(made > kept for made, kept in outcomes)  # or the test tests nothing


@every_design
def test_chunks_and_threads_do_not_matter(name: str, small_blocks: None) -> None:
    features = rows(150, 4, 11, torch.float32)
    features[50:100] = features[:50].round()  # many ties
    whole = DESIGNS[name](features, 20, ridge=0.01)
    for chunk_bytes in (1, 500, 1777):
        assert torch.equal(DESIGNS[name](features, 20, ridge=0.01, chunk_bytes=chunk_bytes), whole)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(DESIGNS[name](features, 20, ridge=0.01), whole)
    finally:
        torch.set_num_threads(threads)


@every_design
def test_ties_go_to_the_lowest_index(name: str, small_blocks: None) -> None:
    axes = torch.eye(4).repeat(6, 1)  # four directions, each six times
    picks = DESIGNS[name](axes, 24, ridge=1.0).tolist()
    if name == "G":  # while a second direction is as bad, no row lowers the maximum: everything ties
        assert picks[:3] == [0, 1, 2]
    else:
        assert picks == list(range(24))
    assert DESIGNS[name](torch.ones(30, 3), 30, ridge=1.0).tolist() == list(range(30))
    assert DESIGNS[name](torch.zeros(30, 3), 30, ridge=1.0).tolist() == list(range(30))


@every_design
def test_labelled_rows_are_as_good_as_picked_ones(name: str) -> None:
    features = rows(40, 4, 13)
    picks = DESIGNS[name](features, 14, ridge=0.2).tolist()
    rest = [row for row in range(40) if row not in picks[:6]]
    more = DESIGNS[name](features[rest], 8, ridge=0.2, labelled=features[picks[:6]], **against(name, features))
    assert [rest[row] for row in more.tolist()] == picks[6:]


def against(name: str, targets: Tensor) -> dict[str, Tensor]:
    return {"targets": targets} if name in ("V", "G") else {}


@every_design
def test_labelled_rows_may_stand_in_for_the_ridge(name: str) -> None:
    features, labelled = rows(30, 3, 17), rows(5, 3, 18)
    assert DESIGNS[name](features, 9, ridge=0.0, labelled=labelled).tolist() == textbook(
        name, features, 9, 0.0, labelled
    )


@pytest.mark.parametrize("scale", [1e-3, 1e3])
@every_design
def test_only_the_ratio_of_ridge_to_squared_scale_matters(name: str, scale: float) -> None:
    features = rows(60, 5, 19)
    assert torch.equal(
        DESIGNS[name](scale * features, 20, ridge=0.1 * scale**2), DESIGNS[name](features, 20, ridge=0.1)
    )


def test_a_large_ridge_picks_the_longest_rows() -> None:
    features = rows(60, 5, 23)
    longest = features.norm(dim=1).argsort(descending=True)[:10].tolist()
    assert d_optimal(features, 10, ridge=1e6).tolist() == longest
    assert a_optimal(features, 10, ridge=1e6).tolist() == longest


@every_design
def test_dead_and_collinear_columns(name: str) -> None:
    features = rows(50, 3, 29)
    padded = torch.cat([features, torch.zeros(50, 2), features[:, :1]], dim=1)
    assert DESIGNS[name](padded, 15, ridge=0.1).tolist() == textbook(name, padded, 15, 0.1) or name == "E"
    if name == "E":  # directions that no row reaches are passed over
        dead = torch.cat([features, torch.zeros(50, 2)], dim=1)
        assert torch.equal(e_optimal(dead, 15, ridge=0.1), e_optimal(features, 15, ridge=0.1))


def test_e_looks_beyond_a_multiple_eigenvalue() -> None:
    """While λ_min is multiple no single row raises it; the pick must still go to the emptiest directions."""
    features = torch.eye(3).double() * torch.tensor([1.0, 2.0, 3.0])
    assert e_optimal(features, 3, ridge=1.0).tolist() == [2, 1, 0]


def test_d_optimal_supports_of_a_parabola() -> None:
    """Quadratic regression on [−1, 1]: thirds at −1, 0 and 1 (Fedorov, 1972, section 2.3)."""
    grid = (torch.arange(-10, 11).double() / 10).repeat_interleave(5)
    features = torch.stack([torch.ones_like(grid), grid, grid**2], dim=1)
    chosen = grid[d_optimal(features, 15, ridge=1e-3)]
    assert {point: int((chosen == point).sum()) for point in (-1.0, 0.0, 1.0)} == {-1.0: 5, 0.0: 5, 1.0: 5}


@every_design
def test_edges(name: str) -> None:
    features = rows(6, 3, 31)
    design = DESIGNS[name]
    assert design(features, 0, ridge=1.0).tolist() == []
    assert design(features, 0, ridge=1.0).dtype == torch.long
    assert len(design(features, 1, ridge=1.0)) == 1
    assert sorted(design(features, 6, ridge=1.0).tolist()) == list(range(6))
    assert design(features[:1], 1, ridge=1.0).tolist() == [0]
    assert design(features[:0], 0, ridge=1.0).tolist() == []
    assert design(features, 3, ridge=1.0, prices=torch.ones(6), budget=0.0).tolist() == []


@every_design
def test_refusals(name: str) -> None:
    features = rows(6, 3, 37)
    design = DESIGNS[name]
    spoilt = features.clone()
    spoilt[2, 1] = math.nan
    with pytest.raises(ValueError, match="features must be finite, but row 2"):
        design(spoilt, 2, ridge=1.0)
    with pytest.raises(ValueError, match="labelled must be finite"):
        design(features, 2, ridge=1.0, labelled=spoilt)
    with pytest.raises(ValueError, match="labelled must have the 3 columns"):
        design(features, 2, ridge=1.0, labelled=features[:, :2])
    with pytest.raises(ValueError, match="cannot pick 7 of 6"):
        design(features, 7, ridge=1.0)
    with pytest.raises(ValueError, match="must be above"):
        design(features, 2, ridge=0.0)
    with pytest.raises(ValueError, match="must be above"):
        design(features, 2, ridge=0.0, labelled=features[:2])
    with pytest.raises(ValueError, match="ridge must be a finite number"):
        design(features, 2, ridge=-1.0)
    with pytest.raises(ValueError, match="prices must be 6 positive numbers"):
        design(features, 2, ridge=1.0, prices=torch.zeros(6))
    with pytest.raises(ValueError, match="budget needs prices"):
        design(features, 2, ridge=1.0, budget=1.0)
    with pytest.raises(ValueError, match="budget must be at least 0"):
        design(features, 2, ridge=1.0, prices=torch.ones(6), budget=-1.0)


@pytest.mark.parametrize("name", ["V", "G"])
def test_empty_targets_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="targets must hold at least one row"):
        DESIGNS[name](rows(6, 3, 41), 2, ridge=1.0, targets=torch.zeros(0, 3))


def test_memory_stays_linear(peak_bytes: Callable[[str, str], int]) -> None:
    names = "d_optimal, v_optimal, g_optimal, e_optimal"
    setup = f"from labelbench_plus.algorithms.design.greedy_design import {names}; x = torch.randn(40000, 32)"
    warm = f"[design(x[:3000], 2, ridge=1.0) for design in ({names})]"
    # 30 float64 numbers a row; anything quadratic would take 13 GB
    assert peak_bytes(f"{setup}; {warm}", warm.replace("[:3000]", "")) < 40000 * 8 * 30 + 2**25
