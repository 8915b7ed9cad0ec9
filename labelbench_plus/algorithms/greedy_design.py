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

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.algorithms.checks import check_count, check_finite, check_matrix

CHUNK_BYTES = 1 << 21  # float64 copy of the rows in work at a time; measured, flat between 1 and 4 MiB
TIE = 1e-9
_CONDITION = 1e12  # beyond it, float64 cannot tell the information matrix from a singular one
_SHRINK = 1e-3  # a subtracted-from value that has shrunk more than this has lost too many of its 16 digits
_CONTENDERS = 1024  # a block of D, A or V picks is made among so many rows, or N / 32 of them if that is more
_LOOKAHEAD = 64  # longest such block
_HARD = 32  # hard targets remembered from one G pick to the next
_TRIED = 16  # candidates that G values over all targets at a time
_EQUAL = 1e-7  # eigenvalues this close are one eigenvalue to E
_NEGLIGIBLE = 1e-12  # share of a row's squared norm that E takes for rounding
_TERMS = 16  # eigenvectors in E's first bound
_SOLVED = 128  # rows that E solves in full at a time
_HALVINGS = 45


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
    made among the 1024 largest gains alone, then one pass over all rows both updates their leverages x'M⁻¹x
    (Sherman–Morrison) and checks, step by step, that no other row would have won; picks from the first step where
    one would are taken back. Memory O(N + d²) beyond the features. Leverages are recomputed from a fresh Cholesky
    factor whenever subtraction has eaten three digits of a winner.
    """
    purse = _open(features, n, prices, budget)
    return _forward(features, n, _Determinant(), ridge, labelled, purse, chunk_bytes)


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
    purse = _open(features, n, prices, budget)
    return _forward(features, n, _Trace(None), ridge, labelled, purse, chunk_bytes)


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
    purse = _open(features, n, prices, budget)
    moment = second_moment(check_targets(targets, features), chunk_bytes)
    return _forward(features, n, _Trace(moment), ridge, labelled, purse, chunk_bytes)


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
    purse = _open(features, n, prices, budget)
    if n == 0:
        return purse.picks()
    information = _regular(features, ridge, labelled)
    variances = _WorstCase(features, check_targets(targets, features), information, chunk_bytes)
    for _ in range(n):
        if not bool(purse.affordable().any()):
            break
        pick = variances.best(purse)
        purse.buy([pick])
        variances.add(pick)
    return purse.picks()


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
    purse = _open(features, n, prices, budget)
    information = _regular(features, ridge, labelled)
    for _ in range(n):
        if not bool(purse.affordable().any()):
            break
        pick = _best_eigenvalue(features, information, purse, chunk_bytes)
        purse.buy([pick])
        row = features[pick].double()
        information.addr_(row, row)
    return purse.picks()


def information_matrix(features: Tensor, ridge: float, labelled: Tensor | None) -> Tensor:
    """Return M₀ = ridge·I + L'L as a (d, d) float64 matrix; `features`, already checked, give d and the device.

    Raises
    ------
    ValueError
        `ridge` negative or not finite, or `labelled` not a finite (m, d) matrix.
    """
    dimension = features.shape[1]
    if not 0 <= ridge < float("inf"):
        raise ValueError(f"ridge must be a finite number of at least 0, got {ridge}")
    information = torch.zeros(dimension, dimension, dtype=torch.float64, device=features.device)
    if labelled is not None:
        rows = check_columns(labelled, features, "labelled").double()
        information = rows.T @ rows
    information.diagonal().add_(ridge)
    return information


def _regular(features: Tensor, ridge: float, labelled: Tensor | None) -> Tensor:
    """M₀, refused if float64 could not tell it, with one more row added, from a singular matrix."""
    information = information_matrix(features, ridge, labelled)
    if information.numel() and len(features):
        spectrum = torch.linalg.eigvalsh(information) if labelled is not None else information.diagonal()
        floor = (float(spectrum[-1]) + largest_norm(features) ** 2) / _CONDITION
        if float(spectrum[0]) <= floor:
            raise ValueError(
                f"ridge={ridge:g} leaves the information matrix singular in float64: "
                f"with these features and labelled rows it must be above {floor:.3g}"
            )
    return information


def largest_norm(rows: Tensor) -> float:
    """Return the largest Euclidean norm of the rows, of which there is at least one, to about single precision."""
    wide = torch.promote_types(rows.dtype, torch.float32)
    return float(torch.linalg.vector_norm(rows, dim=1, dtype=wide).max())


def second_moment(rows: Tensor, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Return the mean of t t' over the rows t, (d, d) float64; there is at least one row."""
    moment = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64, device=rows.device)
    for _, part in blocks(rows, chunk_bytes):
        moment.addmm_(part.T, part)
    return moment / rows.shape[0]


def squared_norms(rows: Tensor, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Return the squared Euclidean norm of every row, (n,) float64."""
    norms = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    for where, part in blocks(rows, chunk_bytes):
        norms[where] = part.square().sum(dim=1)
    return norms


def mapped_norms(rows: Tensor, root: Tensor, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Return ‖Wx‖² for every row x, (n,) float64, where W is `root`, (k, d): x'W'Wx as a sum of squares."""
    norms = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    for where, part in blocks(rows, chunk_bytes):
        norms[where] = (root @ part.T).square_().sum(dim=0)
    return norms


def inverse_root(information: Tensor) -> Tensor:
    """Return the lower triangular W with W'W = M⁻¹, from the Cholesky factor of M."""
    factor = torch.linalg.cholesky(information)
    identity = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
    return torch.linalg.solve_triangular(factor, identity, upper=False)


def blocks(rows: Tensor, chunk_bytes: int = CHUNK_BYTES) -> Iterator[tuple[slice, Tensor]]:
    """Yield consecutive blocks of rows as (where, float64 rows); a block is overwritten when the next is asked for."""
    size = max(1, chunk_bytes // (8 * max(1, rows.shape[1])))
    buffer = torch.empty(min(size, len(rows)), rows.shape[1], dtype=torch.float64, device=rows.device)
    for start in range(0, len(rows), size):
        where = slice(start, min(start + size, len(rows)))
        part = rows[where]
        # One buffer for all blocks stays in the cache; fresh memory would be paged in again for every block.
        yield where, part if part.dtype == torch.float64 else buffer[: len(part)].copy_(part)


def lowest_best(values: Tensor) -> int:
    """Return the lowest index whose value ties with the largest (the module's tie rule)."""
    best = float(values.max())
    return int((values >= best - TIE * abs(best)).nonzero()[0])


def check_columns(rows: Tensor, features: Tensor, name: str) -> Tensor:
    """Return `rows` on the device of `features`, refused unless a finite matrix with as many columns."""
    check_matrix(rows, name)
    if rows.shape[1] != features.shape[1]:
        raise ValueError(f"{name} must have the {features.shape[1]} columns of features, got {rows.shape[1]}")
    return rows.to(features.device)


def check_targets(targets: Tensor | None, features: Tensor) -> Tensor:
    """Return the targets, by default the features; given ones are refused unless finite and of at least one row."""
    if targets is None:
        return features
    if len(check_columns(targets, features, "targets")) == 0:
        raise ValueError("targets must hold at least one row")
    return targets.to(features.device)


@dataclass
class _Purse:
    """What has been picked, and what can still be paid for."""

    prices: Tensor | None
    remaining: float | None
    taken: Tensor  # (N,) bool
    order: list[int]

    def affordable(self) -> Tensor:
        """Rows that may be picked now, (N,) bool."""
        open_rows = ~self.taken
        if self.remaining is not None and self.prices is not None:
            open_rows &= self.prices <= self.remaining
        return open_rows

    def buy(self, picks: list[int]) -> None:
        self.order += picks
        self.taken[picks] = True
        if self.remaining is not None and self.prices is not None:
            self.remaining -= float(self.prices[picks].sum())

    def picks(self) -> Tensor:
        return torch.tensor(self.order, dtype=torch.long, device=self.taken.device)


def _open(features: Tensor, n: int, prices: Tensor | None, budget: float | None) -> _Purse:
    check_matrix(features, "features")
    check_count(n, features.shape[0])
    if prices is not None:
        prices = check_finite(prices, "prices").to(features.device, torch.float64)
        if prices.shape != (features.shape[0],) or bool((prices <= 0).any()):
            raise ValueError(f"prices must be {features.shape[0]} positive numbers, one for each row of features")
    if budget is not None and prices is None:
        raise ValueError("budget needs prices: give the price of every row")
    if budget is not None and not budget >= 0:
        raise ValueError(f"budget must be at least 0, got {budget}")
    taken = torch.zeros(features.shape[0], dtype=torch.bool, device=features.device)
    return _Purse(prices, budget, taken, [])


# --- D, A and V: gains that follow from quadratic forms kept up to date by rank-one corrections -------------------


class _Criterion(ABC):
    """A gain made of quadratic forms x'Kx that one more row in M lowers by (x'u)(x'w).

    u = M⁻¹r / √(1 + r'M⁻¹r) for the new row r, because (M + rr')⁻¹ = M⁻¹ − uu' (Sherman–Morrison). The first form is
    always the leverage x'M⁻¹x, where w = u.
    """

    submodular: bool  # whether a row's gain can only shrink as others are picked

    @abstractmethod
    def roots(self, half: Tensor) -> list[Tensor]:
        """Matrices W with x'Kx = ‖Wx‖² for every form, given the first: W'W = M⁻¹."""

    @abstractmethod
    def isotropic(self, ridge: float) -> list[float] | None:
        """The factors c with x'Kx = c‖x‖² for every form while M = ridge·I; None where it is not so simple."""

    @abstractmethod
    def partners(self, u: Tensor, inverse: _Inverse) -> list[Tensor]:
        """The vectors w of the forms after the leverage; `inverse` is M⁻¹ before the new row."""

    @abstractmethod
    def gain(self, forms: list[Tensor], prices: Tensor | None) -> Tensor:
        """The gain, over the price if there are prices, of rows with these forms."""


class _Inverse:
    """M⁻¹ as a dense matrix minus the rank-one corrections of the picks not yet folded in."""

    def __init__(self, dense: Tensor) -> None:
        self.dense = dense
        self.corrections: list[Tensor] = []

    def __matmul__(self, vector: Tensor) -> Tensor:
        product = self.dense @ vector
        if self.corrections:
            stack = torch.stack(self.corrections)
            product -= stack.T @ (stack @ vector)
        return product

    def fold(self, count: int) -> None:
        """Keep the first `count` corrections for good and forget the others."""
        stack = torch.stack(self.corrections[:count])
        self.dense = self.dense - stack.T @ stack
        self.corrections = []


class _Determinant(_Criterion):
    """Gain of log det: log(1 + leverage). Without prices the leverage itself orders rows the same way."""

    submodular = True

    def roots(self, half: Tensor) -> list[Tensor]:
        return [half]

    def isotropic(self, ridge: float) -> list[float] | None:
        return [1 / ridge]

    def partners(self, u: Tensor, inverse: _Inverse) -> list[Tensor]:
        return []

    def gain(self, forms: list[Tensor], prices: Tensor | None) -> Tensor:
        leverage = forms[0].clamp(min=0)
        return leverage if prices is None else leverage.log1p_().div_(prices)


class _Trace(_Criterion):
    """Gain of tr(M⁻¹T): x'M⁻¹TM⁻¹x / (1 + leverage); `moment` None stands for T = I."""

    submodular = False

    def __init__(self, moment: Tensor | None) -> None:
        self.moment = moment

    def roots(self, half: Tensor) -> list[Tensor]:
        inverse = half.T @ half
        if self.moment is None:
            return [half, inverse]
        values, vectors = torch.linalg.eigh(self.moment)
        return [half, (vectors * values.clamp(min=0).sqrt()).T @ inverse]

    def isotropic(self, ridge: float) -> list[float] | None:
        return [1 / ridge, 1 / ridge**2] if self.moment is None else None

    def partners(self, u: Tensor, inverse: _Inverse) -> list[Tensor]:
        # x'(M⁻¹−uu')T(M⁻¹−uu')x = x'M⁻¹TM⁻¹x − (x'u)(2 x'M⁻¹Tu − (u'Tu) x'u)
        moved = u if self.moment is None else self.moment @ u
        return [2 * (inverse @ moved) - (u @ moved) * u]

    def gain(self, forms: list[Tensor], prices: Tensor | None) -> Tensor:
        gain = forms[1] / (forms[0] + 1)
        return gain if prices is None else gain.div_(prices)


@dataclass
class _Batch:
    """Picks made among the contenders alone, in order."""

    picks: list[int]
    gains: list[float]
    remaining: list[float]  # budget before each pick
    probes: list[Tensor]  # for every form, (picks, d): u for the leverage, w for the others


def _forward(
    features: Tensor,
    n: int,
    criterion: _Criterion,
    ridge: float,
    labelled: Tensor | None,
    purse: _Purse,
    chunk_bytes: int,
) -> Tensor:
    forms = _Forms(features, criterion, _regular(features, ridge, labelled), purse, chunk_bytes)
    if n:
        forms.start(ridge if labelled is None else None)
    ahead = _LOOKAHEAD
    while len(purse.order) < n:
        gains = forms.gains()
        if float(gains.max()) == -torch.inf:
            break
        if forms.worn(lowest_best(gains)):
            forms.recompute()
            continue
        batch = forms.speculate(gains, min(ahead, n - len(purse.order)))
        kept = forms.settle(batch)
        # Where guesses were taken back, guess less far the next time.
        ahead = min(2 * ahead, _LOOKAHEAD) if kept == len(batch.picks) else kept + 1
    return purse.picks()


class _Forms:
    """The quadratic forms of every row, and the block-wise greedy on them."""

    def __init__(
        self, features: Tensor, criterion: _Criterion, information: Tensor, purse: _Purse, chunk_bytes: int
    ) -> None:
        self.features = features
        self.criterion = criterion
        self.information = information
        self.purse = purse
        self.chunk_bytes = chunk_bytes

    def start(self, ridge: float | None) -> None:
        """Compute the forms; `ridge` says that M = ridge·I, which saves the O(N d²) of the general case."""
        scales = None if ridge is None else self.criterion.isotropic(ridge)
        if scales is None or ridge is None:
            self.recompute()
            return
        norms = squared_norms(self.features, self.chunk_bytes)
        self._restart([norms * scale for scale in scales], self.information / ridge**2)

    def recompute(self) -> None:
        """Compute inverse and forms from a fresh factor of M: sums of squares, which cancel nothing."""
        half = inverse_root(self.information)
        forms = [mapped_norms(self.features, root, self.chunk_bytes) for root in self.criterion.roots(half)]
        self._restart(forms, half.T @ half)

    def _restart(self, forms: list[Tensor], inverse: Tensor) -> None:
        self.forms = forms
        self.reference = [form.clone() for form in forms]
        self.fresh = True
        self.inverse = _Inverse(inverse)

    def worn(self, row: int) -> bool:
        """Whether subtraction has shrunk a form of this row too far since the last recomputation."""
        return not self.fresh and any(
            float(form[row]) < _SHRINK * float(reference[row])
            for form, reference in zip(self.forms, self.reference, strict=True)
        )

    def gains(self) -> Tensor:
        gains = self.criterion.gain(self.forms, self.purse.prices)
        return gains.masked_fill_(~self.purse.affordable(), -torch.inf)

    def speculate(self, gains: Tensor, most: int) -> _Batch:
        """Pick up to `most` rows greedily among the contenders alone, while no other row should interfere."""
        among, floor, rival = contenders(gains, max(_CONTENDERS, len(gains) // 32))
        rows = self.features[among].double()
        forms = [form[among] for form in self.forms]
        least = [_SHRINK * form[among] for form in self.reference]
        prices = None if self.purse.prices is None else self.purse.prices[among]
        remaining = float("inf") if self.purse.remaining is None else self.purse.remaining
        shut = self.purse.taken[among]
        batch = _Batch([], [], [], [])
        probes: list[list[Tensor]] = [[] for _ in forms]
        while len(batch.picks) < most:
            current = self.criterion.gain(forms, prices).masked_fill_(shut, -torch.inf)
            if prices is not None:
                current.masked_fill_(prices > remaining, -torch.inf)
            at = lowest_best(current)
            pick, gain = int(among[at]), float(current[at])
            if gain == -torch.inf:
                break
            if batch.picks:  # the first is the best of all rows, and its digits have been looked at
                worn = any(float(form[at]) < float(low[at]) for form, low in zip(forms, least, strict=True))
                if worn or gain * (1 + TIE) < floor or (gain <= floor * (1 + TIE) and pick > rival):
                    break
            u = self.inverse @ rows[at]
            u /= (1 + rows[at] @ u).sqrt()
            directions = [u, *self.criterion.partners(u, self.inverse)]
            self.inverse.corrections.append(u)
            overlap = rows @ u
            for form, stack, direction in zip(forms, probes, directions, strict=True):
                stack.append(direction)
                form.addcmul_(overlap, overlap if direction is u else rows @ direction, value=-1)
            batch.picks.append(pick)
            batch.gains.append(gain)
            batch.remaining.append(remaining)
            shut[at] = True
            if prices is not None:
                remaining -= float(prices[at])
        batch.probes = [torch.stack(stack) for stack in probes]
        return batch

    def settle(self, batch: _Batch) -> int:
        """Bring all rows up to date with a batch, as far as greedy agrees with it, and say how far that is."""
        kept = len(batch.picks)
        following = [torch.empty_like(form) for form in self.forms]
        absorbed = []
        for where, part in blocks(self.features, self.chunk_bytes):
            drops = self._drops(part, batch, kept)
            # Gains that only shrink cannot overtake: rows outside the contenders stay below their floor.
            if kept > 1 and not self.criterion.submodular:
                kept = self._agreed(where, batch, drops)
            self._lower(where, drops, kept, following)
            absorbed.append((where, kept))
        for where, count in absorbed:
            if count > kept:  # a later block took back picks that this one had absorbed
                self._lower(where, self._drops(self.features[where].double(), batch, kept), kept, following)
        self.forms = following
        self.fresh = False
        self.inverse.fold(kept)
        picked = self.features[batch.picks[:kept]].double()
        self.information.addmm_(picked.T, picked)
        self.purse.buy(batch.picks[:kept])
        return kept

    def _drops(self, part: Tensor, batch: _Batch, kept: int) -> list[Tensor]:
        """By how much each of the first `kept` picks lowers each form of some rows: (kept, rows) for every form."""
        overlap = batch.probes[0][:kept] @ part.T
        partners = [(probe[:kept] @ part.T).mul_(overlap) for probe in batch.probes[1:]]
        return [overlap.square_(), *partners]

    def _lower(self, where: slice, drops: list[Tensor], kept: int, following: list[Tensor]) -> None:
        for form, drop, new in zip(self.forms, drops, following, strict=True):
            torch.sub(form[where], drop[:kept].sum(dim=0), out=new[where])

    def _agreed(self, where: slice, batch: _Batch, drops: list[Tensor]) -> int:
        """How many picks of the batch stand, as far as the rows of this block can tell."""
        steps, rows = drops[0].shape
        # Row s of each product holds the form as it was when pick s was made.
        earlier = torch.ones(steps, steps, dtype=torch.float64, device=drops[0].device).tril_(-1)
        before = [
            torch.addmm(form[where].expand(steps, rows), earlier, drop, alpha=-1)
            for form, drop in zip(self.forms, drops, strict=True)
        ]
        prices = None if self.purse.prices is None else self.purse.prices[where]
        gains = self.criterion.gain(before, prices)
        gains.index_fill_(1, self.purse.taken[where].nonzero()[:, 0], -torch.inf)
        if self.purse.remaining is not None and prices is not None:
            left = torch.tensor(batch.remaining[:steps], dtype=torch.float64, device=gains.device)
            gains.masked_fill_(prices > left[:, None], -torch.inf)
        picked = [(step, pick - where.start) for step, pick in enumerate(batch.picks[:steps])]
        for step, pick in picked:
            if 0 <= pick < rows:
                gains[step:, pick] = -torch.inf
        rivals = gains.amax(dim=1).tolist()
        for step, pick in picked[1:]:  # the first was the best of all rows
            gain = batch.gains[step]
            # Rows of higher index must be better by more than a tie; those of lower index win if they tie.
            lower = rivals[step] if pick >= rows else float(gains[step, :pick].max()) if pick > 0 else -torch.inf
            if rivals[step] > gain * (1 + TIE) or lower * (1 + TIE) >= gain:
                return step
        return steps


def contenders(gains: Tensor, most: int) -> tuple[Tensor, float, int]:
    """Return the ascending indices of the `most` largest gains; among rows tied for the last places, the lowest.

    Also the largest gain left out, and the lowest index left out that ties with it.
    """
    if len(gains) <= most:
        return torch.arange(len(gains), device=gains.device), -torch.inf, len(gains)
    floor = float(gains.topk(most + 1).values[-1])
    slack = TIE * abs(floor) if floor > -torch.inf else 0.0
    inside = gains > floor + slack
    tied = ((gains >= floor - slack) & ~inside).nonzero()[:, 0]
    room = most - int(inside.sum())
    inside[tied[:room]] = True
    return inside.nonzero()[:, 0], floor, int(tied[room])


# --- G: the worst target -----------------------------------------------------------------------------------------


class _WorstCase:
    """Prediction variances t'M⁻¹t of the targets, and the exact search for the row that lowers their maximum most.

    Adding x turns the variance of t into t'M⁻¹t − (t'M⁻¹x)² / (1 + x'M⁻¹x). The maximum over a few hard targets is a
    lower bound of the maximum over all, so it rules out most candidates; valuing a promising one over all targets
    names the hard target that was missing (a cutting-plane method).
    """

    def __init__(self, features: Tensor, targets: Tensor, information: Tensor, chunk_bytes: int) -> None:
        self.features = features
        self.targets = targets
        self.information = information
        self.chunk_bytes = chunk_bytes
        self.hard: list[int] = []
        self._recompute()

    def _recompute(self) -> None:
        half = inverse_root(self.information)
        self.inverse = half.T @ half
        self.leverages = mapped_norms(self.features, half, self.chunk_bytes)
        self.variances = mapped_norms(self.targets, half, self.chunk_bytes)
        self.reference = float(self.variances.max())

    def add(self, pick: int) -> None:
        """Put a row of the features into M."""
        row = self.features[pick].double()
        u = self.inverse @ row
        u /= (1 + row @ u).sqrt()
        for values, rows in ((self.leverages, self.features), (self.variances, self.targets)):
            for where, part in blocks(rows, self.chunk_bytes):
                values[where] -= (part @ u).square_()
        self.information.addr_(row, row)
        half = inverse_root(self.information)
        self.inverse = half.T @ half
        if float(self.variances.max()) < _SHRINK * self.reference:
            self._recompute()

    def best(self, purse: _Purse) -> int:
        """The affordable row whose addition lowers the largest variance most, per price if there are prices."""
        worst = float(self.variances.max())
        slack = TIE * worst
        prices = torch.ones_like(self.leverages) if purse.prices is None else purse.prices
        waiting = purse.affordable()
        index = torch.arange(len(waiting), device=waiting.device)
        # The hard targets of the last picks are as a rule still hard.
        self.hard = list(dict.fromkeys([int(self.variances.argmax()), *self.hard]))[:_HARD]
        most = torch.full_like(self.leverages, torch.inf)  # bound of the gain; the gain itself once valued
        self._tighten(most, self.hard, worst)
        valued = torch.zeros_like(waiting)
        best, winner = -torch.inf, len(waiting)
        while True:
            beats = (most - slack) / prices > best
            ties = ((most + slack) / prices >= best) & (index < winner)
            hopeful = ((beats | ties) & waiting).nonzero()[:, 0]
            if len(hopeful) == 0:
                return winner
            chosen = hopeful[contenders(most[hopeful] / prices[hopeful], _TRIED)[0]]
            values, hardest = self._value(chosen)
            waiting[chosen] = False
            valued[chosen] = True
            missing = [t for t in dict.fromkeys(hardest.tolist()) if t not in self.hard]
            self.hard = missing + self.hard
            self._tighten(most, missing, worst)
            most[chosen] = worst - values
            best = float((most[valued] / prices[valued]).max())
            winner = int((valued & ((most + slack) / prices >= best)).nonzero()[0])

    def _tighten(self, most: Tensor, hard: list[int], worst: float) -> None:
        """Lower the bounds of all gains to what these targets allow."""
        if not hard:
            return
        probes = self.targets[hard].double() @ self.inverse
        variances = self.variances[hard, None]
        for where, part in blocks(self.features, self.chunk_bytes):
            after = (probes @ part.T).square_()
            after.div_(1 + self.leverages[where]).neg_().add_(variances)
            most[where] = torch.minimum(most[where], worst - after.amax(dim=0))

    def _value(self, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """The largest variance after adding each of a few candidates, and the target that has it."""
        probes = self.features[candidates].double() @ self.inverse
        scale = 1 + self.leverages[candidates, None]
        values = torch.full((len(candidates),), -torch.inf, dtype=torch.float64, device=probes.device)
        hardest = torch.zeros_like(candidates)
        for where, part in blocks(self.targets, self.chunk_bytes):
            after = (probes @ part.T).square_()
            top = after.div_(scale).neg_().add_(self.variances[where]).max(dim=1)
            better = top.values > values
            values[better] = top.values[better]
            hardest[better] = top.indices[better] + where.start
        return values, hardest


# --- E: the smallest eigenvalue ----------------------------------------------------------------------------------


def _best_eigenvalue(features: Tensor, information: Tensor, purse: _Purse, chunk_bytes: int) -> int:
    """The affordable row that most raises the lowest eigenvalue one row can raise (see `e_optimal`)."""
    waiting = purse.affordable()
    eigenvalues, vectors = torch.linalg.eigh(information)
    norms = squared_norms(features, chunk_bytes)
    first = 0
    while first < len(eigenvalues):
        lowest = eigenvalues[first]
        width = int((eigenvalues[first:] <= lowest * (1 + _EQUAL)).sum())
        energy = _energy(features, vectors, first, width, norms, chunk_bytes)
        if bool((energy[waiting] > 0).any()):
            gaps = eigenvalues[first + width :] - lowest
            search = _Secular(features, vectors[:, first + width :], gaps, energy, purse, chunk_bytes)
            return search.best(waiting)
        first += width  # no row reaches this eigenspace, so that it is the same whichever is picked
    return int(waiting.nonzero()[0])


def _energy(features: Tensor, vectors: Tensor, first: int, width: int, norms: Tensor, chunk_bytes: int) -> Tensor:
    """Squared length of every row inside the eigenspace `first : first + width`, zero where it is mere rounding."""
    dimension = vectors.shape[1]
    if first == 0 and width > dimension // 2:  # cheaper as what is left over by the rest of the space
        energy = norms - mapped_norms(features, vectors[:, width:].T, chunk_bytes)
    else:
        energy = mapped_norms(features, vectors[:, first : first + width].T, chunk_bytes)
    return energy.masked_fill_(energy <= _NEGLIGIBLE * norms, 0)


class _Secular:
    """The search for the largest root δ of 1 − a/δ + Σⱼ bⱼ/(gapⱼ − δ) = 0 below the first gap, over all rows.

    δ is how far adding the row raises the eigenvalue, a the row's energy in its eigenspace and bⱼ that along the
    eigenvector gapⱼ above (Golub, SIAM Review 1973, section 5). The left side grows with δ: it is negative at δ
    exactly if the row's root lies beyond, which one evaluation tells, and dropping terms only makes it smaller.
    """

    def __init__(
        self,
        features: Tensor,
        vectors: Tensor,
        gaps: Tensor,
        energy: Tensor,
        purse: _Purse,
        chunk_bytes: int,
    ) -> None:
        self.features = features
        self.vectors = vectors  # the eigenvectors above the eigenspace, one for each gap
        self.gaps = gaps
        self.energy = energy
        self.prices = torch.ones_like(energy) if purse.prices is None else purse.prices
        terms = vectors[:, :_TERMS].T
        self.terms = torch.empty(terms.shape[0], features.shape[0], dtype=torch.float64, device=features.device)
        for where, part in blocks(features, chunk_bytes):
            self.terms[:, where] = (terms @ part.T).square_()
        self.most = _two_level(energy, self.terms[0], gaps[0]) if len(gaps) else energy

    def best(self, waiting: Tensor) -> int:
        """The waiting row with the largest root per price."""
        waiting = waiting.clone()
        valued = torch.zeros_like(waiting)
        gains = torch.zeros_like(self.most)
        winner, best = len(waiting), -torch.inf
        promise = self.most / self.prices
        while True:
            chosen = waiting.nonzero()[:, 0]
            if winner < len(waiting):
                chosen = chosen[self._reaches(chosen, best / (1 + TIE))]
                chosen = chosen[(chosen < winner) | self._reaches(chosen, best * (1 + TIE))]
            if len(chosen) == 0:
                return winner
            chosen = chosen[contenders(promise[chosen], _SOLVED)[0]]
            gains[chosen] = self._solve(chosen) / self.prices[chosen]
            waiting[chosen] = False
            valued[chosen] = True
            best = float(gains[valued].max())
            winner = int((valued & (gains * (1 + TIE) >= best)).nonzero()[0])

    def _reaches(self, rows: Tensor, gain: float) -> Tensor:
        """Whether the bound on a row's root, from its largest terms, allows this gain per price."""
        raised = gain * self.prices[rows]
        reaches = self.most[rows] >= raised
        if len(self.gaps) == 0:
            return reaches
        open_rows = (reaches & (raised < self.gaps[0])).nonzero()[:, 0]
        raised = raised[open_rows]
        value = 1 - self.energy[rows[open_rows]] / raised
        for term, gap in zip(self.terms, self.gaps, strict=False):
            value += term[rows[open_rows]] / (gap - raised)
        reaches[open_rows] = value < 0
        return reaches

    def _solve(self, rows: Tensor) -> Tensor:
        """The roots of a few rows, by bisection between the bounds that two-level spectra give."""
        energy = self.energy[rows]
        if len(self.gaps) == 0:
            return energy
        terms = (self.vectors.T @ self.features[rows].double().T).square_()
        low = _two_level(energy, terms.sum(dim=0), self.gaps[0])
        high = self.most[rows].clone()
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            beyond = (terms / (self.gaps[:, None] - middle)).sum(dim=0) + 1 < energy / middle
            low = torch.where(beyond, middle, low)
            high = torch.where(beyond, high, middle)
        return (low + high) / 2


def _two_level(energy: Tensor, rest: Tensor, gap: Tensor) -> Tensor:
    """How far a row raises the lower of two eigenvalues `gap` apart, with these energies in their eigenspaces.

    An upper bound of the truth if `rest` is the energy at the second eigenvalue alone (the row is compressed to two
    dimensions), a lower bound if it is all the energy above the first (every higher eigenvalue is lowered to it).
    """
    half = (energy + rest + gap) / 2
    return energy * gap / (half + (half.square() - energy * gap).clamp(min=0).sqrt())
