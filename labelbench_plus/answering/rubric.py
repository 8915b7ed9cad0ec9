"""A judge's rubric: what it is told, with places for what it judges."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelbench_plus.contracts.annotators import Wanted

BREAK = "\n---\n"
PLACE = re.compile(r"\{(prompt|response|a|b|classes)\}")
PLACES: Mapping[Wanted, frozenset[str]] = {
    "answer": frozenset({"prompt"}),
    "labels": frozenset({"prompt"}),
    "score": frozenset({"prompt", "response"}),
    "pair": frozenset({"prompt", "a", "b"}),
}


@dataclass(frozen=True)
class Rubric:
    """A text with places: what stands before a line `---` is the system's, what follows the user's.

    Of an answer and of labels, {classes} may be one: the names of those that there are.

    Raises
    ------
    ValueError
        A place is missing, or one that this kind of question does not have is there.
    """

    system: str
    user: str
    wanted: Wanted

    def __post_init__(self) -> None:
        there, due = set(PLACE.findall(self.user)), PLACES[self.wanted]
        if self.wanted in ("answer", "labels"):
            due = due | (there & {"classes"})
        if there != due or PLACE.search(self.system):
            places = ", ".join(f"{{{name}}}" for name in sorted(due))
            raise ValueError(
                f"a rubric for {self.wanted!r} has the places {places}, after the line --- if there is one; this one "
                f"has {', '.join(f'{{{name}}}' for name in sorted(there)) or 'none'} there"
            )

    @classmethod
    def read(cls, path: Path, wanted: Wanted) -> Rubric:
        """The rubric in a file.

        Raises
        ------
        ValueError
            It is none.
        OSError
            It cannot be read.
        """
        text = path.read_text(encoding="utf-8")
        system, found, user = text.partition(BREAK)
        try:
            return cls(system.strip() if found else "", user.strip() if found else text.strip(), wanted)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def messages(self, values: Mapping[str, str]) -> list[dict[str, Any]]:
        """The messages of a request. What is filled in is not searched for places again."""
        user = PLACE.sub(lambda match: values[match[1]], self.user)
        said = [{"role": "system", "content": self.system}] if self.system else []
        return [*said, {"role": "user", "content": user}]
