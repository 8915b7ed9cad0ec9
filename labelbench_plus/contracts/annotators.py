"""Annotators: one file each. An annotator answers the questions that a problem's budget is spent on."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from labelbench_plus.answers import PREFERENCE, SCORE, TEXT, AnswerKind
from labelbench_plus.inputs.conversations import Conversation
from labelbench_plus.plugins import Plugin, Registry

Wanted = Literal["answer", "labels", "score", "pair"]
"""What is asked for: an answer to a prompt, classes that apply to it, the score of a response, or the better of two."""


class Picture:
    """An image that is asked about.

    Parameters
    ----------
    pixels: returns them, uint8 (height, width) or (height, width, 3), when they are first needed.
    """

    def __init__(self, pixels: Callable[[], np.ndarray]) -> None:
        self._pixels = pixels

    @cached_property
    def digest(self) -> str:
        """Hash of the pixels and their form."""
        pixels = np.ascontiguousarray(self._pixels())
        return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()

    def png(self) -> bytes:
        """The image as a PNG file."""
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(self._pixels()).save(buffer, format="png")
        return buffer.getvalue()


@dataclass(frozen=True)
class Asked:
    """What an annotator is asked.

    Attributes
    ----------
    prompt: the one to answer, or that was answered.
    reference: what the data say, for annotators that stand in for people or judges. No other annotator sees it.
    responses: the ones to judge: none to ask for an answer, one for a score, two for a comparison.
    classes: names, one of which is the answer; if empty, any text is.
    picture: the image that the prompt is about, if there is one.
    several: whether any number of the classes may apply. The answer and the reference then list their names in the
        order of the classes, as `listed` writes them.

    Raises
    ------
    ValueError
        More than two responses, or `several` without classes or with commas in their names.
    """

    prompt: Conversation
    reference: str | None = None
    responses: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    picture: Picture | None = None
    several: bool = False

    def __post_init__(self) -> None:
        if len(self.responses) > 2:
            raise ValueError(f"one response has a score and two are compared, got {len(self.responses)}")
        if self.several and (self.responses or not self.classes):
            raise ValueError("several: of classes, and of no responses")
        if self.several and (wrong := [name for name in self.classes if "," in name]):
            raise ValueError(f"several: names of classes are listed with commas between, so {wrong[0]!r} cannot be one")

    @property
    def wants(self) -> Wanted:
        """What is asked for."""
        wanted: tuple[Wanted, ...] = ("answer", "score", "pair")
        return "labels" if self.several else wanted[len(self.responses)]


def listed(classes: Sequence[str], names: Collection[str]) -> str:
    """The classes with these names as an answer: in the order of the classes, with commas between; empty for none."""
    return ", ".join(name for name in classes if name in names)


def unlisted(answer: str) -> tuple[str, ...]:
    """The names that `listed` wrote."""
    return tuple(answer.split(", ")) if answer else ()


@dataclass(frozen=True)
class Purse:
    """What a command may pay in total, over all its runs and processes.

    Attributes
    ----------
    id: identifies payments made from it.
    most: money, in the unit of the prices.
    """

    id: str
    most: float


@dataclass(frozen=True)
class Desk:
    """Where a run puts its questions.

    Attributes
    ----------
    folder: keeps the answers for all runs, so that nobody is asked or paid twice.
    purse: what may be paid from; None: nothing may be paid.
    notes: what asking came to (`from_store`, `money`), filled in by the annotator and kept with the round's costs.
    """

    folder: Path
    purse: Purse | None = None
    notes: dict[str, float] = field(default_factory=dict)


class Annotator(Plugin):
    """A person or a program that answers.

    Attributes
    ----------
    paid: whether an answer costs real money or a person's time. Checks, replays and whole-pool comparisons never ask
        such an annotator.
    takes_money: whether it costs money. A command then has to say how much may be paid.
    kinds: what it can be asked for, and the kind of answer to each. A higher score is better; a preference refers to
        the two responses in their order, and a tie is an answer like any other.
    """

    paid: ClassVar[bool] = False
    takes_money: ClassVar[bool] = False
    kinds: ClassVar[Mapping[Wanted, AnswerKind]] = {"answer": TEXT}

    def price(self, question: Asked) -> float:
        """What an answer costs of the budget, known before asking."""
        return 1.0

    def money(self, question: Asked) -> float:
        """The most that an answer may cost in money, zero by default. It does not count against the budget."""
        return 0.0

    def check_ready(self) -> None:
        """Refuse before any work if something is missing: a program, a key, a package.

        Raises
        ------
        ValueError
            Says what is missing and how to get it.
        """

    def disclosed(self, question: Asked) -> str:
        """What leaves the machine and to whom, with what is sent for one question; empty if nothing does."""
        return ""

    def ask(self, questions: Sequence[Asked], desk: Desk | None) -> list[Any]:
        """An answer to each question, in their order; None where there is none.

        Parameters
        ----------
        questions: each of a form that `kinds` lists.
        desk: where they are put; None if nobody may be asked.

        Raises
        ------
        AnswersPending
            An answer is still to come.
        """
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Hash of what determines its answers beyond its hyperparameters (rubric, model, version); empty if nothing."""
        return ""


class Scorer(Annotator):
    """Base of annotators that score a response: of two they prefer the higher, and equal scores are a tie."""

    kinds: ClassVar[Mapping[Wanted, AnswerKind]] = {"score": SCORE, "pair": PREFERENCE}

    def scores(self, questions: Sequence[Asked]) -> Sequence[float]:
        """(n,) how good each response is, of questions with one response each."""
        raise NotImplementedError

    def ask(self, questions: Sequence[Asked], desk: Desk | None) -> list[Any]:
        single = [Asked(each.prompt, each.reference, (text,)) for each in questions for text in each.responses]
        found = iter(map(float, self.scores(single)))
        said: list[Any] = []
        for each in questions:
            values = [next(found) for _ in each.responses]
            said.append(values[0] if len(values) == 1 else (values[1] > values[0]) - (values[1] < values[0]))
        return said


def check_asked(annotator: Annotator, wanted: Wanted) -> AnswerKind:
    """The kind of an annotator's answers to what is asked for.

    Raises
    ------
    ValueError
        It cannot be asked for that; the message says what it can be asked for.
    """
    if wanted not in annotator.kinds:
        raise ValueError(
            f"annotator {annotator.name!r} cannot be asked for {IN_WORDS[wanted]}; it can be for "
            f"{' and '.join(IN_WORDS[each] for each in annotator.kinds)}"
        )
    return annotator.kinds[wanted]


IN_WORDS: Mapping[Wanted, str] = {
    "answer": "an answer to a prompt",
    "labels": "which classes are true of something",
    "score": "the score of a response",
    "pair": "the better of two responses",
}

annotators = Registry("annotator", Annotator, "labelbench_plus.annotators")
