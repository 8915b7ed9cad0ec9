"""The one loop of all methods that learn from their own predictions on unlabelled examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn import functional

from labelbench_plus.trainers._linear_probe import probed
from labelbench_plus.trainers._networks import Inputs, NetworkModel, NetworkTrainer, Training, unlabelled_rows

if TYPE_CHECKING:
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper


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


@dataclass(frozen=True)
class SemiSupervised(NetworkTrainer):
    """Base of the methods.

    Parameters
    ----------
    ratio: unlabelled examples a step for each labelled one.
    unlabelled_weight: of the loss on unlabelled examples.
    probe: l2 of a linear probe that the head starts from, as in LP-FT, so that the first pseudo-labels are worth
        something even where training is short; null for a head of zeros, as in the methods' papers.
    """

    ratio: Annotated[int, Ge(1)] = 4
    unlabelled_weight: Annotated[float, Gt(0)] = 1.0
    probe: Annotated[float, Gt(0)] | None = None

    def rule(self, num_classes: int, unlabelled: int) -> Rule:
        """The method, for K classes and so many unlabelled examples."""
        raise NotImplementedError

    def rule_for(self, data: ClassificationData, streams: Streams, unlabelled: Tensor) -> Rule:
        """The method, where it depends on more than that: the data, and the rows (n,) that are unlabelled."""
        return self.rule(data.num_classes, len(unlabelled))

    def train(self, data: ClassificationData, streams: Streams, keeper: Keeper) -> NetworkModel:
        others = unlabelled_rows(data)
        rule = self.rule_for(data, streams, others).to(data.pool_features.device)
        inputs = Inputs(self, data, streams, strong=not rule.learns_from_weak)
        start = probed(self, data, streams, inputs, self.probe) if self.probe is not None else None
        training = Training(self, data, streams, inputs, keeper, rule, start)
        with training.going_on():
            training.network.train()
            while training.step < self.steps:
                rows = training.labelled.next(self.batch)
                items = training.unlabelled.next(self.ratio * self.batch) if len(others) else None
                training.advance(lambda r=rows, i=items: self._loss(training, rule, data, others, r, i))  # type: ignore[misc]
                training.keep_if_due()
            return training.done(training.model())

    def _loss(
        self,
        training: Training,
        rule: Rule,
        data: ClassificationData,
        others: Tensor,
        rows: Tensor,
        items: Tensor | None,
    ) -> Tensor:
        device, inputs, progress = training.device, training.inputs, training.step / self.steps
        labels = data.labelled.labels[rows.to(device)]
        labelled = inputs.weak(data.labelled.rows[rows.to(device)].cpu())
        if items is None:
            return functional.cross_entropy(training.logits(labelled), labels)
        unlabelled = others[items]
        weak = inputs.weak(unlabelled)
        if rule.learns_from_weak:
            logits = training.logits(torch.cat([labelled, weak]))
            supervised, learning = logits[: len(rows)], logits[len(rows) :]
            weak_logits = learning.detach()
        else:
            with torch.no_grad():
                weak_logits = training.logits(weak)
            logits = training.logits(torch.cat([labelled, inputs.strong(unlabelled)]))
            supervised, learning = logits[: len(rows)], logits[len(rows) :]
        targets = rule.targets(weak_logits, items.to(device), progress)
        loss = _weighted(supervised, labels, rule.labelled_weights(supervised.detach(), labels, progress))
        pseudo = functional.cross_entropy(learning, targets.classes, reduction="none")
        return loss + self.unlabelled_weight * (pseudo * targets.weights).mean() + rule.penalty(learning, targets)


def _weighted(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return functional.cross_entropy(logits, labels)
    losses = functional.cross_entropy(logits, labels, reduction="none")
    return (losses * weights).sum() / weights.sum().clamp_min(1)
