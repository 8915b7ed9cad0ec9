"""f-divergences that keep a policy near its reference, as the rules that combine policies need them.

A policy that maximises E R − β Σ π_ref f(π/π_ref) has f′(π/π_ref) = (R − Z)/β wherever f has a barrier at 0, so that
slopes of policies tuned to single objectives average to the slope of the one tuned to their mixture (Shi et al., 2024,
arXiv 2406.18853, Proposition 1). Everything here is written in log-ratios r = ln(π/π_ref): ratios themselves overflow.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from labelbench_plus.algorithms.decoding.divergence_names import check_divergence


class Divergence(ABC):
    """A convex f with f(1) = 0 and a slope that falls to −∞ as a ratio goes to 0.

    Slopes are held as shortfalls: what is missing to `ceiling`. Near a bound the slope itself would cancel.

    Attributes
    ----------
    name: as `divergence` takes it.
    ceiling: what the slope f′ stays below if `bounded`; 0 where it has no bound.
    at_one: the slope at a ratio of 1.
    at_zero: f at a ratio of 0.
    """

    name: ClassVar[str]
    bounded: ClassVar[bool] = True
    ceiling: float = 0.0
    at_one: float = 0.0
    at_zero: float = math.inf

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *sorted(vars(self).items())))

    @abstractmethod
    def value(self, log_ratio: Tensor) -> Tensor:
        """f at exp(`log_ratio`), for finite log-ratios."""

    @abstractmethod
    def shortfall(self, log_ratio: Tensor) -> Tensor:
        """`ceiling` − f′ at exp(`log_ratio`); ∞ at −∞."""

    @abstractmethod
    def log_inverse(self, shortfall: Tensor) -> Tensor:
        """The log-ratio with this shortfall, which is positive if `bounded`; −∞ at ∞."""

    @abstractmethod
    def log_inverse_slope(self, log_ratio: Tensor) -> Tensor:
        """ln g′ at the slope that belongs to exp(`log_ratio`), g being the inverse of f′."""

    def slope(self, log_ratio: Tensor) -> Tensor:
        """f′ at exp(`log_ratio`)."""
        return self.ceiling - self.shortfall(log_ratio)


class ReverseKL(Divergence):
    """f(x) = x ln x: KL(π‖π_ref), the penalty of RLHF."""

    name = "reverse_kl"
    bounded = False
    at_one = 1.0
    at_zero = 0.0

    def value(self, log_ratio: Tensor) -> Tensor:
        return log_ratio.exp() * log_ratio

    def shortfall(self, log_ratio: Tensor) -> Tensor:
        return -log_ratio - 1

    def log_inverse(self, shortfall: Tensor) -> Tensor:
        return -shortfall - 1

    def log_inverse_slope(self, log_ratio: Tensor) -> Tensor:
        return log_ratio


class ForwardKL(Divergence):
    """f(x) = −ln x: KL(π_ref‖π)."""

    name = "forward_kl"
    at_one = -1.0

    def value(self, log_ratio: Tensor) -> Tensor:
        return -log_ratio

    def shortfall(self, log_ratio: Tensor) -> Tensor:
        return torch.exp(-log_ratio)

    def log_inverse(self, shortfall: Tensor) -> Tensor:
        return -torch.log(shortfall)

    def log_inverse_slope(self, log_ratio: Tensor) -> Tensor:
        return 2 * log_ratio


class JensenShannon(Divergence):
    """f(x) = x ln x − (x + 1) ln((x + 1)/2): twice the Jensen–Shannon divergence."""

    name = "jsd"
    ceiling = math.log(2)
    at_zero = math.log(2)

    def value(self, log_ratio: Tensor) -> Tensor:
        ratio = log_ratio.exp()
        return ratio * log_ratio - (ratio + 1) * (torch.log1p(ratio) - math.log(2))

    def shortfall(self, log_ratio: Tensor) -> Tensor:
        return torch.where(log_ratio < -30, -log_ratio, torch.log1p(torch.exp(-log_ratio)))

    def log_inverse(self, shortfall: Tensor) -> Tensor:
        far = -shortfall - torch.log1p(-torch.exp(-shortfall))
        return torch.where(shortfall > 1, far, -torch.log(torch.expm1(shortfall)))

    def log_inverse_slope(self, log_ratio: Tensor) -> Tensor:
        return log_ratio - torch.nn.functional.logsigmoid(-log_ratio)


class Alpha(Divergence):
    """f(x) = (x^(1−α) − (1−α) x − α)/(α (α−1)), 0 < α < 1: between the two KL divergences."""

    name = "alpha"

    def __init__(self, alpha: float) -> None:
        check_divergence(self.name, alpha)
        self.alpha = alpha
        self.ceiling = 1 / alpha
        self.at_zero = 1 / (1 - alpha)

    def value(self, log_ratio: Tensor) -> Tensor:
        a = self.alpha
        return (torch.exp((1 - a) * log_ratio) - (1 - a) * log_ratio.exp() - a) / (a * (a - 1))

    def shortfall(self, log_ratio: Tensor) -> Tensor:
        return torch.exp(-self.alpha * log_ratio) / self.alpha

    def log_inverse(self, shortfall: Tensor) -> Tensor:
        return -torch.log(self.alpha * shortfall) / self.alpha

    def log_inverse_slope(self, log_ratio: Tensor) -> Tensor:
        return (1 + self.alpha) * log_ratio


class Jeffreys(Divergence):
    """f(x) = (x − 1) ln x: the sum of both KL divergences."""

    name = "jeffreys"
    bounded = False

    def value(self, log_ratio: Tensor) -> Tensor:
        return torch.expm1(log_ratio) * log_ratio

    def shortfall(self, log_ratio: Tensor) -> Tensor:
        return torch.expm1(-log_ratio) - log_ratio

    def log_inverse(self, shortfall: Tensor) -> Tensor:
        return -log_wright_omega(1 + shortfall)

    def log_inverse_slope(self, log_ratio: Tensor) -> Tensor:
        return log_ratio + torch.nn.functional.logsigmoid(log_ratio)


def divergence(name: str, alpha: float | None = None) -> Divergence:
    """The divergence of a name.

    Parameters
    ----------
    name: "reverse_kl", "forward_kl", "jsd", "alpha" or "jeffreys".
    alpha: of "alpha", between 0 and 1.

    Raises
    ------
    ValueError
        Unknown, refused for lack of a barrier at 0, or an `alpha` where none is due.
    """
    check_divergence(name, alpha)
    if alpha is not None:
        return Alpha(alpha)
    return {kind.name: kind for kind in (ReverseKL, ForwardKL, JensenShannon, Jeffreys)}[name]()


def log_wright_omega(z: Tensor) -> Tensor:
    """ln ω of real z, where ω + ln ω = z: the root y of y + exp(y) = z, by Newton's method from above.

    Exact to rounding in eight steps; −∞ at −∞ and ∞ at ∞.
    """
    y = torch.where(z > 1, torch.log(z.clamp(min=1)), z)
    finite = torch.isfinite(y)
    for _ in range(8):  # the left side is convex and rises, so steps from above stay above
        power = y.exp()
        y = torch.where(finite, y - (y + power - z) / (1 + power), y)
    return y
