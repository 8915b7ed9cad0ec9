"""What a suite's runs may cost at most, in money, before anybody is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelbench_plus.answering.judging import ANSWERS, answers_in
from labelbench_plus.answering.questions import folder_name, identity_of, key_of
from labelbench_plus.contracts.annotators import Annotator, Asked
from labelbench_plus.plugins import Plugin, with_parts


@dataclass(frozen=True)
class Bill:
    """Of one annotator.

    Attributes
    ----------
    runs: that ask it. questions: that they may ask at most, and that nobody has answered.
    answered: questions of theirs that are answered already.
    money: what those may cost at most. None with questions that are not known beforehand.
    example: a question.
    """

    annotator: Annotator
    runs: int
    questions: int
    answered: int
    money: float | None
    example: Asked | None


def paid_annotators(problem: Plugin) -> tuple[Annotator, ...]:
    """Those of a problem's annotators who are paid, or are people."""
    return tuple(part for part in with_parts(problem) if isinstance(part, Annotator) and part.paid)


def bill(annotator: Annotator, runs: Iterable[tuple[Sequence[Asked] | None, int]], folder: Path) -> Bill:
    """What runs may cost: each pays for its most expensive questions, and the same one is never paid twice.

    Parameters
    ----------
    runs: what each may be asked, None where that is not known, and how many of it at most.
    folder: of answers.
    """
    identity, kept = identity_of(annotator), answers_in(folder / folder_name(annotator) / ANSWERS, "")
    open_money: dict[str, float] = {}
    priced: dict[int, Mapping[str, float]] = {}
    apart, most, count, answered, example, known = 0.0, 0, 0, set[str](), None, True
    for questions, number in runs:
        count += 1
        if questions is None:
            known, most = False, most + number
            continue
        if id(questions) not in priced:  # of all runs at a seed they are the same
            keys = {key_of(identity, question): question for question in questions}
            found = kept.find(keys)
            answered |= found.keys()
            priced[id(questions)] = {
                key: annotator.money(question) for key, question in keys.items() if key not in found
            }
            open_money |= priced[id(questions)]
            example = example or next(iter(questions), None)
        highest = sorted(priced[id(questions)].values(), reverse=True)[:number]
        apart, most = apart + sum(highest), most + len(highest)
    if known:
        apart, most = min(apart, sum(open_money.values())), min(most, len(open_money))
    return Bill(annotator, count, most, len(answered), apart if known else None, example)
