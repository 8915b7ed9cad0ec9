"""Whether pseudo-labels count at all, and whether one class takes them: what short trainings come to grief on."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from labelbench_plus.trainers.semi_supervised._rule import Targets

FEW = 0.05
"""Below this share of the weight that they could have, pseudo-labels hardly count."""

TAKEN = 0.8
"""Of the way from a class's share of the labels to all: where its share of the pseudo-labels is suspicious."""

logger = logging.getLogger(__name__)


def counted(targets: Targets, num_classes: int) -> Tensor:
    """(K + 1,) float64, the weights of a batch's pseudo-labels by class, and how many examples there were."""
    classes = targets.classes if targets.classes.ndim == 1 else targets.classes.argmax(dim=1)
    weights = torch.zeros(num_classes + 1, dtype=torch.float64, device=classes.device)
    weights.index_add_(0, classes, targets.weights.double())
    weights[-1] = len(classes)
    return weights


def told_of(pseudo: Tensor | None, labels: Tensor, trainer: str) -> dict[str, float]:
    """What is to be told of the sum of what was `counted`, beside (m,) labels; empty if nothing is."""
    if pseudo is None:
        return {}
    weights, examples = pseudo[:-1], float(pseudo[-1])
    share, largest = float(weights.sum()) / examples, int(weights.argmax())
    taken = float(weights[largest] / weights.sum()) if share > 0 else 0.0
    usual = float((labels == largest).double().mean())
    told: dict[str, float] = {}
    if share < FEW:
        told["pseudo_label_share"] = share
        logger.warning(
            "%s: pseudo-labels count %.1f %% of what they could: it learns from labels alone", trainer, 100 * share
        )
    elif taken > usual + TAKEN * (1 - usual):
        told["largest_class_share"] = taken
        logger.warning(
            "%s: class %d has %.0f %% of the pseudo-labels and %.0f %% of the labels: training may have collapsed; "
            "`labels_first: 0.25`, `probe: 0.01`, more steps or labels help",
            trainer,
            largest,
            100 * taken,
            100 * usual,
        )
    return told
