"""Whether people who answered the same questions agree, beyond what chance gives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from labelbench_plus.contracts.annotators import unlisted


@dataclass(frozen=True)
class Agreement:
    """Of two people.

    Attributes
    ----------
    questions: that both answered. same: share of them to which they said the same.
    kappa: Cohen's (1960); of scores that are whole numbers with quadratic weights (Cohen, 1968). None where one of the
        two always says the same, as chance then agrees as often.
    """

    people: tuple[str, str]
    questions: int
    same: float
    kappa: float | None


def by_class(said: Iterable[tuple[Sequence[str], Mapping[str, Any]]]) -> list[dict[str, bool]]:
    """Answers by person, of each class by itself: whether it was named. Who could not tell is left out.

    Parameters
    ----------
    said: the classes of each question, and which of them each person named (`contracts.annotators.listed`).
    """
    return [
        {who: name in unlisted(answer) for who, answer in answers.items() if answer is not None}
        for classes, answers in said
        for name in classes
    ]


def agreements(said: Iterable[Mapping[str, Any]], *, ordered: bool = False) -> list[Agreement]:
    """Of every two people with a question in common.

    Parameters
    ----------
    said: answers by person, a question each.
    ordered: whether answers are numbers of which close ones nearly agree.
    """
    from sklearn.metrics import cohen_kappa_score

    pairs: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
    for answers in said:
        for one, other in combinations(sorted(answers), 2):
            pairs.setdefault((one, other), []).append((answers[one], answers[other]))
    found = []
    for people, both in sorted(pairs.items()):
        same = sum(one == other for one, other in both) / len(both)
        numbers = ordered and all(value is not None and value == int(value) for pair in both for value in pair)
        as_is = int if numbers else str
        left, right = ([as_is(pair[side]) for pair in both] for side in (0, 1))
        values = [int(value) for pair in both for value in pair] if numbers else [0]
        varied = len(set(left)) > 1 and len(set(right)) > 1
        scale = range(min(values), max(values) + 1) if numbers else None  # distances count, not ranks
        weights = "quadratic" if numbers else None
        kappa = cohen_kappa_score(left, right, labels=scale, weights=weights) if varied else math.nan
        found.append(Agreement(people, len(both), same, float(kappa) if math.isfinite(kappa) else None))
    return found
