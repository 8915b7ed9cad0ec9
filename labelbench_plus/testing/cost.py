"""What a choice takes on a pool of the size that strategies declare their cost for."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.isolation.cell import Cell, IsolationError
from labelbench_plus.plugins import registry
from labelbench_plus.testing.pool_scene import make_view
from labelbench_plus.testing.report import Failure, Skip

CANDIDATES, LABELLED, WIDTH, CLASSES, N = 50_000, 100, 512, 10, 50
GRACE_SECONDS = 20.0  # to hand the view over, on top of what the strategy declares


@dataclass(frozen=True)
class Measured:
    """Wall seconds of `select`, and bytes beyond what was resident when the view had been read."""

    seconds: float
    peak_bytes: float | None


def measure(strategy: Strategy) -> Measured:
    """Have a strategy choose 50 of 50,000 in a process of its own, which is ended when it takes too long.

    Raises
    ------
    Failure
        It took longer than it declares, and was ended.
    Skip
        No other process can find the strategy.
    """
    view = make_view(CANDIDATES + LABELLED, LABELLED, CLASSES, WIDTH, needs=strategy.needs)
    with Cell(_files_of(strategy), read_first=True) as cell:
        cell.start()
        patience = threading.Timer(strategy.cost.seconds + GRACE_SECONDS, cell.kill)
        patience.start()
        try:
            cell.select(strategy, view, N, np.random.default_rng(0))
        except IsolationError as error:
            if not patience.is_alive():
                raise Failure("cost", f"not done after {strategy.cost.seconds:g} declared seconds") from error
            raise
        finally:
            patience.cancel()
    return Measured(view.notes["isolated_seconds"], view.notes.get("isolated_peak_bytes"))


def _files_of(strategy: Strategy) -> tuple[Path, ...]:
    """The plugin file that another process has to load to know the strategy, if it comes from one."""
    entry = registry("strategies").entries()[strategy.name]
    if not entry.origin.startswith("local"):
        return ()
    file = getattr(sys.modules.get(type(strategy).__module__), "__file__", None)
    if file is None or not type(strategy).__module__.startswith("labelbench_plus_local_"):
        raise Skip("no other process can find it: it is neither in a plugin file nor behind an entry point")
    return (Path(file),)
