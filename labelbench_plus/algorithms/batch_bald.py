"""BatchBALD: the batch whose labels together are expected to reveal most about the model's parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.bald import bald, check_member_probabilities
from labelbench_plus.algorithms.blocks.checks import check_count
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.uncertainty import shannon_entropy, top_scores

CHUNK_BYTES = 8 * 2**20
MAX_CONFIGURATIONS = 2**18
SAMPLES = 4096

# Gains (nats) closer than this are ties. It is far above the rounding of float64 sums, whose last bits depend on
# chunks and threads, and far below any difference that means something.
TIE = 1e-10

# An estimated gain (nats) below which sampling stops: it is well under the sampling error, so that the order of such
# rows means nothing, and finding the best of them would cost a look at every row for every pick.
EXHAUSTED = 1e-4


@dataclass(frozen=True)
class JointInformation:
    """A batch and what its labels are worth together.

    Attributes
    ----------
    indices: (n,) long, rows in the order picked, on the device of the input.
    information: (n,) float64, nats: I(y_1 ... y_b; w) of the first b picks; estimated after the first `exact` picks.
    exact: how many picks, the first ones, were made with exact joint entropies.
    filled: how many picks, the last ones, were made after nothing was left to learn; 0 for `batch_bald`.
    """

    indices: Tensor
    information: Tensor
    exact: int
    filled: int


@detached
def batch_bald(
    member_probabilities: Tensor,
    n: int,
    *,
    max_configurations: int = MAX_CONFIGURATIONS,
    chunk_bytes: int = CHUNK_BYTES,
) -> JointInformation:
    """Pick greedily the batch with the largest mutual information, with exact joint entropies.

    The value of a batch is I(y_1 ... y_b; w) = H(y_1 ... y_b) - sum of E_w H(y_i | w), where members w count the
    same; the joint entropy runs over all K^b label configurations. It is a monotone submodular function of the
    batch, so that greedy picks are within 1 - 1/e of the best batch, and a row's gain of an earlier step bounds its
    present one: only rows whose bound reaches the best gain are looked at again (Minoux, 1978), with the same picks.
    The information cannot exceed log M: with few members later picks gain next to nothing, and say as much.

    Parameters
    ----------
    member_probabilities: (M, N, K) floating point, M >= 1, K >= 2. Rows are scaled to sum to one.
    n: batch size, 0 <= n <= N, with K^n <= max_configurations.
    max_configurations: largest number of label configurations; time and memory grow in proportion.
    chunk_bytes: bound on temporary memory beyond that of the configurations. It does not change the picks.

    Returns
    -------
    JointInformation, its `exact` equal to n.

    Raises
    ------
    ValueError
        Not finite probability vectors, n out of range, or more configurations than allowed: the message says how
        many picks are possible, and names `batch_bald_sampled`.

    Complexity: O(M K^n) time for every row looked at in the last step (all N in the worst case); memory
    O(N + M K^(n-1)) + chunk_bytes. Ties: gains within 1e-10 nats of the best, lowest row index.
    Source: Kirsch, van Amersfoort and Gal (2019, arXiv 1906.08158, section 3 and algorithm 1).
    """
    _, rows, classes = check_member_probabilities(member_probabilities, "member_probabilities")
    check_count(n, rows)
    possible = _exact_picks(classes, max_configurations)
    if n > possible:
        raise ValueError(
            f"exact BatchBALD over {n} picks of {classes} classes has {classes}^{n} label configurations, "
            f"max_configurations={max_configurations} allows {possible} picks: ask for fewer, raise it, "
            f"or use batch_bald_sampled"
        )
    return _greedy(_Joint(member_probabilities, chunk_bytes), n, n)


@detached
def batch_bald_sampled(
    member_probabilities: Tensor,
    n: int,
    rng: Generator,
    *,
    max_configurations: int = MAX_CONFIGURATIONS,
    samples: int = SAMPLES,
    chunk_bytes: int = CHUNK_BYTES,
) -> JointInformation:
    """BatchBALD of any batch size: exact while K^b fits, then over sampled label configurations.

    As `batch_bald` while K^b <= max_configurations. After that the entropy of a row's label given those of the
    batch is averaged over `samples` configurations drawn from the joint distribution, the same number from every
    member (the paper's estimator, without the term H(y_1 ... y_b-1) that all rows share); drawn configurations are
    extended by each new pick. An estimate is cut off at the row's last exact gain, which bounds the true one from
    above, and serves as its bound in turn (true of gains, of their estimates up to sampling error); rows whose
    bound is below the best estimate are not looked at. Once the best estimate is under 1e-4 nats, which is sampling
    error (information cannot exceed log M: ten members have told all they know after a few picks), the rest of the
    batch is filled with the rows of the largest BALD score, at no further cost: see `filled`.

    Parameters
    ----------
    member_probabilities: (M, N, K) floating point, M >= 1, K >= 2. Rows are scaled to sum to one.
    n: batch size, 0 <= n <= N.
    rng: consumed for `samples` numbers per pick, once sampling has begun.
    max_configurations: largest number of label configurations that are summed exactly.
    samples: how many are drawn beyond that, rounded up to a multiple of M.
    chunk_bytes: bound on temporary memory beyond that of the configurations. It does not change the picks.

    Returns
    -------
    JointInformation.

    Raises
    ------
    ValueError
        Not finite probability vectors, n out of range, or samples < 1.

    Complexity: O(samples M K) time for every row looked at in a sampled step; memory O(N + M max(samples,
    max_configurations / K)) + chunk_bytes. Ties: gains within 1e-10 nats of the best, lowest row index.
    Source: Kirsch, van Amersfoort and Gal (2019, arXiv 1906.08158, section 3).
    """
    members, rows, classes = check_member_probabilities(member_probabilities, "member_probabilities")
    check_count(n, rows)
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    joint = _Joint(member_probabilities, chunk_bytes)
    return _greedy(joint, n, _exact_picks(classes, max_configurations), rng, -(-samples // members))


def _exact_picks(classes: int, max_configurations: int) -> int:
    """Largest b with classes^b <= max_configurations."""
    picks, configurations = 0, classes
    while configurations <= max_configurations:
        picks, configurations = picks + 1, configurations * classes
    return picks


class _Joint:
    """Label configurations of the picks so far: how probable each is, and the members' posterior given it.

    Whether all configurations are listed or some are sampled, the gain of a row is the same expression: the
    expected entropy of its label under the posterior, less its expected entropy under a known member.
    """

    def __init__(self, member_probabilities: Tensor, chunk_bytes: int) -> None:
        self._all = member_probabilities
        self._chunk_bytes = chunk_bytes
        self.members, self.rows, self.classes = member_probabilities.shape
        device = member_probabilities.device
        self.weights = torch.ones(1, dtype=torch.float64, device=device)
        self.posterior = torch.full((1, self.members), 1 / self.members, dtype=torch.float64, device=device)
        self._sampled_from: Tensor | None = None

    def distributions(self, rows: Tensor) -> Tensor:
        """(M, len(rows), K) float64, every row summing to one."""
        block = self._all[:, rows].double().clamp(min=0)
        return block / block.sum(dim=2, keepdim=True)

    def gains(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        """Information gained by adding each of the rows to the picks, with the costly part done in `dtype`."""
        out = torch.empty(rows.shape[0], dtype=torch.float64, device=rows.device)
        per_row = 8 * self.classes * (2 * self.weights.shape[0] + 3 * self.members)
        step = max(1, self._chunk_bytes // per_row)
        posterior = self.posterior.to(dtype)
        for start in range(0, rows.shape[0], step):
            block = self.distributions(rows[start : start + step])
            known = shannon_entropy(block).mean(dim=0)
            predicted = (posterior @ block.to(dtype).flatten(1)).reshape(-1, *block.shape[1:])
            out[start : start + step] = self.weights @ shannon_entropy(predicted).double() - known
        return out

    def bald(self) -> Tensor:
        """Information in every row alone."""
        return bald(self._all, chunk_bytes=self._chunk_bytes)

    def rounding(self) -> float:
        """Bound on how far gains computed in float32 are off: that of the dot products and of the logarithms."""
        return torch.finfo(torch.float32).eps * (self.members + self.classes + 8) * (1 + math.log(self.classes))

    def extend(self, row: int) -> None:
        """List every configuration with every label of a new pick."""
        label = self.distributions(torch.tensor([row], device=self._all.device))[:, 0]
        joint = (self.posterior[:, None, :] * label.T[None]).flatten(0, 1)
        evidence = joint.sum(dim=1)
        # Impossible configurations weigh nothing and have no posterior.
        possible = evidence > 0
        self.weights = (self.weights[:, None].expand(-1, self.classes).flatten() * evidence)[possible]
        self.posterior = joint[possible] / evidence[possible, None]

    def begin_sampling(self, per_member: int) -> None:
        """Forget the listed configurations and start as many empty ones from every member."""
        total = per_member * self.members
        device = self._all.device
        self.weights = torch.full((total,), 1 / total, dtype=torch.float64, device=device)
        self.posterior = torch.full((total, self.members), 1 / self.members, dtype=torch.float64, device=device)
        self._sampled_from = torch.arange(self.members, device=device).repeat_interleave(per_member)

    def extend_sampled(self, row: int, rng: Generator) -> None:
        """Draw the label of a new pick in every configuration, from the member it came from."""
        assert self._sampled_from is not None
        label = self.distributions(torch.tensor([row], device=self._all.device))[:, 0]
        edges = label.cumsum(dim=1)
        uniform = torch.from_numpy(rng.random(self._sampled_from.shape[0])).to(label.device)
        mine = edges[self._sampled_from]
        # The first class whose cumulative probability exceeds the draw has positive probability; the last such
        # class stands in when rounding lifts the draw to the total.
        drawn = (mine <= uniform[:, None] * mine[:, -1:]).sum(dim=1)
        drawn = torch.minimum(drawn, (mine < mine[:, -1:]).sum(dim=1))
        self.posterior *= label.T[drawn]
        self.posterior /= self.posterior.sum(dim=1, keepdim=True)


def _greedy(
    joint: _Joint, n: int, exact_picks: int, rng: Generator | None = None, per_member: int = 0
) -> JointInformation:
    device = joint.weights.device
    bounds = torch.full((joint.rows,), torch.inf, dtype=torch.float64, device=device)
    picks: list[int] = []
    gained: list[float] = []
    while len(picks) < n:
        exact = len(picks) < exact_picks
        unseen = picks[-1:]
        if len(picks) == exact_picks:
            joint.begin_sampling(per_member)
            unseen = picks
        for row in unseen:
            if exact:
                joint.extend(row)
            else:
                assert rng is not None
                joint.extend_sampled(row, rng)
        row, gain = _best_row(joint, bounds)
        if not exact and gain < EXHAUSTED:
            break
        picks.append(row)
        gained.append(gain)
        bounds[row] = -torch.inf
    filled = n - len(picks)
    indices = torch.tensor(picks, dtype=torch.long, device=device)
    if filled:
        left = (bounds > -torch.inf).nonzero().squeeze(1)
        indices = torch.cat([indices, left[top_scores(joint.bald()[left], filled)]])
    information = np.cumsum(np.array(gained + [0.0] * filled, dtype=np.float64))
    return JointInformation(indices, torch.from_numpy(information).to(device), min(n, exact_picks), filled)


def _best_row(joint: _Joint, bounds: Tensor) -> tuple[int, float]:
    """Row with the largest gain, looking only at rows whose bound reaches it; what is found tightens the bounds."""
    order = torch.sort(bounds, descending=True, stable=True)
    rounding = joint.rounding()
    # The bound on rounding is that of true single precision, which torch may be told to fall short of.
    rough_type = torch.float32 if torch.get_float32_matmul_precision() == "highest" else torch.float64
    upper = torch.empty_like(bounds)
    # Before anything is known every row has to be looked at.
    size = 32 if torch.isfinite(order.values[0]) else joint.rows
    seen, at_least = 0, -torch.inf
    while seen < joint.rows:
        reach = order.values[seen : seen + size]
        reach = reach[(reach >= at_least - TIE) & (reach > -torch.inf)]
        if reach.shape[0] == 0:
            break
        rows = order.indices[seen : seen + reach.shape[0]]
        rough = joint.gains(rows, rough_type)
        at_least = max(at_least, float(torch.minimum(rough - rounding, reach).max()))
        upper[rows] = bounds[rows] = torch.minimum(rough + rounding, reach)
        seen += rows.shape[0]
        size *= 2
    rows = order.indices[:seen]
    rows = rows[upper[rows] >= at_least - TIE]
    bounds[rows] = torch.minimum(joint.gains(rows, torch.float64), bounds[rows])
    best = bounds[rows].max()
    return int(rows[bounds[rows] >= best - TIE].min()), float(best)
