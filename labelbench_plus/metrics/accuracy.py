"""Share of examples whose most probable class is the true one."""

from dataclasses import dataclass

from torch import Tensor

from labelbench_plus.metrics import Metric, metrics


@metrics.register("accuracy")
@dataclass(frozen=True)
class Accuracy(Metric):
    """Share of examples whose most probable class is the true one."""

    higher_is_better = True

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        return float((probabilities.argmax(dim=1) == labels).double().mean())
