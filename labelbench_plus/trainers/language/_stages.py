"""A fit in stages, one checkpoint: what is kept says in which stage it was, and what the stages before came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelbench_plus.trainers.language._tuning import Keeps


class Stage:
    """A stage's way to the checkpoint of the whole fit, for those who know a `Keeper`.

    Parameters
    ----------
    came_to: what the stages before came to; kept beside the stage's own state.
    """

    def __init__(self, keeper: Keeps, name: str, came_to: Mapping[str, Any]) -> None:
        self._keeper, self._name, self._came_to = keeper, name, came_to

    def due(self) -> bool:
        return self._keeper.due()

    def keep(self, state: Mapping[str, Any]) -> None:
        self._keeper.keep({"stage": self._name, "came_to": dict(self._came_to), "state": dict(state)})

    def kept(self) -> dict[str, Any] | None:
        state = self._keeper.kept()
        found: dict[str, Any] | None = (
            state["state"] if state is not None and state.get("stage") == self._name else None
        )
        return found


def reached(keeper: Keeps) -> tuple[str, dict[str, Any]]:
    """The stage in which a fit was left off, and what those before came to; none of both if it was not begun."""
    state = keeper.kept() or {}
    return state.get("stage", ""), state.get("came_to", {})
