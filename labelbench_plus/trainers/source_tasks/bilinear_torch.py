"""A network whose heads are linear in the sources' descriptors, trained by gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

from labelbench_plus.source_tasks.data import SourceTaskData
from labelbench_plus.source_tasks.papers import TASK_SPACE
from labelbench_plus.source_tasks.view import HEADS
from labelbench_plus.trainers import Trainer, trainers

if TYPE_CHECKING:
    from torch import nn

    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers.source_tasks._representation_network import NetworkModel


@trainers.register("bilinear_torch")
@dataclass(frozen=True)
class BilinearTorch(Trainer):
    """y = φ(x)ᵀ A ψ(w) with φ a ReLU network (hidden layers of `hidden`) and a constant, by AdamW.

    The targets' heads are fitted last, in closed form, with the network frozen. Every round starts from scratch; the
    authors continue from the previous round, with plain SGD.

    Parameters
    ----------
    hidden: widths of the hidden layers; none makes φ linear.

    Source: the general instance of Chen, Huang, Du, Jamieson, Shi (NeurIPS 2023), a network of 10-10-10-4.
    """

    title = "Bilinear model, network"
    reference = TASK_SPACE
    task = "task_space"
    provides = frozenset({"target_heads", "head_noise", "task_map"})
    declares = HEADS

    hidden: tuple[Annotated[int, Ge(1)], ...] = (10, 10)
    steps: Annotated[int, Ge(1)] = 2000
    batch: Annotated[int, Ge(1)] = 512
    learning_rate: Annotated[float, Gt(0)] = 1e-2
    weight_decay: Annotated[float, Ge(0)] = 1e-4
    target_ridge: Annotated[float, Ge(0)] = 0.0

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"steps": 20}

    def fit(self, data: SourceTaskData, streams: Streams, previous: NetworkModel | None) -> NetworkModel:
        from labelbench_plus.trainers.source_tasks._representation_network import Recipe, fit_network, perceptron

        def build(shape: tuple[int, ...]) -> nn.Module:
            return perceptron((shape[0], *self.hidden, data.rank))

        recipe = Recipe(self.steps, self.batch, self.learning_rate, self.weight_decay, self.target_ridge)
        return fit_network(data, build, recipe, streams)
