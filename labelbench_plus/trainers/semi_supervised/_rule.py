"""What tells the methods apart: how predictions become targets."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Targets:
    """What a method makes of its predictions for a batch of unlabelled examples.

    Attributes
    ----------
    classes: (b,) long pseudo-labels, or (b, K) distributions.
    weights: (b,) how much each counts, 0 to leave it out. The loss is divided by b whatever they are.
    """

    classes: Tensor
    weights: Tensor


class Rule(nn.Module):
    """How a method turns predictions into targets. What it remembers from step to step lies in buffers."""

    learns_from_weak = False
    """Whether the loss is taken on the weakly augmented examples themselves; otherwise on strongly augmented ones."""

    def targets(self, weak_logits: Tensor, items: Tensor, progress: float) -> Targets:
        """The targets of a batch.

        Parameters
        ----------
        weak_logits: (b, K), detached.
        items: (b,) numbers of the examples among the unlabelled ones.
        progress: share of the steps done, from 0 to below 1.
        """
        raise NotImplementedError

    def penalty(self, logits: Tensor, targets: Targets) -> Tensor:
        """What else is added to the unlabelled loss, of the same batch's strong logits (b, K)."""
        return logits.new_zeros(())

    def labelled_weights(self, logits: Tensor, labels: Tensor, progress: float) -> Tensor | None:
        """(m,) weights of the labelled examples in their loss, whose mean is over those with weight; None for one."""
        return None


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """The mean over the examples (b,) with weight; over all if `weights` is None."""
    if weights is None:
        return functional.cross_entropy(logits, labels)
    losses = functional.cross_entropy(logits, labels, reduction="none")
    return (losses * weights).sum() / weights.sum().clamp_min(1)
