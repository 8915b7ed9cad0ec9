"""The page of definitions: the text above the modules that work numbers out, and what runs must be to count at all."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass

MODULES = (
    "paired",
    "estimates",
    "areas",
    "pairwise",
    "multiplicity",
    "ranks",
    "savings",
    "isotonic_fit",
    "penalty",
    "aggregates",
    "shares",
    "improvement",
    "profiles",
    "resampling",
    "across",
    "beaten",
    "power",
)

BESIDE_RANKS = ("matrix", "claims", "series", "guards", "facets")

CONTRACT = (
    "What counts. A run is one (problem, strategy, trainer, budget, seed). It is left out, and named in a warning, "
    "when it is incomplete, off the declared budget grid, or has a metric that is not finite; nothing is interpolated. "
    "Where all strategies are meant to start equal, the metric after the first round must be the same for all of them "
    "at each seed; a warning says where it is not.",
    "Tracks. Results share a table when the task, the unit and decade of the budget, the metric, baseline, trainer and "
    "all facets that the problems declare (such as an encoder) are the same. A setting is one problem under one "
    "trainer.",
    "Splits. A problem that says `resplit` divides its examples anew at each seed, so that intervals show what another "
    "test set would change. Without it, all seeds share the data set’s own test set, and intervals leave that out.",
    "Direction. For an error, lower is better. Gains are signed so that above zero is better for every metric, and an "
    "error reaches a level by falling to it.",
    "Other scores. A problem can have boards show scores beside the one that ranks, each with a sentence on what it "
    "leaves out. They rank nothing, however good they look.",
    "Trust. Imported: published elsewhere and read in. Self-reported: as its authors sent it. Checked: its schema, "
    "budgets and hashes hold. Replayed: models trained again on what was bought score the same. Re-run: computed again "
    "here from scratch.",
)


@dataclass(frozen=True)
class Definition:
    """One section: `anchor` to link to, `heading`, `paragraphs` of plain text."""

    anchor: str
    heading: str
    paragraphs: tuple[str, ...]


def definitions() -> tuple[Definition, ...]:
    """All sections in reading order."""
    return tuple(_of_text(text.partition(".")[0].lower().replace(" ", "-"), text, ". ") for text in CONTRACT) + tuple(
        _of_text(name, _docstring(f"{package}{name}"), ": ")
        for package, names in (("statistics.", MODULES), ("", BESIDE_RANKS))
        for name in names
    )


def _docstring(name: str) -> str:
    module = importlib.import_module(f"labelbench_plus.leaderboard.{name}")
    return inspect.getdoc(module) or ""


def _of_text(anchor: str, text: str, after_heading: str) -> Definition:
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    heading, _, first = paragraphs[0].partition(after_heading)
    return Definition(anchor, heading, (first[:1].upper() + first[1:], *paragraphs[1:]))
