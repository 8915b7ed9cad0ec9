"""What is asked of an annotator. Nobody who is paid is asked anything here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from labelbench_plus.answers import PREFERENCE, PREFERENCE_PROBABILITY, SCORE, TEXT, AnswerKind
from labelbench_plus.contracts.annotators import Annotator, Asked, Wanted, listed, unlisted
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.common_checks import add_common
from labelbench_plus.testing.report import Failure, Skip
from labelbench_plus.testing.subject import check_declaration, fresh
from labelbench_plus.testing.witness import watched

FITTING: dict[Wanted, tuple[AnswerKind, ...]] = {
    "answer": (TEXT,),
    "labels": (TEXT,),
    "score": (SCORE,),
    "pair": (PREFERENCE, PREFERENCE_PROBABILITY),
}
CLASSES = ("cat", "dog", "Great Dane", "none of these", "cow")
RESPONSES = ("Four legs.", "It has 4 legs, and a tail too.", "No idea!", "", "A wonderful, lovely cat.", "I hate it.")


@dataclass(frozen=True)
class Consulting:
    """One annotator and the ways to ask it."""

    plugin: Annotator

    @property
    def wanted(self) -> list[Wanted]:
        """What it can be asked for."""
        return [wanted for wanted in get_args(Wanted) if wanted in self.plugin.kinds]

    def questions(self, wanted: Wanted) -> list[Asked]:
        """Six questions."""
        if wanted == "labels":
            told = [CLASSES[:place] for place in range(len(CLASSES) + 1)]
            return [self._about(listed(CLASSES, names), place, several=True) for place, names in enumerate(told)]
        count = {"answer": 0, "score": 1, "pair": 2}[wanted]
        shifted = [RESPONSES[place:] + RESPONSES[:place] for place in range(len(RESPONSES))]
        return [
            Asked(f"What has a cat? ({place})", "4 legs", tuple(each[:count])) for place, each in enumerate(shifted)
        ]

    def of_classes(self) -> list[Asked]:
        """One question for each of the classes."""
        return [self._about(name, place, several=False) for place, name in enumerate(CLASSES)]

    def _about(self, reference: str, place: int, *, several: bool) -> Asked:
        return Asked(f"What lives in house {place}?", reference, (), CLASSES, None, several)

    def ask(self, questions: Sequence[Asked]) -> list[Any]:
        """Its answers, held to what every answer must be; of one that is paid, none."""
        if self.plugin.paid:
            raise Skip("somebody is paid, or asked who would rather not be: nothing is asked")
        with watched():
            said = fresh(self.plugin).ask(questions, None)
        if not isinstance(said, list) or len(said) != len(questions):
            what = f"{len(said)} answers" if isinstance(said, list) else type(said).__name__
            raise Failure("answers", f"expected a list of {len(questions)} answers, got {what}")
        kind = self.plugin.kinds[questions[0].wants]
        kind.check(*kind.held(said))
        return said

    def ordinary(self) -> list[Any]:
        if self.plugin.paid:
            return [self.plugin.fingerprint()]
        return [self.ask(self.questions(wanted)) for wanted in self.wanted]


CHECKS: Checks[Consulting] = Checks(Consulting)


@CHECKS.add(
    "declaration",
    "it is a registered frozen dataclass with a docstring, and says what it can be asked for",
    "`kinds` has an answer kind for each of 'answer', 'labels', 'score', 'pair' that it can be asked for, one at least",
    essential=True,
)
def _declaration(consulting: Consulting) -> str:
    check_declaration(consulting.plugin, "annotators")
    kinds = consulting.plugin.kinds
    if not kinds or set(kinds) - set(FITTING):
        raise Failure("declaration", f"kinds: expected some of {', '.join(FITTING)}, got {', '.join(map(str, kinds))}")
    for wanted, kind in kinds.items():
        if kind not in FITTING[wanted]:
            names = " or ".join(each.name for each in FITTING[wanted])
            raise Failure("declaration", f"kinds: answers to {wanted!r} are of kind {names}, not {kind!r}")
    return ", ".join(kinds)


@CHECKS.add(
    "classes",
    "asked about classes it says one of them, or all that are true, by their names; or None",
    "answer with a name in `question.classes`; where `question.several`, with `annotators.listed(classes, names)`",
)
def _classes(consulting: Consulting) -> str:
    asked = []
    if "answer" in consulting.wanted:
        asked += consulting.of_classes()
    if "labels" in consulting.wanted:
        asked += consulting.questions("labels")
    if not asked:
        raise Skip("it judges responses, and is asked about no classes")
    for question in asked:
        (said,) = consulting.ask([question])
        names = set(unlisted(said)) if question.several and said is not None else {said}
        if said is not None and not names <= set(question.classes):
            raise Failure("classes", f"asked for some of {', '.join(question.classes)} it said {said!r}")
        if question.several and said is not None and said != (due := listed(question.classes, names)):
            raise Failure("classes", f"expected {due!r}, each once and in order, got {said!r}")
    return f"{len(asked)} questions"


@CHECKS.add(
    "price",
    "what an answer takes of the budget, and of money, is known before it is asked; who takes money is paid",
    "`price` is above zero, `money` at least zero, and more only where `takes_money`, which goes with `paid`",
)
def _price(consulting: Consulting) -> None:
    plugin = consulting.plugin
    if plugin.takes_money and not plugin.paid:
        raise Failure("price", "takes_money is said, and paid is not: whoever is given money is paid")
    for question in consulting.questions(consulting.wanted[0]):
        price, money = plugin.price(question), plugin.money(question)
        if not (math.isfinite(price) and price > 0):
            raise Failure("price", f"price: expected a number above zero, got {price!r}")
        if not (math.isfinite(money) and money >= 0) or (money > 0 and not plugin.takes_money):
            raise Failure("price", f"money: expected zero, or more where takes_money is said, got {money!r}")


@CHECKS.add(
    "asks_nobody",
    "where asking is not allowed, a paid annotator asks nothing",
    "where `desk` is None, raise; checks and replays have no other way to be sure",
)
def _asks_nobody(consulting: Consulting) -> None:
    if not consulting.plugin.paid:
        raise Skip("it is not paid")
    try:
        fresh(consulting.plugin).ask(consulting.questions(consulting.wanted[0]), None)
    except Exception:  # whatever it says: it asked nobody
        return
    raise Failure("asks_nobody", "it answered without a place to keep answers, or a purse to pay from")


@CHECKS.add(
    "answers",
    "each question has an answer of the kind that was said, or None",
    "return plain numbers or texts, in the order of the questions, as many as there are questions",
    essential=True,
)
def _answers(consulting: Consulting) -> str:
    said = [each for wanted in consulting.wanted for each in consulting.ask(consulting.questions(wanted))]
    return f"{len(said)} answers, {said.count(None)} of them None"


@CHECKS.add(
    "alone",
    "an answer does not depend on which other questions are asked with it, or in which order",
    "answer each question by itself: which are asked together is a matter of rounds",
)
def _alone(consulting: Consulting) -> None:
    for wanted in consulting.wanted:
        questions = consulting.questions(wanted)
        together = consulting.ask(questions)
        for question, answer in zip(reversed(questions), reversed(together), strict=True):
            if (by_itself := consulting.ask([question])[0]) != answer:
                raise Failure("alone", f"asked with others it said {answer!r}, by itself {by_itself!r}")


@CHECKS.add(
    "place",
    "of two responses it prefers the same one, whichever comes first",
    "compare what they say; one who prefers a place is asked in both orders, and a difference is a tie",
)
def _place(consulting: Consulting) -> None:
    if "pair" not in consulting.wanted:
        raise Skip("it is not asked for pairs")
    questions = consulting.questions("pair")
    said = consulting.ask(questions)
    turned = consulting.ask([replace(each, responses=each.responses[::-1]) for each in questions])
    whole = 1.0 if consulting.plugin.kinds["pair"] is PREFERENCE_PROBABILITY else 0.0
    for question, one, other in zip(questions, said, turned, strict=True):
        if None not in (one, other) and not math.isclose(one + other, whole, abs_tol=1e-6):
            raise Failure("place", f"of {question.responses} it said {one!r}, and {other!r} the other way round")


add_common(CHECKS, "annotators")
