"""One person answering, one question after the other: on a terminal and on a page alike."""

from __future__ import annotations

from labelbench_plus.answering.people import People, Waiting
from labelbench_plus.answering.replies import understood


class Sitting:
    """What one person does.

    Parameters
    ----------
    scale: the lowest and the highest score.

    Attributes
    ----------
    done: keys of the questions that were answered here, in order.
    """

    def __init__(self, people: People, who: str, scale: tuple[float, float]) -> None:
        self.people, self.who, self.scale = people, who, scale
        self.done: list[str] = []
        self._skipped: list[str] = []
        self._again: str | None = None

    def left(self) -> list[Waiting]:
        """The questions that are left for this person, the next one first: what was skipped comes last."""
        due = self.people.waiting(self.who)
        order = {key: number for number, key in enumerate(self._skipped, 1)}
        return sorted(due, key=lambda question: (question.key != self._again, order.get(question.key, 0)))

    def answer(self, key: str, text: str) -> bool:
        """Take a text as the answer. Returns whether the question was still open.

        Raises
        ------
        ValueError
            It is no answer; the message says what would be one.
        """
        value = understood(self.people.question(key), text, self.scale)
        return self._keep(key, value)

    def nothing(self, key: str) -> bool:
        """Say that nobody can answer this: it is an answer too. Returns whether the question was still open."""
        return self._keep(key, None)

    def skip(self, key: str) -> None:
        """Leave a question for later."""
        self._again = None
        self._skipped = [*(other for other in self._skipped if other != key), key]

    def undo(self) -> Waiting | None:
        """Take the last answer back, and be asked again; None if there is none that can be taken back."""
        while self.done:
            key = self.done.pop()
            if self.people.undo(key, self.who):
                self._again = key
                return self.people.question(key)
        return None

    def _keep(self, key: str, value: object) -> bool:
        kept, self._again = self.people.answer(key, self.who, value), None
        if kept:
            self.done.append(key)
        return kept
