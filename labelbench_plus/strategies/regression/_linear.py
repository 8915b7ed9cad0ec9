"""What strategies share that take the model for linear: in features, or in its last hidden layer, and a constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from labelbench_plus.strategies import PoolStrategy
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LinearStrategy(PoolStrategy):
    """Base of strategies for which f(x) = w · z(x).

    Parameters
    ----------
    reads: what z holds before the constant 1: "features" that are frozen, or "embeddings" of the current model.
    """

    reads: Literal["features", "embeddings"] = "features"

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({self.reads})

    def rows(self, view: PoolView) -> tuple[Tensor, Tensor]:
        """z of the candidates (n, d + 1) and of what was bought (m, d + 1)."""
        if self.reads == "features":
            return with_constant(view.features), with_constant(view.labelled_features)
        return with_constant(view.embeddings), with_constant(view.labelled_embeddings)


def with_constant(rows: Tensor) -> Tensor:
    """Rows (n, d) with a last column of ones."""
    import torch

    return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)
