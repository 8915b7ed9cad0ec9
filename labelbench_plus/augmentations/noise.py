"""Noise on features, for data without images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Interval

from labelbench_plus.augmentations import Augmentation, augmentations

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@augmentations.register("noise")
@dataclass(frozen=True)
class Noise(Augmentation):
    """Weak: Gaussian noise. Strong: more of it, and a share of the features switched off.

    Features have an average variance of one, which is what the standard deviations are relative to. What is kept is
    scaled up so that a feature's expectation stays (Srivastava et al., 2014).

    Parameters
    ----------
    weak_deviation, strong_deviation: standard deviations of the noise.
    dropped: the share that is switched off.
    """

    title = "Feature noise"
    of = "features"

    weak_deviation: Annotated[float, Ge(0)] = 0.05
    strong_deviation: Annotated[float, Ge(0)] = 0.25
    dropped: Annotated[float, Interval(ge=0, lt=1)] = 0.2

    def weak(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        return self._noise(inputs, self.weak_deviation, generator).add_(inputs)

    def strong(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        import torch

        kept = (torch.rand(inputs.shape, generator=generator) >= self.dropped).to(inputs).div_(1 - self.dropped)
        return kept.mul_(inputs).add_(self._noise(inputs, self.strong_deviation, generator))

    @staticmethod
    def _noise(inputs: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
        import torch

        return torch.randn(inputs.shape, generator=generator).to(inputs).mul_(deviation)
