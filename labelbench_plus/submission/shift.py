"""Whether small differences have a direction: rounding errors between machines have none, a forger's gains have.

Where a machine is not the run's own, each score may be off by a tolerance. Somebody who lowers the baseline and raises
a strategy by a little less in every round stays within it. Differences (claimed minus recomputed) are therefore turned
so that above zero is in favour of who submits: for a strategy where it looks better than it is, for the baseline where
it looks worse. Honest ones are as likely to be above zero as below, whatever their size: signs are flipped at random
(Fisher's randomisation test), for each strategy in each setting, and for all cells together. The chance that an honest
submission is accused is at most `ALPHA` in all (Bonferroni; half of it for the test over all cells).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.submission.findings import Finding

TOLERANCE = 0.01
"""How far a score may be off where versions or machine differ: absolute for scores up to 1, else relative."""
ALPHA = 0.01
FEWEST = math.ceil(math.log2(2 / ALPHA))  # cells without which no difference could have a direction
RESAMPLES = 2**14 - 1
NEGLIGIBLE = 1e-6  # mean differences below it gain nobody anything, and versions of a library may share them


@dataclass(frozen=True)
class Difference:
    """Of one cell (run, round): claimed minus recomputed, relative above 1, in favour of who submits above zero.

    `group`: strategy and setting, in words.
    """

    run: str
    round: int
    group: str
    favour: float


def favour(claimed: float, found: float, higher_is_better: bool, of_baseline: bool) -> float:
    """A difference, turned and scaled as tolerances are."""
    sign = (1 if higher_is_better else -1) * (-1 if of_baseline else 1)
    return sign * (claimed - found) / max(1.0, abs(claimed))


def check_shift(differences: Sequence[Difference], what: str = "what comes out again") -> Iterator[Finding]:
    """Groups of cells, and all together, whose differences favour who submits by more than chance gives."""
    once = {(each.run, each.round): each for each in differences}
    groups: dict[str, list[float]] = {}
    for each in once.values():
        groups.setdefault(each.group, []).append(each.favour)
    tests = [("all strategies together", [each.favour for each in once.values()], ALPHA / 2)] if once else []
    tests += [(group, values, ALPHA / 2 / len(groups)) for group, values in sorted(groups.items())]
    for name, values, bound in tests:
        mean = float(np.mean(values))
        if mean > NEGLIGIBLE and (p := _chance(values)) <= bound:
            actual = f"{mean:+.2g} on average over {len(values)} rounds, p = {p:.2g}"
            yield Finding(
                ARCHIVE, f"differs from {what} in favour of who submits", "", name, "differences of either sign", actual
            )


def _chance(values: Sequence[float]) -> float:
    """The chance of a mean as high where each sign is as likely as the other."""
    from scipy.stats import permutation_test

    if len(values) < 2:
        return 1.0
    found = permutation_test(
        (np.asarray(values),),
        np.mean,
        permutation_type="samples",
        alternative="greater",
        vectorized=True,
        n_resamples=RESAMPLES,
        random_state=0,
    )
    return float(found.pvalue)
