"""Support vector machine on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Gt

from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._few_labels import few_labels
from labelbench_plus.trainers._kept import SavesState

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams

CHUNK_ROWS = 4096


@dataclass(frozen=True)
class SVMModel:
    """One machine for every two classes that were bought, on the same support vectors; its embedding is its input.

    `vectors` (m, d), `weights` (P, m) and `biases` (P,) float64 for the P pairs of `classes` (C,) in order.
    """

    vectors: Tensor
    weights: Tensor
    biases: Tensor
    gamma: float
    classes: Tensor
    num_classes: int

    def decisions(self, features: Tensor) -> Tensor:
        """(n, P) float64: above zero for the first class of a pair. Of (n, d) features."""
        import torch

        parts = []
        for part in features.double().split(CHUNK_ROWS):
            squares = (part**2).sum(dim=1)[:, None] + (self.vectors**2).sum(dim=1) - 2 * part @ self.vectors.T
            parts.append((-self.gamma * squares.clamp_(min=0)).exp() @ self.weights.T + self.biases)
        return torch.cat(parts)

    def probabilities(self, features: Tensor) -> Tensor:
        import torch

        decisions = self.decisions(features)
        if len(self.classes) == 2:
            found = torch.cat([decisions, -decisions], dim=1).sigmoid()
        else:
            found = self._scores(decisions).softmax(dim=1)
        every = found.new_zeros(len(features), self.num_classes)
        every[:, self.classes] = found
        return every

    def embeddings(self, features: Tensor) -> Tensor:
        return features

    def _scores(self, decisions: Tensor) -> Tensor:
        """(n, C): how many of its pairs a class wins, and by how much, the latter brought to less than a third."""
        votes = decisions.new_zeros(len(decisions), len(self.classes))
        sums = votes.clone()
        for pair, (first, second) in enumerate(combinations(range(len(self.classes)), 2)):
            value = decisions[:, pair]
            votes[:, first] += value >= 0
            votes[:, second] += value < 0
            sums[:, first] += value
            sums[:, second] -= value
        return votes + sums / (3 * (sums.abs() + 1))


@trainers.register("svm")
@dataclass(frozen=True)
class SVM(SavesState):
    """A support vector machine with an RBF kernel, as the re-benchmark of Lu et al. (arXiv 2306.08954) uses.

    scikit-learn (LIBSVM) fits it, one machine for every two classes. Its decision values stand for probabilities: a
    sigmoid of the one that two classes have, so that the least sure item is the one nearest to the boundary; with more
    classes, the softmax of the pairs a class wins, ties broken by the sum of its values. The class predicted is
    LIBSVM's, but these are no calibrated probabilities: read neither `nll` nor `ece`. Platt's scaling is not used: it
    fits five more machines to a few dozen labels, and need not agree with what the machine predicts.

    Parameters
    ----------
    c: weight of the labels against a wide margin.
    width: of the kernel exp(-‖x - y‖² / (width · d)), where d is the number of features.
    """

    title = "Support vector machine"
    task = "classification"
    provides = frozenset({"probabilities", "embeddings"})

    c: Annotated[float, Gt(0)] = 1.0
    width: Annotated[float, Gt(0)] = 1.0

    def fit(self, data: ClassificationData, streams: Streams, previous: Any | None) -> SVMModel:
        import torch
        from sklearn.svm import SVC

        features = data.labelled.features
        x, y = features.double().cpu().numpy(), data.labelled.labels.cpu().numpy()
        gamma, classes = 1 / (self.width * x.shape[1]), np.unique(y)
        if len(classes) > 1:
            with few_labels():
                machine = SVC(C=self.c, gamma=gamma, random_state=0).fit(x, y)
            arrays = (machine.support_vectors_, *_pairs(machine), classes)
        else:
            arrays = (x[:0], np.zeros((0, 0)), np.zeros(0), classes)
        vectors, weights, biases, bought = (torch.as_tensor(each, device=features.device) for each in arrays)
        return SVMModel(vectors, weights, biases, gamma, bought, data.num_classes)

    def state_of(self, model: SVMModel) -> dict[str, Any]:
        return vars(model)

    def model_of(self, state: dict[str, Any]) -> SVMModel:
        return SVMModel(**state)


def _pairs(machine: Any) -> tuple[np.ndarray, np.ndarray]:
    """Weights (P, m) and biases (P,) of the machines, positive for the first class of a pair.

    scikit-learn keeps the weights of a class's support vectors in rows, one for each other class in order.
    """
    ends = np.concatenate([[0], np.cumsum(machine.n_support_)])
    sign = -1.0 if len(machine.classes_) == 2 else 1.0  # of two classes it is the second that is positive there
    rows = []
    for first, second in combinations(range(len(machine.classes_)), 2):
        row = np.zeros(ends[-1])
        of_first, of_second = (slice(ends[each], ends[each + 1]) for each in (first, second))
        row[of_first] = machine.dual_coef_[second - 1, of_first]
        row[of_second] = machine.dual_coef_[first, of_second]
        rows.append(sign * row)
    return np.stack(rows), sign * machine.intercept_
