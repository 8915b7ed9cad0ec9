"""A placebo: a strategy that sees the features of other items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, cast

from numpy.random import Generator

from labelbench_plus.plugins import From
from labelbench_plus.strategies import PoolStrategy, Strategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("permuted_features")
@dataclass(frozen=True)
class PermutedFeatures(PoolStrategy):
    """Query as another strategy would, were the features dealt to the items at random: a placebo.

    It chooses at random, through everything that the strategy does. A strategy that is no better than its placebo gains
    nothing from the features.

    Parameters
    ----------
    strategy: one that picks items by their features.
    """

    title = "Placebo: features of other items"

    strategy: Annotated[Strategy, From("strategies")] = field(default_factory=lambda: strategies.build("k_center"))

    def __post_init__(self) -> None:
        reads = "features" in self.strategy.needs and not self.strategy.knows_truth
        if self.strategy.query != self.query or not reads:
            raise ValueError(f"strategy {self.strategy.name!r} does not pick items by their features: no placebo of it")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return self.strategy.needs

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        chosen: Tensor = self.strategy.select(cast(PoolView, _Dealt(view, rng)), n, rng)
        return chosen


class _Dealt:
    """A view in which every item, bought or not, has the features of another."""

    def __init__(self, view: PoolView, rng: Generator) -> None:
        import torch

        whole = torch.cat([view.features, view.labelled_features])
        dealt = whole[torch.as_tensor(rng.permutation(len(whole)), device=whole.device)]
        self._view = view
        self.features, self.labelled_features = dealt[: len(view.features)], dealt[len(view.features) :]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)
