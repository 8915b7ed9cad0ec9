"""LP-FT: first the head alone, to its optimum, then the whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Gt
from torch import nn

from labelbench_plus.algorithms.logistic_regression import logistic_regression
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._networks import CHUNK, Inputs, build
from labelbench_plus.trainers.finetune import Finetune

if TYPE_CHECKING:
    from labelbench_plus.networks._classifier import Classifier
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams


@trainers.register("lp_ft")
@dataclass(frozen=True)
class LPFT(Finetune):
    """`finetune` that starts from a linear probe (Kumar et al., 2022), which spares the backbone a random head's noise.

    The probe is a logistic regression on the embeddings of the labelled examples as they are, solved to its optimum.
    A class of which nothing was bought starts with no weight and the lowest bias of the others.

    Parameters
    ----------
    l2: of the probe, on embeddings scaled to an average variance of one.
    """

    l2: Annotated[float, Gt(0)] = 0.01

    def start(self, data: ClassificationData, streams: Streams, inputs: Inputs) -> Classifier:
        network = build(self, data, streams, inputs.shape).eval()
        if not isinstance(network.head, nn.Linear) or network.head.bias is None:
            raise ValueError(
                f"trainer 'lp_ft': the head of network {self.network.name!r} is not linear with a bias, so no probe "
                "can start it; use 'finetune'"
            )
        rows = data.labelled.rows.cpu()
        with torch.no_grad():
            parts = [network.backbone(inputs.plain(part)) for part in rows.split(CHUNK[self.network.reads])]
            embeddings = torch.cat(parts).double()
            mean, variance = embeddings.mean(dim=0), embeddings.var(dim=0, correction=0).mean()
            scale = variance.clamp_min(torch.finfo(torch.float64).tiny).rsqrt() if variance > 0 else 1.0
            fit = logistic_regression((embeddings - mean) * scale, data.labelled.labels, data.num_classes, l2=self.l2)
            weight, present = fit.weight * scale, fit.bias.isfinite()
            bias = torch.where(present, fit.bias, fit.bias[present].min())
            network.head.weight.copy_(weight)
            network.head.bias.copy_(torch.where(present, bias - weight @ mean, bias))
        return network
