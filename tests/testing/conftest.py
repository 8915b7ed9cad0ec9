"""One child for all measurements of a cost: starting Python and torch takes longer than most of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from labelbench_plus.isolation.cell import Cell
from labelbench_plus.testing import cost


@pytest.fixture(scope="module")
def warm_children() -> Iterator[None]:
    """Children of a kind stay until the module's tests are done; one that was killed starts anew by itself."""
    kept: dict[tuple[Path, ...], Cell] = {}

    def warm(files: tuple[Path, ...], *, read_first: bool) -> AbstractContextManager[Cell]:
        if files not in kept:
            kept[files] = Cell(files, read_first=read_first)
        return nullcontext(kept[files])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "Cell", warm)
        yield
    for cell in kept.values():
        cell.close()
