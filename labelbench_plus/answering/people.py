"""Questions that wait for people, in a folder that commands on any machine may share.

A question is a file, written once. A person's answer is a line in the store; a later one of the same person replaces
it, until a run has bought the answer: then the question is settled, in a file that is made once, and stays so.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from labelbench_plus.answering.judging import ABOUT, ANSWERS, answers_in
from labelbench_plus.answering.kept_answers import Kept
from labelbench_plus.answering.questions import as_json
from labelbench_plus.contracts.annotators import Annotator, Asked, listed, unlisted
from labelbench_plus.plugins import describe
from labelbench_plus.store.atomic import publish

QUESTIONS, SETTLED, IMAGES = "questions", "settled", "images"
UNDONE = "undone"


@dataclass(frozen=True)
class Waiting:
    """A question that waits.

    Attributes
    ----------
    key: of it. prompt, responses: what is asked about. wants: "answer", "labels", "score" or "pair".
    classes: one of which is the answer, or all of which that are true where labels are wanted; any text is where there
        are none.
    image: the file of the image that it is about, if it is about one.
    order: by which questions are asked.
    """

    key: str
    wants: str
    prompt: str
    responses: tuple[str, ...]
    classes: tuple[str, ...]
    image: Path | None
    order: tuple[float, int]

    @property
    def several(self) -> bool:
        """Whether any number of the classes may be true."""
        return self.wants == "labels"


class Asker(Protocol):
    """An annotator who asks people, as far as they are concerned.

    Attributes
    ----------
    label: what is asked for. people: how many answer each question. instructions: shown to the people who answer.
    lowest, highest: of scores.
    """

    name: str
    label: str
    people: int
    instructions: str
    lowest: float
    highest: float


class People:
    """The questions that an annotator's people are asked, and what they said.

    Parameters
    ----------
    folder: of the annotator, below the folder of answers.
    needed: how many people answer each.
    """

    def __init__(self, folder: Path, needed: int) -> None:
        self.folder, self.needed = folder, needed
        self._kept = answers_in(folder / ANSWERS, "")
        self._read: dict[str, Waiting] = {}

    def put(self, annotator: Annotator, questions: Mapping[str, Asked]) -> None:
        """Write down questions, those that are not."""
        for part in (QUESTIONS, SETTLED):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        publish(self.folder / ABOUT, json.dumps(describe(annotator, semantic_only=True), indent=1).encode())
        now = time.time()
        for number, (key, question) in enumerate(questions.items()):
            path = self.folder / QUESTIONS / f"{key}.json"
            if path.exists():
                continue
            if question.picture is not None:
                (self.folder / IMAGES).mkdir(exist_ok=True)
                publish(self._image(key), question.picture.png())
            said = {**as_json(question), "wants": question.wants, "order": [now, number]}
            publish(path, json.dumps(said).encode())

    def waiting(self, who: str | None = None) -> list[Waiting]:
        """Questions that are not settled and need answers: of a person, if one is named; in the order they came."""
        self._kept.refresh()
        try:
            keys = [name.removesuffix(".json") for name in os.listdir(self.folder / QUESTIONS) if name[0] != "."]
            settled = {name.removesuffix(".json") for name in os.listdir(self.folder / SETTLED)}
        except FileNotFoundError:
            return []
        said = {key: self.said(key) for key in keys if key not in settled}
        due = [key for key, by in said.items() if who not in by and len(by) < self.needed]
        return sorted(map(self.question, due), key=lambda question: question.order)

    def question(self, key: str) -> Waiting:
        """A question that was put."""
        if key not in self._read:
            said = json.loads((self.folder / QUESTIONS / f"{key}.json").read_bytes())
            image = self._image(key) if "image" in said else None
            responses, classes = tuple(said.get("responses", ())), tuple(said.get("classes", ()))
            self._read[key] = Waiting(
                key, said["wants"], said["prompt"], responses, classes, image, tuple(said["order"])
            )
        return self._read[key]

    def answer(self, key: str, who: str, value: Any, **about: Any) -> bool:
        """Keep a person's answer, in place of an earlier one. Returns whether the question was still open."""
        if self._is_settled(key):
            return False
        self._kept.add(key, value, 0.0, who=who, question=self.question(key).prompt, **about)
        return True

    def undo(self, key: str, who: str) -> bool:
        """Take a person's answer back. Returns whether the question was still open."""
        return self.answer(key, who, None, **{UNDONE: True})

    def said(self, key: str) -> dict[str, Kept]:
        """The last answer of each person to a question, in the order in which they gave them."""
        last = {kept.about["who"]: kept for kept in self._kept.find([key]).get(key, ())}
        there = [kept for kept in last.values() if not kept.about.get(UNDONE)]
        return {kept.about["who"]: kept for kept in sorted(there, key=lambda kept: kept.when)}

    def everything(self) -> Iterator[tuple[Waiting, dict[str, Kept]]]:
        """Every question, with what was said to it."""
        self._kept.refresh()
        for path in sorted((self.folder / QUESTIONS).glob("*.json")):
            yield self.question(path.stem), self.said(path.stem)

    def settled(self, key: str) -> tuple[Any, bool]:
        """A question's answer for good, and whether there is one: as soon as enough people gave theirs."""
        path = self.folder / SETTLED / f"{key}.json"
        with contextlib.suppress(FileNotFoundError):
            return json.loads(path.read_bytes())["answer"], True
        said = [*self.said(key).values()][: self.needed]
        if len(said) < self.needed:
            return None, False
        question = self.question(key)
        found = agreed([kept.answer for kept in said], question.wants, question.classes)
        publish(path, json.dumps({"answer": found, "by": [kept.about["who"] for kept in said]}).encode())
        return json.loads(path.read_bytes())["answer"], True  # the first to settle it says what it is

    def _is_settled(self, key: str) -> bool:
        return (self.folder / SETTLED / f"{key}.json").exists()

    def _image(self, key: str) -> Path:
        return self.folder / IMAGES / f"{key}.png"


def agreed(answers: list[Any], wants: str, classes: Sequence[str] = ()) -> Any:
    """What several people said, as one answer: the mean of scores, else what more than half of them said.

    Where they do not agree, a pair is a tie, and all else has no answer. Of labels each is looked at by itself: it is
    true where more than half of those who could tell named it.
    """
    given = [answer for answer in answers if answer is not None]
    if wants == "score":
        return sum(given) / len(given) if given else None
    if wants == "labels":
        named = Counter(name for answer in given for name in unlisted(answer))
        return listed(classes, {name for name in named if 2 * named[name] > len(given)}) if given else None
    value, count = Counter(answers).most_common(1)[0]
    if 2 * count > len(answers):
        return value
    return 0 if wants == "pair" and None not in answers else None
