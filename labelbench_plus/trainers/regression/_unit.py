"""The unit that labels are learned in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Unit:
    """Mean and standard deviation of the labels that were bought; of labels that are all the same, 1."""

    level: float
    scale: float

    @classmethod
    def of(cls, values: Tensor) -> Unit:
        """From values (m,), m at least 1."""
        exact = values.double()
        level = float(exact.mean())
        scale = float((exact - level).square().mean().sqrt())
        return cls(level, scale if bool(exact.min() < exact.max()) and scale > 0 else 1.0)

    def standardised(self, values: Tensor) -> Tensor:
        """(m,) float64, rounded to what single precision can hold: labels in another unit come out the same."""
        return ((values.double() - self.level) / self.scale).float().double()

    def labels(self, standardised: Tensor) -> Tensor:
        """Predictions in the label's unit again."""
        return self.level + self.scale * standardised.double()

    def variances(self, standardised: Tensor) -> Tensor:
        """Variances in its squared unit."""
        return self.scale**2 * standardised.double()
