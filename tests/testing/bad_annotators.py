"""Annotators that are wrong on purpose, each in one way. `caught_by` is the check that must find it, and no other."""

from typing import ClassVar

from labelbench_plus.annotators import Annotator, annotators
from labelbench_plus.answers import PREFERENCE, SCORE, TEXT
from tests.testing.bad import bad_of, usual_faults

bad = bad_of(annotators)
CALLS = []


class Counting(Annotator):
    """A response is as good as it is long; a subclass spoils something."""

    kinds: ClassVar = {"score": SCORE, "pair": PREFERENCE}

    def ask(self, questions, desk):
        return [self.said(each) for each in questions]

    def said(self, question):
        sizes = [float(len(text)) for text in question.responses]
        return sizes[0] if len(sizes) == 1 else (sizes[1] > sizes[0]) - (sizes[1] < sizes[0])


usual_faults(annotators, Counting, "ask")


@bad("declaration")
class CanBeAskedForNothing(Counting):
    """Has no kinds."""

    kinds: ClassVar = {}


@bad("declaration")
class ScoresAreTexts(Counting):
    """Says that a score is a text."""

    kinds: ClassVar = {"score": TEXT}


@bad("price")
class CostsNothing(Counting):
    """Takes nothing of the budget."""

    def price(self, question):
        return 0.0


@bad("price")
class TakesMoneyAndIsNotPaid(Counting):
    """A check would ask it."""

    takes_money = True


@bad("price")
class TakesMoneyInSecret(Counting):
    """Nobody would be asked how much may be paid."""

    paid = True

    def money(self, question):
        return 1.0

    def ask(self, questions, desk):
        if desk is None:
            raise ValueError("nobody may be asked")
        return super().ask(questions, desk)


@bad("asks_nobody")
class AsksAnyway(Counting):
    """Is paid, and asks without a purse."""

    paid = True


@bad("answers")
class ForgetsTheLast(Counting):
    """One answer is missing."""

    def ask(self, questions, desk):
        return super().ask(questions, desk)[:-1]


@bad("answers")
class AnswersInWords(Counting):
    """A score that is a text."""

    kinds: ClassVar = {"score": SCORE}

    def said(self, question):
        return "good"


@bad("alone")
class Ranks(Counting):
    """Says how good a response is among those that it is asked about."""

    kinds: ClassVar = {"score": SCORE}

    def ask(self, questions, desk):
        found = super().ask(questions, desk)
        return [float(sorted(found).index(each)) for each in found]


@bad("place")
class LikesTheFirst(Counting):
    """Of two equally long ones, and of all others."""

    def said(self, question):
        return -1 if len(question.responses) == 2 else super().said(question)


@bad("repeatable")
class GetsTired(Counting):
    """What it says depends on how often it was asked for many answers."""

    kinds: ClassVar = {"score": SCORE}

    def ask(self, questions, desk):
        CALLS.extend(questions[:1] if len(questions) > 1 else ())
        return [each + len(CALLS) for each in super().ask(questions, desk)]


class Telling(Annotator):
    """Says what the data say, where that is said; a subclass spoils something."""

    kinds: ClassVar = {"answer": TEXT, "labels": TEXT}

    def ask(self, questions, desk):
        return [self.said(each) for each in questions]

    def said(self, question):
        return question.reference


@bad("classes")
class SaysNumbers(Telling):
    """Says which of the classes it is by number."""

    def said(self, question):
        one_of_them = question.classes and not question.several
        return str(question.classes.index(question.reference)) if one_of_them else question.reference


@bad("classes")
class ListsBackwards(Telling):
    """Names labels in an order of its own."""

    def said(self, question):
        return ", ".join(reversed(question.reference.split(", "))) if question.several else question.reference


@bad("classes")
class InventsLabels(Telling):
    """Names a label that there is not."""

    def said(self, question):
        return f"{question.reference}, horse" if question.several else question.reference
