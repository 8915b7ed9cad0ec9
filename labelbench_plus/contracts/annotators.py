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
"""What is asked for: an answer to a prompt, which of some classes are true of it, how good a response is, or which of
two is better."""


class Picture:
    """An image that is asked about.

    Parameters
    ----------
    pixels: gives them, uint8 (height, width) or (height, width, 3), when they are first needed.
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
    prompt: to be answered, or that was.
    reference: what the data say, for annotators that stand in for somebody. Nobody else is shown it.
    responses: to be judged: none where an answer is wanted, one for its score, two to be compared.
    classes: one of which, by name, is the answer; any text is where there are none.
    picture: what the prompt is about, if it is an image.
    several: whether any number of the classes may be true. The answer, and the reference, are then their names in the
        order of the classes, as `listed` writes them.

    Raises
    ------
    ValueError
        More than two responses, or several of no classes, or of such with a comma in their names.
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
    """What a command may pay, all its runs and processes together.

    Attributes
    ----------
    id: by which payments out of it are known again.
    most: money, in the unit of the prices.
    """

    id: str
    most: float


@dataclass(frozen=True)
class Desk:
    """Where a run's questions are put.

    Attributes
    ----------
    folder: in which answers are kept for all runs, so that nobody is asked, or paid, twice.
    purse: what may be paid out of; nothing may where it is None.
    notes: what asking came to, which the annotator fills in (`from_store`, `money`). A round's costs hold it.
    """

    folder: Path
    purse: Purse | None = None
    notes: dict[str, float] = field(default_factory=dict)


class Annotator(Plugin):
    """Somebody, or something, that answers.

    Attributes
    ----------
    paid: whether an answer costs real money or a person's time. Checks, replays and whole-pool comparisons never ask
        such an annotator.
    takes_money: whether it is money. A command then has to say how much may be paid.
    kinds: what it can be asked for, and the kind of its answers to that. More of a score is better; a preference is
        about the two responses in their order, and a tie is an answer like any other.
    """

    paid: ClassVar[bool] = False
    takes_money: ClassVar[bool] = False
    kinds: ClassVar[Mapping[Wanted, AnswerKind]] = {"answer": TEXT}

    def price(self, question: Asked) -> float:
        """What an answer takes of the budget, known before it is asked."""
        return 1.0

    def money(self, question: Asked) -> float:
        """What an answer may cost at most, in money: nothing unless it says so. It takes no part of the budget."""
        return 0.0

    def check_ready(self) -> None:
        """Refuse, before any work, to be asked where something is missing for it: a program, a key, a package.

        Raises
        ------
        ValueError
            Says what is missing, and how to come by it.
        """

    def disclosed(self, question: Asked) -> str:
        """What leaves the machine, and to whom, with what is sent about one question; empty if nothing does."""
        return ""

    def ask(self, questions: Sequence[Asked], desk: Desk | None) -> list[Any]:
        """An answer to each question, in their order; None where there is none.

        Parameters
        ----------
        questions: all of them of what is in `kinds`.
        desk: where they are put; None where nobody may be asked.

        Raises
        ------
        AnswersPending
            Somebody has to answer first.
        """
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Hash of what decides its answers beyond its hyperparameters (rubric, model, version); empty if nothing."""
        return ""


class Scorer(Annotator):
    """Base of annotators that give a response a number: of two they prefer the one with more, and equals are a tie."""

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
        It cannot be asked for that; the message says for what it can.
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
