"""Bring your own prompts: a file with one JSON object per line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from annotated_types import Ge

from labelbench_plus.inputs.conversations import Conversation, Turn, turns
from labelbench_plus.inputs.plain_json import JsonRefused, read
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.prompts import Prompt, prompts
from labelbench_plus.prompts._split import Divided, Question

ANSWERS = ("answer", "accepted", "completion")
KEYS = ("prompt", *ANSWERS, "choices", "task", "origin", "run", "row")
SHOWN = 20  # bad lines that a message names


@prompts.register("json_lines")
@dataclass(frozen=True, kw_only=True)
class JsonLines(Divided):
    """Your own prompts, from a file with one JSON object per line: `{"prompt": "…", "answer": "…", "task": "…"}`.

    `prompt` is a text, or a conversation: a list of `{"role": "system" | "user" | "assistant", "content": "…"}` that
    ends with the user's turn. In place of `answer` there may be `accepted`, a list of right answers, the reference
    first, or `completion`, a text or a list of one turn of the assistant's, as `lbp export --sft` writes it. `choices`
    are what is chosen from, the reference among them. `task` may be left out; scores are averaged over tasks. `origin`,
    `run` and `row` are not read.

    Parameters
    ----------
    path: the file. What counts for a run's identity is its content, not where it lies.
    pool, demonstrations, validation, longest: how the prompts are divided; see `trivia`.
    test: prompts of a task that are held out at most, and no more than a third of them.
    """

    title = "Your own prompts"

    fewest: ClassVar[int] = 0

    path: Annotated[Path, Infra(), Outside("files")]
    test: Annotated[int, Ge(1)] = 200

    @classmethod
    def example(cls) -> None:  # which file is to be said
        return None

    def questions(self) -> list[Question]:
        """All lines. Raises ValueError with the number of every line that is none, and what is wrong with it."""
        path = self.path.expanduser()
        found, bad = [], []
        for number, line in _lines(path):
            try:
                found.append(_question(read(line)))
            except (JsonRefused, ValueError) as error:
                bad.append(f"line {number}: {error}")
        if bad:
            more = [f"and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else []
            raise ValueError(f"{path}: {len(bad)} lines are no prompts: {'; '.join([*bad[:SHOWN], *more])}")
        return found


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number, from 1 on, and content of every line that is not empty."""
    try:
        with open(path, "rb") as file:
            yield from ((number, line) for number, line in enumerate(file, start=1) if line.strip())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file; name one with one JSON object per line: path: FILE") from error


def _question(value: Any) -> Question:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object with {', '.join(KEYS)}, got {type(value).__name__}")
    if unknown := sorted(set(value) - {*KEYS}):
        raise ValueError(f"unknown key {unknown[0]!r}; there are {', '.join(KEYS)}")
    accepted = _accepted(value)
    choices = _texts(value["choices"], "choices") if "choices" in value else ()
    if choices and accepted[0] not in choices:
        raise ValueError(f"the reference {accepted[0]!r:.60} is none of the choices")
    task = value.get("task", "prompts")
    if not isinstance(task, str):
        raise ValueError(f"'task' must be a text, got {task!r:.60}")
    return Question(Prompt(_said(value.get("prompt")), task), accepted, choices)


def _accepted(value: dict[str, Any]) -> tuple[str, ...]:
    """The right answers of a line, the reference first."""
    given = [key for key in ANSWERS if key in value]
    if len(given) != 1:
        raise ValueError("expected either 'answer', 'accepted' or 'completion'")
    (key,), found = given, value[given[0]]
    if key == "completion" and isinstance(found, list):
        said = _turns(found)
        if len(said) != 1 or said[0].role != "assistant":
            raise ValueError("'completion' must be a text, or a list of one turn of the assistant's")
        found = said[0].text
    return _texts(found if key == "accepted" else [found], key)


def _texts(value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(text, str) and text.strip() for text in value):
        one = key in ("answer", "completion")
        raise ValueError(f"{key!r} must be {'a text' if one else 'a list of texts'}, not empty")
    return tuple(value)


def _said(value: Any) -> Conversation:
    if isinstance(value, str) and value.strip():
        return value
    if not isinstance(value, list) or not value:
        raise ValueError("'prompt' must be a text that is not empty, or a list of turns")
    said = _turns(value)
    turns(said)
    return said


def _turns(value: list[Any]) -> tuple[Turn, ...]:
    for turn in value:
        if not isinstance(turn, dict) or set(turn) != {"role", "content"} or not isinstance(turn["content"], str):
            raise ValueError(f"a turn must have a 'role' and a text as 'content', got {turn!r:.60}")
    return tuple(Turn(turn["role"], turn["content"]) for turn in value)
