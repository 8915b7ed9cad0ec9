"""What a selection is cut into: pieces of work that are done or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["prepare", "score", "score_all", "cut", "write"]


@dataclass(frozen=True)
class SelectionTask:
    """A piece of work: of which stage, and for "score" of which unit: a shard, or those that a strategy mixes."""

    kind: Kind
    stage: int = 0
    unit: int = 0

    def __str__(self) -> str:
        where = f" unit {self.unit}" if self.kind == "score" else ""
        return f"{self.kind} stage {self.stage}{where}" if self.kind != "write" else "write"


def independent(tasks: Sequence[SelectionTask]) -> bool:
    """Whether tasks of one phase may be done by different jobs: the scoring of shards."""
    return all(task.kind == "score" for task in tasks)
