"""Questions with accepted answers, divided by task into test, seed demonstrations, validation and pool."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge

from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.prompts import SEED_LINE, Prompt, PromptData, PromptSource, TestItem
from labelbench_plus.seeding import Streams

SPLIT_SEED = 0


@dataclass(frozen=True)
class Question:
    """A prompt and the answers that are right, the reference first."""

    prompt: Prompt
    accepted: tuple[str, ...]
    choices: tuple[str, ...] = ()

    @property
    def demonstration(self) -> Demonstration:
        return Demonstration(self.prompt.said, self.accepted[0])


@dataclass(frozen=True)
class Divided(PromptSource):
    """Base of sources that have questions, which are divided here.

    Parameters
    ----------
    pool: how many prompts the pool has; all that are left if left out.
    test: questions of a task that are held out at most.
    demonstrations: how many every run gets with their answers, beside the budget.
    validation: how many are for trainers that declare validation labels.
    longest: how many characters a question's reference answer may have; any number if left out.

    Attributes
    ----------
    fewest: questions that a task must have to be one: a third of fewer is no test.
    """

    fewest: ClassVar[int] = 12

    pool: Annotated[int | None, Ge(1)] = None
    test: Annotated[int, Ge(1)] = 10
    demonstrations: Annotated[int, Ge(0)] = 0
    validation: Annotated[int, Ge(0)] = 0
    longest: Annotated[int | None, Ge(1)] = None

    def questions(self) -> Iterable[Question]:
        """All there are, in an order that is always the same."""
        raise NotImplementedError

    def load(self) -> PromptData:
        """Read and divide them. Raises what `PromptSource.load` does."""
        questions = [
            question
            for question in self.questions()
            if self.longest is None or len(question.accepted[0]) <= self.longest
        ]
        return divided(
            questions,
            fewest=self.fewest,
            test=self.test,
            demonstrations=self.demonstrations,
            validation=self.validation,
            pool=self.pool,
        )

    def capacity(self) -> float:
        return super().capacity() if self.pool is None else float(self.pool)

    def max_price(self) -> float:
        return 1.0  # these sources have no prices

    def validation_labels(self) -> int:
        return self.validation

    def beside(self) -> Mapping[str, int]:
        return {SEED_LINE: self.demonstrations}


def divided(
    questions: Iterable[Question], *, fewest: int, test: int, demonstrations: int, validation: int, pool: int | None
) -> PromptData:
    """The questions as data whose split is the same for every run.

    Of each task, in its order, a third but at most `test` are drawn for the test set; tasks with fewer than `fewest`
    questions are left out. Of the others, in random order, come first seed demonstrations, then validation, then the
    pool, so that all three have the tasks as often as there are questions of them.

    Parameters
    ----------
    pool: how many prompts it has; all that are left if None.

    Raises
    ------
    ValueError
        There are fewer questions than asked for.
    """
    by_task: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        by_task[question.prompt.task].append(question)
    held, rest = [], []
    for task, members in sorted(by_task.items()):
        if len(members) < fewest:
            continue
        order = Streams(SPLIT_SEED).rng(f"test {task}").permutation(len(members)).tolist()
        size = min(test, len(members) // 3)
        held += [members[row] for row in sorted(order[:size])]
        rest += [members[row] for row in sorted(order[size:])]
    wanted = demonstrations + validation
    if len(rest) <= wanted or len(rest) - wanted < (pool or 0):
        raise ValueError(
            f"{len(rest)} questions of {len(by_task)} tasks are left beside the test set, fewer than pool "
            f"{pool or 'of at least 1'}, demonstrations {demonstrations} and validation {validation} together"
        )
    order = Streams(SPLIT_SEED).rng("pool").permutation(len(rest)).tolist()
    shuffled = [rest[row] for row in order]
    asked = shuffled[wanted : None if pool is None else wanted + pool]
    return PromptData(
        pool=tuple(question.prompt for question in asked),
        pool_answers=tuple(question.accepted[0] for question in asked),
        test=tuple(TestItem(question.prompt, question.accepted, question.choices) for question in held),
        seed=tuple(question.demonstration for question in shuffled[:demonstrations]),
        validation=tuple(question.demonstration for question in shuffled[demonstrations:wanted]),
    )
