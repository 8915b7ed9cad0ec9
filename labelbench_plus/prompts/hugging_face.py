"""Prompts of the Hugging Face hub, or in its form on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Interval

from labelbench_plus.faults import did_you_mean
from labelbench_plus.inputs.conversations import Turn, turns
from labelbench_plus.inputs.hub import table
from labelbench_plus.plugins import Infra, Outside, Since
from labelbench_plus.prompts import Prompt, prompts
from labelbench_plus.prompts._split import Divided, Question

logger = logging.getLogger(__name__)


@prompts.register("hugging_face")
@dataclass(frozen=True)
class HuggingFace(Divided):
    """Prompts and answers, read through the package `datasets` (extra `hugging-face`).

    Either `hub` or `folder` is given. A row has a prompt and an answer in columns of their own, or a conversation in
    one, whose last assistant's turn is the answer to what is before it. Rows without either are left out and counted.

    Parameters
    ----------
    hub: name on the hub ("openai/gsm8k"), which needs a network or the hub's cache.
    folder: a folder that `save_to_disk` wrote, or one of parquet, CSV or JSON files that `load_dataset` can read. What
        counts for a run's identity is the content, not where it lies.
    config, revision: which of the hub's configurations and versions; the version should be given, as others change.
    files: names of the files that are read, where the others there have other columns; their split is `train`.
    split: the name of the split that is read.
    prompt, answer: names of columns. An answer may be a list of texts, all of which are accepted.
    messages: the column of conversations, in place of both: lists of turns with "role" and "content".
    task: the column that says what kind of question it is; one kind for all if left out.
    lacking: share of the rows that may have no prompt or no answer; more are refused.
    pool, demonstrations, validation, longest: how the prompts are divided; see `trivia`.
    test: prompts of a task that are held out at most, and no more than a third of them.
    """

    title = "Hugging Face hub"

    fewest: ClassVar[int] = 0

    hub: Annotated[str | None, Outside("the network")] = None
    folder: Annotated[Path | None, Infra(), Outside("files")] = None
    config: str | None = None
    revision: str | None = None
    split: str = "train"
    prompt: str = "prompt"
    answer: str = "answer"
    messages: str | None = None
    task: str | None = None
    test: Annotated[int, Ge(1)] = 200
    lacking: Annotated[float, Interval(ge=0, le=1), Infra()] = 0.1
    files: Annotated[tuple[str, ...], Since("0.1"), Outside("files")] = ()

    @classmethod
    def example(cls) -> None:  # which data set is to be said
        return None

    def dataset_name(self) -> str:
        return self.hub or self.name

    def questions(self) -> Iterator[Question]:
        found = table("prompt source 'hugging_face'", self.hub, self.folder, self.config, self.revision, self.files)
        called = f"data set {self.hub}" if self.hub else str(self.folder)
        if self.split not in found:
            hint = did_you_mean(self.split, found)
            raise ValueError(f"{called} has no split {self.split}; it has {', '.join(found)}{hint}")
        rows = found[self.split]
        asked = [self.messages] if self.messages is not None else [self.prompt, self.answer]
        wanted = [*asked, *([self.task] if self.task is not None else [])]
        if absent := [name for name in wanted if name not in rows.features]:
            hint = did_you_mean(absent[0], rows.features)
            raise ValueError(f"{called} has no column {', '.join(absent)}; it has {', '.join(rows.features)}{hint}")
        left_out: list[int] = []
        for number, row in enumerate(rows.select_columns(wanted)):
            task = str(row[self.task]) if self.task is not None else "prompts"
            try:
                question = self._of_messages(row, task) if self.messages is not None else self._of_columns(row, task)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{called}, row {number} of split {self.split}: {error}") from error
            if question is None:
                left_out.append(number)
            else:
                yield question
        if left_out:
            what = f"{called}: {len(left_out)} of {len(rows)} rows have no prompt or no answer, row {left_out[0]} first"
            if len(left_out) > self.lacking * len(rows):
                raise ValueError(f"{what}; raise `lacking` from {self.lacking:g} where they may be left out")
            logger.warning("%s; they are left out", what)

    def _of_columns(self, row: dict[str, Any], task: str) -> Question | None:
        asked, answer = row[self.prompt], row[self.answer]
        accepted = answer if isinstance(answer, list) else [answer]
        if not asked or not accepted or not accepted[0]:
            return None
        if wrong := [value for value in (asked, *accepted) if not isinstance(value, str)]:
            raise ValueError(f"prompt and answer must be texts, got {wrong[0]!r:.60}")
        return Question(Prompt(asked, task), tuple(accepted))

    def _of_messages(self, row: dict[Any, Any], task: str) -> Question | None:
        said = [Turn(turn["role"], turn["content"]) for turn in row[self.messages]]
        last = max((place for place, turn in enumerate(said) if turn.role == "assistant"), default=0)
        if last == 0 or not said[last].text:
            return None
        before = tuple(said[:last])
        turns(before)
        alone = len(before) == 1
        return Question(Prompt(before[0].text if alone else before, task), (said[last].text,))
