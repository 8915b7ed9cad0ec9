"""Kinds of questions: one file each. Isolation, kit, checks and docs ask these objects what a kind is like."""

from labelbench_plus.questions.allocation import AllocationQuestion
from labelbench_plus.questions.items import ItemsQuestion
from labelbench_plus.questions.question import Question
from labelbench_plus.questions.stream import StreamQuestion

QUESTIONS: tuple[Question, ...] = (ItemsQuestion(), StreamQuestion(), AllocationQuestion())


def of(name: str) -> Question:
    """The question declared as `query` by strategies and problems; one that knows nothing for a third-party kind."""
    return next((question for question in QUESTIONS if question.name == name), Question(name))


__all__ = ["QUESTIONS", "Question", "of"]
