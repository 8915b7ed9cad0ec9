"""Small multi-layer perceptrons on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Interval

from labelbench_plus.seeding import torch_generator
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._kept import SavesState
from labelbench_plus.trainers.regression._unit import Unit

if TYPE_CHECKING:
    from labelbench_plus.problems.regression import RegressionData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers.regression._perceptrons import PerceptronsModel


@trainers.register("mlp_regression")
@dataclass(frozen=True)
class MLPRegression(SavesState):
    """Squared error by AdamW for a fixed number of steps, with linear warm-up and cosine decay.

    Several networks that differ in their first weights and in the order of their data predict their mean, and their
    variance is how unsure they are. With dropout, each network gives several members, one per fixed mask (Gal &
    Ghahramani, 2016), so a single network also gives a variance. Labels are standardised on what was bought. Every
    batch holds `batch` labelled examples (all of them when there are fewer), drawn without replacement within an epoch.
    No validation label is used.

    Parameters
    ----------
    networks: how many are trained side by side.
    hidden: width of each hidden layer.
    layers: number of hidden layers.
    dropout: share of hidden units switched off at random in each training step (Srivastava et al., 2014).
    passes: members per network, with dropout.
    """

    title = "Multi-layer perceptrons, regression"
    task = "regression"

    networks: Annotated[int, Ge(1)] = 5
    hidden: Annotated[int, Ge(1)] = 64
    layers: Annotated[int, Ge(1)] = 2
    steps: Annotated[int, Ge(1)] = 200
    batch: Annotated[int, Ge(1)] = 64
    learning_rate: Annotated[float, Gt(0)] = 5e-3
    weight_decay: Annotated[float, Ge(0)] = 1e-2
    warmup: Annotated[float, Ge(0)] = 0.05
    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    passes: Annotated[int, Ge(1)] = 10

    @property
    def provides(self) -> frozenset[str]:  # type: ignore[override]
        several = frozenset({"variance", "members"}) if self.networks > 1 or self.dropout else frozenset()
        return frozenset({"predictions", "embeddings"}) | several

    def fit(self, data: RegressionData, streams: Streams, previous: Any | None) -> PerceptronsModel:
        import torch

        from labelbench_plus.trainers._training import schedule
        from labelbench_plus.trainers.regression._perceptrons import PerceptronsModel, draw_masks, forward, new_layer

        features, values = data.labelled.features.float(), data.labelled.values
        unit = Unit.of(values)
        labels, device = unit.standardised(values).float(), features.device
        hidden, size = [self.hidden] * self.layers, min(self.batch, len(values))
        generator = torch_generator(streams.rng("model_init"))
        widths = [features.shape[1], *hidden, 1]
        layers = [new_layer(self.networks, *pair, generator, device) for pair in pairwise(widths)]
        optimizer = torch.optim.AdamW([part for layer in layers for part in layer], weight_decay=self.weight_decay)
        order, noise = streams.rng("data_order"), torch_generator(streams.rng("dropout"))
        waiting = torch.empty(self.networks, 0, dtype=torch.long)
        with torch.enable_grad():
            for step in range(self.steps):
                if waiting.shape[1] < size:
                    rows = [order.permutation(len(values)) for _ in range(self.networks)]
                    waiting = torch.stack([torch.as_tensor(each) for each in rows])
                batch, waiting = waiting[:, :size].to(device), waiting[:, size:]
                for group in optimizer.param_groups:
                    group["lr"] = self.learning_rate * schedule(step, self.steps, self.warmup)
                masks = draw_masks((self.networks, size), hidden, self.dropout, noise) if self.dropout else []
                said = forward(layers, features[batch], [mask.to(device) for mask in masks])[..., 0]
                loss = (said - labels[batch]).square().mean(dim=1).sum()  # networks do not see each other
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        passes = torch_generator(streams.rng("dropout passes"))
        masks = draw_masks((self.networks, self.passes), hidden, self.dropout, passes) if self.dropout else []
        trained = tuple((weight.detach(), bias.detach()) for weight, bias in layers)
        return PerceptronsModel(trained, tuple(mask.to(device) for mask in masks), unit)

    def state_of(self, model: PerceptronsModel) -> dict[str, Any]:
        return {**vars(model), "unit": vars(model.unit)}

    def model_of(self, state: dict[str, Any]) -> PerceptronsModel:
        from labelbench_plus.trainers.regression._perceptrons import PerceptronsModel

        return PerceptronsModel(**{**state, "unit": Unit(**state["unit"])})
