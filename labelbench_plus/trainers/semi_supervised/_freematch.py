"""FreeMatch's rule: how its predictions become targets."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.trainers.semi_supervised._rule import Rule, Targets

SMALL = 1e-12


class FreeMatchRule(Rule):
    """Self-adaptive thresholds and fairness (Wang et al., 2023).

    `confidence` () is τ, `expected` (K,) p̃ and `histogram` (K,) h̃: moving averages over batches.
    """

    confidence: Tensor
    expected: Tensor
    histogram: Tensor

    def __init__(self, decay: float, fairness: float, num_classes: int) -> None:
        super().__init__()
        self.decay, self.fairness = decay, fairness
        self.register_buffer("confidence", torch.tensor(1 / num_classes))
        self.register_buffer("expected", torch.full((num_classes,), 1 / num_classes))
        self.register_buffer("histogram", torch.full((num_classes,), 1 / num_classes))

    def thresholds(self) -> Tensor:
        """(K,): τ · p̃ / max p̃ (eq. 7)."""
        return self.confidence * self.expected / self.expected.max()

    def targets(self, weak_logits: Tensor, items: Tensor, progress: float) -> Targets:
        probabilities = weak_logits.softmax(dim=1)
        confidence, classes = probabilities.max(dim=1)
        counts = torch.bincount(classes, minlength=weak_logits.shape[1])
        self.confidence.lerp_(confidence.mean(), 1 - self.decay)
        self.expected.lerp_(probabilities.mean(dim=0), 1 - self.decay)
        self.histogram.lerp_((counts / len(classes)).to(self.histogram), 1 - self.decay)
        return Targets(classes, (confidence >= self.thresholds()[classes]).float())

    def penalty(self, logits: Tensor, targets: Targets) -> Tensor:
        """w_f · L_f: minus the cross-entropy between what is expected of classes and what the strong views give."""
        chosen = logits[targets.weights > 0]
        if not len(chosen):
            return logits.new_zeros(())
        probabilities = chosen.softmax(dim=1)
        counts = torch.bincount(probabilities.argmax(dim=1), minlength=logits.shape[1])
        ours = _normalised(_over(self.expected, self.histogram))
        theirs = _normalised(_over(probabilities.mean(dim=0), counts / len(chosen)))
        return self.fairness * (ours * (theirs + SMALL).log()).sum()


def _over(values: Tensor, shares: Tensor) -> Tensor:
    """values / shares, and 0 where a class has no share."""
    return torch.where(shares > 0, values / shares.clamp_min(SMALL), torch.zeros_like(values))


def _normalised(values: Tensor) -> Tensor:
    return values / values.sum().clamp_min(SMALL)
