"""One network shared by all sources, each with a head of its own, trained by gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt

from labelbench_plus.source_tasks.data import SourceTaskData
from labelbench_plus.source_tasks.papers import A_MTRL
from labelbench_plus.source_tasks.view import HEADS
from labelbench_plus.trainers import Trainer, trainers

if TYPE_CHECKING:
    from torch import nn

    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers.source_tasks._representation_network import NetworkModel


@trainers.register("joint_torch")
@dataclass(frozen=True)
class JointTorch(Trainer):
    """Least squares over all sources' labels through one representation, by AdamW on minibatches mixed over sources.

    The targets' heads are fitted last, in closed form, with the representation frozen. Every round starts from scratch.

    Parameters
    ----------
    representation: "linear" without bias; "mlp" with two hidden layers of `hidden`; "convolutions": two, on square grey
        images.
    hidden: width of each of the two hidden layers of "mlp".
    target_ridge: an example of a target adds target_ridge · ‖head‖² to its fit.

    Source: the two fits of Chen, Jamieson, Du (ICML 2022); architectures and settings are ours.
    """

    title = "Joint representation, network"
    reference = A_MTRL
    task = "source_tasks"
    provides = frozenset({"source_heads", "target_heads", "head_noise", "task_map"})
    declares = HEADS

    representation: Literal["linear", "mlp", "convolutions"] = "linear"
    hidden: Annotated[int, Ge(1)] = 64
    steps: Annotated[int, Ge(1)] = 500
    batch: Annotated[int, Ge(1)] = 256
    learning_rate: Annotated[float, Gt(0)] = 2e-3
    weight_decay: Annotated[float, Ge(0)] = 1e-4
    target_ridge: Annotated[float, Ge(0)] = 1 / 300

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"steps": 20}

    def fit(self, data: SourceTaskData, streams: Streams, previous: NetworkModel | None) -> NetworkModel:
        from labelbench_plus.trainers.source_tasks._representation_network import (
            Recipe,
            fit_network,
            perceptron,
            small_convolutions,
        )

        def build(shape: tuple[int, ...]) -> nn.Module:
            if self.representation == "convolutions":
                return small_convolutions(shape[0], data.rank)
            inside = (self.hidden, self.hidden) if self.representation == "mlp" else ()
            return perceptron((shape[0], *inside, data.rank))

        recipe = Recipe(self.steps, self.batch, self.learning_rate, self.weight_decay, self.target_ridge)
        return fit_network(data, build, recipe, streams)
