"""People, who answer when they have time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge

from labelbench_plus.annotators import Annotator, Asked, Desk, Wanted, annotators
from labelbench_plus.answering.people import People
from labelbench_plus.answering.questions import folder_name, identity_of, key_of
from labelbench_plus.answers import PREFERENCE, SCORE, TEXT, AnswerKind
from labelbench_plus.oracle import AnswersPending
from labelbench_plus.shown import counted, say

KINDS: Mapping[Wanted, AnswerKind] = {"answer": TEXT, "labels": TEXT, "score": SCORE, "pair": PREFERENCE}


@annotators.register("queue")
@dataclass(frozen=True)
class Queue(Annotator):
    """Questions are written down, and people answer them with `lbp annotate`: in a terminal, or on a page in a browser.

    A run that needs answers waits: it is released, and resumes when it is run again once the answers are there.
    Each question costs one of the budget, however many people answer it. Of several people's scores the mean counts, of
    labels each that more than half of them named, of their other answers what more than half of them said; a pair on
    which they differ is a tie, and any other question has no answer then.

    Parameters
    ----------
    label: what is asked for: the answer to a prompt or the class of an item, all "labels" that are true of it, the
        score of a response, or the better of a pair.
    people: how many different people answer each question.
    instructions: shown to the people who answer.
    lowest, highest: of scores.
    """

    title = "People"
    in_labels = frozenset({"label", "people"})
    paid: ClassVar[bool] = True

    label: Literal["answer", "labels", "score", "pair"] = "answer"
    people: Annotated[int, Ge(1)] = 1
    instructions: str = ""
    lowest: float = 0.0
    highest: float = 5.0

    def __post_init__(self) -> None:
        if self.lowest >= self.highest:
            raise ValueError(f"lowest {self.lowest:g} must be below highest {self.highest:g}")

    @property
    def kinds(self) -> Mapping[Wanted, AnswerKind]:  # type: ignore[override]
        return {self.label: KINDS[self.label]}

    def ask(self, questions: Sequence[Asked], desk: Desk | None) -> list[Any]:
        if desk is None:
            raise AnswersPending(len(questions))
        folder, identity = desk.folder / folder_name(self), identity_of(self)
        keys = [key_of(identity, question) for question in questions]
        people = People(folder, self.people)
        people.put(self, dict(zip(keys, questions, strict=True)))
        found = {key: people.settled(key) for key in dict.fromkeys(keys)}
        if missing := sum(not there for _, there in found.values()):
            say(f"{counted(missing, 'question')} for people: lbp annotate {folder}", flush=True)
            raise AnswersPending(missing)
        desk.notes["unanswered"] = float(sum(found[key][0] is None for key in keys))
        return [found[key][0] for key in keys]
