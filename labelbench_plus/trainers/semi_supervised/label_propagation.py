"""Label propagation: the labels bought spread over a graph of the whole pool."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Interval

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import Checkpoint, trainers
from labelbench_plus.trainers._kept import SavesState

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.algorithms.learners.label_propagation import Graph
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams


@dataclass(frozen=True)
class PropagatedLabels:
    """What each point of the pool was given, and the graph that hands it on to new points.

    `notes` count the pool's items that no label reached, where there are any.
    """

    graph: Graph
    values: Tensor
    notes: dict[str, float] = field(default_factory=dict)

    def probabilities(self, features: Tensor) -> Tensor:
        """(n, K) float32."""
        import torch

        from labelbench_plus.algorithms.learners.label_propagation import induce

        scores = induce(self.graph, self.values, features)
        return (scores / scores.sum(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)).float()

    def embeddings(self, features: Tensor) -> Tensor:
        return features


@trainers.register("label_propagation")
@dataclass(frozen=True)
class LabelPropagation(SavesState):
    """Local and global consistency on a k-nearest-neighbour graph (Zhou et al., 2003).

    The graph's edges weigh by distances relative to local scales (Zelnik-Manor & Perona, 2004). There is no randomness
    and no training. New points, and pool items when a strategy asks, get the mean of their neighbours (Delalleau et
    al., 2005). The graph is that of the round before: a pool has one. Items in a part of the graph without labels get
    the class of the nearest labelled item; a round's costs count them (`trainer.unreached`).

    Parameters
    ----------
    neighbours: k.
    alpha: how far labels spread.
    """

    title = "Label propagation"
    reference = Reference(("Zhou", "others"), 2003, "Learning with local and global consistency", venue="NeurIPS")
    task = "classification"
    provides = frozenset({"probabilities", "embeddings"})
    continues = True

    neighbours: Annotated[int, Ge(1)] = 10
    alpha: Annotated[float, Interval(gt=0, lt=1)] = 0.8

    def fit(self, data: ClassificationData, streams: Streams, previous: PropagatedLabels | None) -> PropagatedLabels:
        from labelbench_plus.algorithms.learners.label_propagation import nearest_label, neighbour_graph, propagate

        graph = previous.graph if previous else None
        if graph is None:
            graph = neighbour_graph(data.pool_features, self.neighbours)
        labelled = data.labelled
        values = propagate(graph, labelled.rows, labelled.labels, data.num_classes, alpha=self.alpha)
        notes: dict[str, float] = {}
        if len(lost := (values.sum(dim=1) == 0).nonzero()[:, 0]):
            features, notes["unreached"] = data.pool_features, len(lost)
            values[lost] = nearest_label(features[lost], features[labelled.rows], labelled.labels, data.num_classes)
        return PropagatedLabels(graph, values / values.sum(dim=1, keepdim=True).clamp_min(1e-300), notes)

    def restore(self, data: ClassificationData, streams: Streams, checkpoint: Checkpoint) -> PropagatedLabels:
        return self.fit(data, streams, None)  # all that is carried on is the graph, and that is of the pool alone

    def state_of(self, model: PropagatedLabels) -> dict[str, Any]:
        return {"graph": vars(model.graph), "values": model.values}

    def model_of(self, state: dict[str, Any]) -> PropagatedLabels:
        from labelbench_plus.algorithms.learners.label_propagation import Graph

        return PropagatedLabels(Graph(**state["graph"]), state["values"])
