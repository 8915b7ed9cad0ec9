"""Conversations as inputs: what a language model is shown, and the answers that it is taught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Turn:
    """What one side of a conversation says."""

    role: Role
    text: str

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise ValueError(f"unknown role {self.role!r}: one of {', '.join(get_args(Role))}")


Conversation = str | tuple[Turn, ...]
"""A prompt: a text is what a user says first; turns end with one of the user's."""


@dataclass(frozen=True)
class Demonstration:
    """A prompt and how it is answered."""

    prompt: Conversation
    response: str


def turns(prompt: Conversation) -> tuple[Turn, ...]:
    """The turns of a prompt.

    Raises
    ------
    ValueError
        It does not end with the user's turn.
    """
    found = (Turn("user", prompt),) if isinstance(prompt, str) else prompt
    if not found or found[-1].role != "user":
        raise ValueError(f"a prompt must end with the user's turn, got {found!r:.200}")
    return found
