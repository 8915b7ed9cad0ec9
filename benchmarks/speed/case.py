"""What an entry of the speed table consists of."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.speed import cases
from benchmarks.speed.data import SpeedPool


@dataclass(frozen=True)
class SpeedSetting:
    """One input: a pool, how many rows to pick from it, and the seed of what is random in the picking."""

    pool: SpeedPool
    batch: int
    seed: int = 0


@dataclass(frozen=True)
class Rival:
    """A public package that does the same.

    run: the call on a setting, returning the picks. Import the package inside it: what is not installed is skipped.
    largest, work: most rows, and most rows times picks, it is asked to do (memory, or minutes).
    """

    run: Callable[[SpeedSetting], Any]
    largest: int = 10**9
    work: int = 10**9

    def fits(self, setting: SpeedSetting) -> bool:
        rows = len(setting.pool.features)
        return rows <= self.largest and rows * setting.batch <= self.work


@dataclass(frozen=True)
class Case:
    """One primitive beside its rivals.

    ours, textbook: the call on a setting, returning the picks. The textbook is the plain NumPy loop in single
        precision, in the best form that a page of code allows: no needless work, no trick. None where a library is
        what everybody uses instead: it is then among the rivals.
    quality: figure of merit of picks, and quality_name what it is and which way is better.
    same_picks: whether the picks are determined, so that those of the textbook are worth comparing with.
    axes: which of d, K and B the cost depends on; settings that differ in others only are measured once.
    largest, textbook_largest: most rows ours and the textbook are asked to do (memory, or minutes).
    textbook_work: most rows times picks the textbook is asked to do.
    rivals: by the name to print.
    """

    ours: Callable[[SpeedSetting], Any]
    textbook: Callable[[SpeedSetting], Any] | None
    quality: Callable[[SpeedSetting, Any], float]
    quality_name: str
    same_picks: bool
    axes: frozenset[str] = frozenset({"d", "B"})
    largest: int = 200_000
    textbook_largest: int = 50_000
    textbook_work: int = 50_000_000
    rivals: Mapping[str, Rival] = field(default_factory=dict)


def all_cases() -> dict[str, Case]:
    """Every module of `benchmarks.speed.cases`, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(cases.__path__))
    return {name: importlib.import_module(f"{cases.__name__}.{name}").CASE for name in names}
