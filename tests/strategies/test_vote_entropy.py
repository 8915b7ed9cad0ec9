"""Query by committee, beside a committee fitted and counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from labelbench_plus.plugins import registry
from labelbench_plus.strategies.uncertainty.vote_entropy import votes_of_learners
from labelbench_plus.view import PoolView


def drawn(seed: int = 0, classes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(30) % classes
    features = rng.normal(size=(30, 4)) + labels[:, None]
    return features.astype(np.float32), labels, rng.normal(1, 1.5, size=(40, 4)).astype(np.float32)


def viewed(features: np.ndarray, labels: np.ndarray, candidates: np.ndarray, classes: int) -> PoolView:
    providers = {
        "features": ("features", lambda: torch.as_tensor(candidates)),
        "labelled_features": ("features", lambda: torch.as_tensor(features)),
    }
    needs = frozenset({"features", "labels", "num_classes"})
    free = torch.arange(100, 100 + len(candidates))
    bought = torch.arange(len(labels))
    return PoolView(
        needs,
        providers,
        free,
        bought,
        torch.as_tensor(labels),
        prices=torch.ones(len(free)),
        num_classes=classes,
        money=9.0,
    )


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_most_split_votes_are_asked_and_ties_are_drawn(classes):
    features, labels, candidates = drawn(classes=classes)
    learners = (
        LogisticRegression(max_iter=1000),
        SVC(kernel="linear"),
        SVC(kernel="rbf"),
        LinearDiscriminantAnalysis(),
    )
    fitted = [learner.fit(features.astype(float), labels) for learner in learners]
    entropies = []
    for row in candidates:
        votes = [int(learner.predict(row[None].astype(float))[0]) for learner in fitted]
        shares = [votes.count(vote) / 4 for vote in set(votes)]
        entropies.append(round(-sum(share * np.log(share) for share in shares), 9))
    strategy = registry("strategies").build("vote_entropy")
    asked = [
        (strategy.select(viewed(features, labels, candidates, classes), 6, np.random.default_rng(seed)) - 100).tolist()
        for seed in range(4)
    ]
    for picked in asked:
        assert [entropies[row] for row in picked] == sorted(entropies, reverse=True)[:6]
    assert len({tuple(picked) for picked in asked}) > 1


def test_an_outlier_teaches_no_member():
    features, labels, candidates = drawn()
    strategy = registry("strategies").build("vote_entropy")
    plain = strategy.select(viewed(features, labels, candidates, 3), 5, np.random.default_rng(0))
    more = np.concatenate([features, features[:3] * 9])
    marked = np.concatenate([labels, [-1] * 3])
    assert torch.equal(strategy.select(viewed(more, marked, candidates, 3), 5, np.random.default_rng(0)), plain)


def test_few_labels_still_make_a_committee():
    features, labels, candidates = drawn()
    assert votes_of_learners(features, labels, candidates).shape == (4, 40)
    assert votes_of_learners(features[:3], labels[:3], candidates).shape == (3, 40)  # a label a class: no LDA
    assert (votes_of_learners(features[[1, 4]], labels[[1, 4]], candidates) == 1).all()


def test_members_of_the_trainer_vote_too():
    votes = torch.tensor([[0, 0, 1], [0, 1, 1], [0, 2, 1], [0, 0, 0]])
    providers = {
        "member_probabilities": ("member_probabilities", lambda: torch.nn.functional.one_hot(votes, 3).float())
    }
    strategy = registry("strategies").build({"name": "vote_entropy", "committee": "members"})
    assert strategy.needs == {"member_probabilities"}
    view = PoolView(
        strategy.needs,
        providers,
        torch.tensor([4, 5, 6]),
        torch.tensor([1]),
        torch.tensor([0]),
        torch.ones(3),
        money=3.0,
    )
    assert strategy.select(view, 3, np.random.default_rng(0)).tolist() == [5, 6, 4]


def test_members_that_are_not_finite_are_refused():
    providers = {"member_probabilities": ("member_probabilities", lambda: torch.full((4, 3, 3), torch.nan))}
    view = PoolView(
        frozenset({"member_probabilities"}),
        providers,
        torch.arange(3),
        torch.arange(0),
        torch.arange(0),
        prices=torch.ones(3),
        num_classes=3,
        money=9.0,
    )
    strategy = registry("strategies").build({"name": "vote_entropy", "committee": "members"})
    with pytest.raises(ValueError, match=r"member_probabilities.*finite"):
        strategy.select(view, 2, np.random.default_rng(0))
