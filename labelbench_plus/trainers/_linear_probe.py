"""A network whose head has been solved for, with the backbone unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from labelbench_plus.algorithms.learners.logistic_regression import logistic_regression
from labelbench_plus.trainers._network_model import CHUNK, build

if TYPE_CHECKING:
    from labelbench_plus.contracts.classifier import Classifier
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._batches import NetworkInputs
    from labelbench_plus.trainers._network_trainer import NetworkTrainer


def probed(
    trainer: NetworkTrainer, data: ClassificationData, streams: Streams, inputs: NetworkInputs, l2: float
) -> Classifier:
    """The trainer's network before its first step, with a linear probe for a head (Kumar et al., 2022).

    The probe is a logistic regression on the embeddings of the labelled examples as they are, solved to its optimum.
    A class of which nothing was bought gets no weight and the lowest bias of the others.

    Parameters
    ----------
    l2: of the probe, on embeddings scaled to an average variance of one.

    Raises
    ------
    ValueError
        The network's head is not linear with a bias.
    """
    network = build(trainer.network, data, streams, inputs.shape).eval()
    if not isinstance(network.head, nn.Linear) or network.head.bias is None:
        raise ValueError(
            f"trainer {trainer.name!r}: the head of network {trainer.network.name!r} is not linear with a bias, so no "
            "linear probe can start it; say `probe: null` where that is a choice"
        )
    rows = data.labelled.rows.cpu()
    with torch.no_grad():
        parts = [network.backbone(inputs.plain(part)) for part in rows.split(CHUNK[trainer.network.reads])]
        embeddings = torch.cat(parts).double()
        mean, variance = embeddings.mean(dim=0), embeddings.var(dim=0, correction=0).mean()
        scale = variance.clamp_min(torch.finfo(torch.float64).tiny).rsqrt() if variance > 0 else 1.0
        fit = logistic_regression((embeddings - mean) * scale, data.labelled.labels, data.num_classes, l2=l2)
        weight, present = fit.weight * scale, fit.bias.isfinite()
        bias = torch.where(present, fit.bias, fit.bias[present].min())
        network.head.weight.copy_(weight)
        network.head.bias.copy_(torch.where(present, bias - weight @ mean, bias))
    return network
