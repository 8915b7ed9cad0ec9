"""Quality first, then the target."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

from annotated_types import Interval

from labelbench_plus.pairs.papers import NEG_CLIP_LOSS
from labelbench_plus.pairs.strategy import PairStrategy, Stage, fraction_of
from labelbench_plus.plugins import From
from labelbench_plus.strategies import Strategy, strategies


def _of_pairs(strategy: Strategy) -> PairStrategy:
    if not isinstance(strategy, PairStrategy):
        raise ValueError(f"strategy {strategy.name!r} does not choose pairs")
    return strategy


@strategies.register("two_stage")
@dataclass(frozen=True)
class TwoStage(PairStrategy):
    """Keep a fraction of the pool by one strategy, and the budget among those by another (arXiv 2405.19547).

    The authors' main recipe is negCLIPLoss, then NormSim_∞, keeping 30 % and then 20 % at DataComp's medium scale, 45 %
    and then 30 % at small.

    Parameters
    ----------
    first, second: the strategies; either may have stages of its own.
    fraction: of the pool, kept by the first.
    at_least: a score that the first must give, instead of a fraction.
    """

    title = "Two stages"
    reference = NEG_CLIP_LOSS

    first: Annotated[Strategy, From("strategies")] = field(default_factory=lambda: strategies.build("neg_clip_loss"))
    second: Annotated[Strategy, From("strategies")] = field(default_factory=lambda: strategies.build("norm_sim"))
    fraction: Annotated[float, Interval(gt=0, le=1)] = 0.3
    at_least: float | None = None

    def __post_init__(self) -> None:
        _of_pairs(self.first), _of_pairs(self.second)

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return self.first.needs | self.second.needs

    def stages(self, rows: int, count: int | None) -> tuple[Stage, ...]:
        kept = fraction_of(rows, self.fraction)
        before = _of_pairs(self.first).stages(rows, None if self.at_least is not None else kept)
        if self.at_least is not None:
            before = (*before[:-1], replace(before[-1], at_least=self.at_least))
        elif count is not None and kept < count:
            raise ValueError(f"two_stage: the first stage keeps {kept} of {rows} pairs, fewer than the {count} to keep")
        return (*before, *_of_pairs(self.second).stages(rows, count))
