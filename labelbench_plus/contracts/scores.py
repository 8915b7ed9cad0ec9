"""Scores: what a problem says of a model on its test set, and what is refused because it says nothing."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class ScoreError(Exception):
    """A model could not be scored. The message names trainer, round, score, and what is wrong with it."""


class UnusableScore(ValueError):
    """A score, or what it would be made of, says nothing. Whoever knows trainer and round makes it a `ScoreError`."""


def check_predictions(predictions: Tensor, scores: Collection[str]) -> None:
    """Refuse predictions (n, ...) that are NaN or infinite: the largest of them would be a class like any other.

    Parameters
    ----------
    scores: names of what they are for.

    Raises
    ------
    UnusableScore
        Some are not finite.
    """
    finite = predictions.isfinite()
    if not bool(finite.all()):
        wrong = int((~finite).flatten(1).any(dim=1).sum())
        raise UnusableScore(
            f"{_named(scores)}: the predictions for {wrong} of {len(finite)} test items are not finite (NaN or "
            "infinite), as of a training that diverged"
        )


def check_scores(scores: Mapping[str, float], names: Collection[str] | None) -> None:
    """Refuse scores that are no finite numbers, or not those of the rounds before.

    Parameters
    ----------
    names: of the scores of an earlier round, which are those of the whole run; None in the first round.

    Raises
    ------
    UnusableScore
        The message names the score.
    """
    for name, value in scores.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UnusableScore(f"score {name!r}: expected a number, got {type(value).__name__}")
        if not math.isfinite(value):
            raise UnusableScore(f"score {name!r} is not finite: {value}")
    if not scores:
        raise UnusableScore("no score: expected at least the one that ranks")
    if names is not None and (odd := sorted(set(names) ^ set(scores))):
        how = "is missing, but the rounds before have it" if odd[0] in names else "is new: the rounds before lack it"
        raise UnusableScore(f"score {odd[0]!r} {how}; the names of a run's scores are the same in every round")


def _named(scores: Collection[str]) -> str:
    return f"score{'s' * (len(scores) > 1)} {', '.join(map(repr, scores))}"
