"""What a check of a submission may run and what it never follows, from the registry and the marks of fields."""

from __future__ import annotations

import dataclasses
from typing import get_type_hints

from catalogue import loaded
from prose import cell

from labelbench_plus.plugins import Outside, kinds

NO_PART_OF_A_RUN = {"launchers"}


def check() -> str:
    """The page of both."""
    lines = [
        "# What a check runs",
        "",
        "`lbp submission check`, `lbp import wandb` and `lbp restore` read configs that anybody may have written. What "
        "a check or an import may run are the plugins below, on hyperparameters of a stranger's choice; data are read "
        "and problems made in a process with bounded time and memory, which is no sandbox. Plugins of other packages "
        "are run only if their package is allowed (`--allow PACKAGE`), files only if they are given (`--plugin FILE`).",
        "",
    ]
    rows = []
    for kind in kinds():
        if kind in NO_PART_OF_A_RUN:
            continue
        own = loaded(kind)
        lines.append(f"* **{kind}** ({len(own)}): {', '.join(f'`{name}`' for name in own)}")
        for name, cls in own.items():
            hints = get_type_hints(cls, include_extras=True)
            for field in dataclasses.fields(cls):
                for mark in getattr(hints[field.name], "__metadata__", ()):
                    if isinstance(mark, Outside):
                        rows.append(f"| `{kind}.{name}.{field.name}` | {mark.to} | {cell(which(mark))} |")
    return "\n".join(
        [
            *lines,
            "",
            "## Fields that lead outside",
            "",
            "Nothing is built with these values, unless the very value is allowed: "
            "`--allow datasets.arrays.path=mine.npz`. Without, a check says what it could not build, and the run earns "
            "no badge. A path in another package's plugin leads outside whether it is marked or not.",
            "",
            "| field | leads to | with |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def which(mark: Outside) -> str:
    """Which values lead outside, in words."""
    if mark.only:
        return ", ".join(f"`{value}`" for value in mark.only)
    if mark.beginning:
        return f"what begins with `{mark.beginning}`"
    return f"every value but {', '.join(f'`{value}`' for value in mark.but)}" if mark.but else "every value"
