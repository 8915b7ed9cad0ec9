"""Greedy optimal experimental design: pick the rows that most improve a criterion of the information matrix.

Every function adds rows x of `features` one at a time to M = ridge·I + Σ (labelled row)(labelled row)' + Σ (picked
row)(picked row)', each time the row that helps its criterion most, and never the same row twice. The criteria
(Pukelsheim, Optimal Design of Experiments, 2006, ch. 6; Fedorov, Theory of Optimal Experiments, 1972):

====================  =====================================================  ===================================
function              criterion                                              one pick costs
====================  =====================================================  ===================================
`d_optimal`           maximise log det M                                     O(N d)
`a_optimal`           minimise tr M⁻¹                                        O(N d)
`v_optimal`           minimise the mean of t' M⁻¹ t over targets t           O(N d)
`g_optimal`           minimise the largest t' M⁻¹ t over targets t           see there
`e_optimal`           maximise the smallest eigenvalue of M                  O(N d + d³)
====================  =====================================================  ===================================

All arithmetic is in float64, whatever the dtype of the features. Tie rule of every function: values within one part
in 10⁹ of the best count as equal, and the lowest index among them is picked. That is far above rounding and far
below anything a choice should depend on, so the picks are the same for any number of threads and any chunk size.
"""

from __future__ import annotations

from torch import Tensor

from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.design.design_matrix import (
    CHUNK_BYTES,
    check_targets,
    regular_information,
    second_moment,
)
from labelbench_plus.algorithms.design.design_purse import open_purse
from labelbench_plus.algorithms.design.greedy_design_eigenvalue import best_eigenvalue
from labelbench_plus.algorithms.design.greedy_design_forms import Determinant, Trace, forward
from labelbench_plus.algorithms.design.greedy_design_worst_case import WorstCase


@detached
def d_optimal(
    features: Tensor,
    n: int,
    *,
    ridge: float,
    labelled: Tensor | None = None,
    prices: Tensor | None = None,
    budget: float | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Pick rows that greedily maximise log det M (D-optimality: the volume of the confidence ellipsoid).

    The gain of a row is log(1 + x'M⁻¹x). The objective is monotone and submodular, so the result is within 1 − 1/e
    of the best n rows' gain over the start (Nemhauser, Wolsey and Fisher, 1978).

    Parameters
    ----------
    features: (N, d) candidates, any floating dtype.
    n: rows to pick; with `budget`, at most so many.
    ridge: weight of the identity in M, in the squared unit of the features. It may be 0 only if `labelled` spans
        all d directions.
    labelled: (m, d) rows already labelled; they warm-start M.
    prices: (N,) positive prices. The pick then is the largest gain *per price* among rows still affordable. That
        rule alone has no constant guarantee under a budget; the better of it and the unpriced greedy has
        (1 − 1/e)/2 (Leskovec et al., KDD 2007, section 3).
    budget: most that may be spent in total; needs `prices`. Picking stops when nothing affordable is left.
    chunk_bytes: size of the float64 working copy of `features`; no influence on the picks.

    Returns
    -------
    LongTensor of n distinct row indices (fewer only when the budget runs out), in pick order.

    Raises
    ------
    ValueError
        Not finite, shapes that do not agree, n outside 0..N, prices not positive, or M too close to singular for
        float64 (the message says the least ridge).

    Notes
    -----
    Exact greedy; ties as the module says. Time O(N d) a pick, but in matrix-matrix products: a block of picks is
    made among the 512 largest gains (or N / 32) alone, then one pass over all rows both updates their leverages x'M⁻¹x
    (Sherman–Morrison) and checks, step by step, that no other row would have won; picks from the first step where
    one would are taken back. Memory O(N + d²) beyond the features. Leverages are recomputed from a fresh Cholesky
    factor whenever subtraction has eaten three digits of a winner.
    """
    purse = open_purse(features, n, prices, budget)
    return forward(features, n, Determinant(), ridge, labelled, purse, chunk_bytes)


@detached
def a_optimal(
    features: Tensor,
    n: int,
    *,
    ridge: float,
    labelled: Tensor | None = None,
    prices: Tensor | None = None,
    budget: float | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Pick rows that greedily minimise tr M⁻¹ (A-optimality: the mean variance of the coefficients).

    The gain of a row is x'M⁻²x / (1 + x'M⁻¹x). It is monotone but not submodular; greedy's guarantee depends on the
    spectrum (Bian et al., ICML 2017, Proposition 2). Parameters, result, errors, cost and ties as in `d_optimal`,
    with two products a pick instead of one.
    """
    purse = open_purse(features, n, prices, budget)
    return forward(features, n, Trace(None), ridge, labelled, purse, chunk_bytes)


@detached
def v_optimal(
    features: Tensor,
    n: int,
    *,
    ridge: float,
    labelled: Tensor | None = None,
    targets: Tensor | None = None,
    prices: Tensor | None = None,
    budget: float | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Pick rows that greedily minimise the mean prediction variance over targets (V-, I- or transductive design).

    The criterion is tr(M⁻¹T) with T the second moment of `targets`, (m, d), by default `features` itself (Yu, Bi and
    Tresp, ICML 2006, section 3). The gain of a row is x'M⁻¹TM⁻¹x / (1 + x'M⁻¹x). Everything else as in `a_optimal`.
    """
    purse = open_purse(features, n, prices, budget)
    moment = second_moment(check_targets(targets, features), chunk_bytes)
    return forward(features, n, Trace(moment), ridge, labelled, purse, chunk_bytes)


@detached
def g_optimal(
    features: Tensor,
    n: int,
    *,
    ridge: float,
    labelled: Tensor | None = None,
    targets: Tensor | None = None,
    prices: Tensor | None = None,
    budget: float | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Pick rows that greedily minimise the largest prediction variance over targets (G-optimality).

    The criterion is the largest t'M⁻¹t over the rows t of `targets`, (m, d), by default `features` itself. It is not
    submodular and has no guarantee; with equal worst targets in several directions no single row helps, and the tie
    rule decides. `d_optimal` is the cheap surrogate: their continuous optima agree (Kiefer and Wolfowitz, 1960).

    Exact: the value of a candidate is bounded below by its value over a few worst targets; the most promising
    candidates are then valued over all targets, which names the targets that were missing, until no bound beats the
    best value. Time O((N + m) d) a round; how many rounds a pick takes depends on how many targets are close to the
    worst: a handful as a rule, at worst every target (O(N m d)), which happens when all leverages are equal, as for
    unit rows at the very start. Memory O(N + m + d²) beyond the features. The rest as in `d_optimal`.
    """
    purse = open_purse(features, n, prices, budget)
    if n == 0:
        return purse.picks()
    information = regular_information(features, ridge, labelled)
    variances = WorstCase(features, check_targets(targets, features), information, chunk_bytes)
    for _ in range(n):
        if not bool(purse.affordable().any()):
            break
        pick = variances.best(purse)
        purse.buy([pick])
        variances.add(pick)
    return purse.picks()


@detached
def e_optimal(
    features: Tensor,
    n: int,
    *,
    ridge: float,
    labelled: Tensor | None = None,
    prices: Tensor | None = None,
    budget: float | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Pick rows that greedily maximise the smallest eigenvalue of M (E-optimality: the worst direction).

    The criterion is neither submodular nor strictly improved by every useful row: while its smallest eigenvalue is
    k-fold, no single row can raise it (M = ridge·I at the start: k = d). The pick then is the row that leads to the
    lexicographically best spectrum, that is, the one with the largest k-th smallest eigenvalue of M + xx' (for k = 1
    the smallest eigenvalue itself). Eigenvalues within one part in 10⁷ count as equal. Greedy has no guarantee here;
    `relaxed_design.relaxed_e_optimal` with rounding has one.

    Exact: candidates are bounded above by the 2 × 2 problem of the two lowest eigenspaces and tested against the
    best value so far with one evaluation of the secular equation (Golub, 1973); survivors are solved in full. Time
    O(N d + d³) a pick while few survive, at worst O(N d²). Memory O(N + d²) beyond the features. The rest as in
    `d_optimal`, with the gain measured on the k-th smallest eigenvalue.
    """
    purse = open_purse(features, n, prices, budget)
    information = regular_information(features, ridge, labelled)
    for _ in range(n):
        if not bool(purse.affordable().any()):
            break
        pick = best_eigenvalue(features, information, purse, chunk_bytes)
        purse.buy([pick])
        row = features[pick].double()
        information.addr_(row, row)
    return purse.picks()
