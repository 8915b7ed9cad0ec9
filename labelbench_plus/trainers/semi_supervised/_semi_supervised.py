"""The one loop of all methods that learn from their own predictions on unlabelled examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, Interval

from labelbench_plus.plugins import Since
from labelbench_plus.trainers._network_trainer import NetworkTrainer

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper
    from labelbench_plus.trainers._network_model import NetworkModel
    from labelbench_plus.trainers._training import Training
    from labelbench_plus.trainers.semi_supervised._rule import Rule


@dataclass(frozen=True)
class SemiSupervised(NetworkTrainer):
    """Base of the methods.

    Parameters
    ----------
    ratio: unlabelled examples a step for each labelled one.
    unlabelled_weight: of the loss on unlabelled examples.
    probe: l2 of a linear probe that the head starts from, as in LP-FT, so that the first pseudo-labels are worth
        something even where training is short; null for a head of zeros, as in the methods' papers.
    labels_first: share of the steps that are taken on labels alone, before pseudo-labels count and the method remembers
        any; 0 to begin with both, as in the methods' papers.

    Where pseudo-labels hardly count in the second half of the steps, or one class takes them, that is said: a warning,
    and `trainer.pseudo_label_share` and `trainer.largest_class_share` beside the round's costs.
    """

    ratio: Annotated[int, Ge(1)] = 4
    unlabelled_weight: Annotated[float, Gt(0)] = 1.0
    probe: Annotated[float, Gt(0)] | None = None
    labels_first: Annotated[float, Interval(ge=0, lt=1), Since("0.1")] = 0.0

    def rule(self, num_classes: int, unlabelled: int) -> Rule:
        """The method, for K classes and so many unlabelled examples."""
        raise NotImplementedError

    def rule_for(self, data: ClassificationData, streams: Streams, unlabelled: Tensor) -> Rule:
        """The method, where it depends on more than that: the data, and the rows (n,) that are unlabelled."""
        return self.rule(data.num_classes, len(unlabelled))

    def train(self, data: ClassificationData, streams: Streams, keeper: Keeper) -> NetworkModel:
        from labelbench_plus.trainers._batches import NetworkInputs, unlabelled_rows
        from labelbench_plus.trainers._linear_probe import probed
        from labelbench_plus.trainers._training import Training
        from labelbench_plus.trainers.semi_supervised._collapse import told_of

        others = unlabelled_rows(data)
        rule = self.rule_for(data, streams, others).to(data.pool_features.device)
        inputs = NetworkInputs(self, data, streams, strong=not rule.learns_from_weak)
        start = probed(self, data, streams, inputs, self.probe) if self.probe is not None else None
        training = Training(self, data, streams, inputs, keeper, rule, start)
        with training.going_on():
            training.network.train()
            while training.step < self.steps:
                rows = training.labelled.next(self.batch)
                items = training.unlabelled.next(self.ratio * self.batch) if len(others) else None
                training.advance(lambda r=rows, i=items: self._loss(training, rule, data, others, r, i))  # type: ignore[misc]
                training.keep_if_due()
            labels = data.labelled.labels
            return training.done(training.model(told_of(training.notes.get("pseudo"), labels, self.name)))

    def _loss(
        self,
        training: Training,
        rule: Rule,
        data: ClassificationData,
        others: Tensor,
        rows: Tensor,
        items: Tensor | None,
    ) -> Tensor:
        import torch
        from torch.nn import functional

        from labelbench_plus.trainers.semi_supervised._collapse import counted
        from labelbench_plus.trainers.semi_supervised._rule import weighted_cross_entropy

        device, inputs, progress = training.device, training.inputs, training.step / self.steps
        labels = data.labelled.labels[rows.to(device)]
        labelled = inputs.weak(data.labelled.rows[rows.to(device)].cpu())
        if items is None or progress < self.labels_first:
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
        if progress >= 0.5:
            training.notes["pseudo"] = training.notes.get("pseudo", 0) + counted(targets, data.num_classes)
        loss = weighted_cross_entropy(supervised, labels, rule.labelled_weights(supervised.detach(), labels, progress))
        pseudo = functional.cross_entropy(learning, targets.classes, reduction="none")
        return loss + self.unlabelled_weight * (pseudo * targets.weights).mean() + rule.penalty(learning, targets)
