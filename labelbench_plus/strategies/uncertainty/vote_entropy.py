"""Query by committee, for classes: where the votes are split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.trainers._few_labels import few_labels
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("vote_entropy")
@dataclass(frozen=True)
class VoteEntropy(PoolStrategy):
    """Query where the votes of a committee are split most evenly: the largest vote entropy.

    The other disagreement of classifiers in use, the mean Kullback-Leibler divergence of members from their mean, is
    the score of `bald` on the trainer's members. Where items have prices, the entropy per unit of budget counts. Ties,
    which are frequent, are broken at random.

    Parameters
    ----------
    committee: "learners" fits four kinds of classifiers to what was bought, whatever the trainer: logistic regression,
        a linear and an RBF-kernel SVM and linear discriminant analysis, as in Lu et al. (2023). "members" asks those
        of the trainer, such as the trees of a forest.
    """

    title = "Query by committee (votes)"
    reference = Reference(
        ("Lu", "Li", "Lin"),
        2023,
        "Re-benchmarking pool-based active learning for binary classification",
        arxiv="2306.08954",
    )

    committee: Literal["learners", "members"] = "learners"

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        own = {"features", "labels", "num_classes"}
        return frozenset(own if self.committee == "learners" else {"member_probabilities"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.blocks.checks import check_finite, check_matrix
        from labelbench_plus.algorithms.committee import vote_entropy
        from labelbench_plus.algorithms.uncertainty import top_scores

        if self.committee == "members":
            members = check_finite(view.member_probabilities, "member_probabilities")
            votes, classes = members.argmax(dim=2), members.shape[2]
        else:
            known = view.labels >= 0  # an outlier is of none of the classes
            features = check_matrix(view.labelled_features[known], "labelled_features")
            labels = view.labels[known]
            candidates = check_matrix(view.features, "features")
            found = votes_of_learners(*(part.cpu().numpy() for part in (features, labels, candidates)))
            votes, classes = torch.as_tensor(found, device=view.features.device), view.num_classes
        scores = vote_entropy(votes, classes) / view.prices
        order = torch.as_tensor(rng.permutation(len(scores)), device=scores.device)
        return view.candidates[order[top_scores(scores[order], n)]]


def votes_of_learners(features: np.ndarray, labels: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """(M, n) classes that each learner, fitted to features (m, d) and labels (m,), says candidates (n, d) are of.

    With a single class bought all say that one. Discriminant analysis abstains while nothing varies within a class.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    classes = np.unique(labels)
    if len(classes) < 2 or not len(candidates):
        return np.broadcast_to(classes[:1] if len(classes) else np.zeros(1, np.int64), (len(candidates), 1)).T.copy()
    # A random state, though nothing is drawn, or scikit-learn asks the global generator for one.
    learners = [LogisticRegression(max_iter=1000, random_state=0), SVC(kernel="linear", random_state=0)]
    learners.append(SVC(kernel="rbf", random_state=0))
    exact = features.astype(np.float64)
    if any(np.ptp(exact[labels == each], axis=0).any() for each in classes):
        learners.append(LinearDiscriminantAnalysis())
    with few_labels():
        return np.stack([learner.fit(exact, labels).predict(candidates.astype(np.float64)) for learner in learners])
