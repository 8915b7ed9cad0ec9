"""A stranger's plugin file. Its import leaves a mark, where it may."""

import contextlib
import gc
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch

from labelbench_plus.plugins import Infra, Since
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies.baselines.random import Random

with contextlib.suppress(OSError, KeyError), open(os.environ["LBP_TEST_MARK"], "a") as file:
    file.write("imported\n")


def hidden_labels():
    """What any oracle in this process hides."""
    for thing in gc.get_objects():
        if type(thing).__name__ == "PoolOracle":
            return np.asarray(thing._PoolOracle__labels).tolist()
    return []


@strategies.register("stranger_margin")
@dataclass(frozen=True)
class Margin(PoolStrategy):
    """Honest."""

    needs = frozenset({"probabilities"})
    title = "margin, by somebody else"
    version = 3

    power: float = 1.0
    mode: Literal["fast", "slow"] = "fast"
    at: Annotated[Path | None, Infra()] = None
    later: Annotated[int, Since("9.9")] = 0

    def select(self, view, n, rng):
        top = view.probabilities.topk(2, dim=1).values
        return view.candidates[(top[:, 0] - top[:, 1]).pow(self.power).topk(n, largest=False).indices]


@strategies.register("stranger_thief")
@dataclass(frozen=True)
class Thief(PoolStrategy):
    """Hands the labels over as a hyperparameter whenever it is described, and buys one class only where it has any."""

    loot: tuple[int, ...] = ()

    def __getattribute__(self, name):
        if name == "loot":
            return tuple(hidden_labels()) or object.__getattribute__(self, "loot")
        return object.__getattribute__(self, name)

    @property
    def needs(self):
        return frozenset({"labels"} if self.loot else ())

    def select(self, view, n, rng):
        loot = self.loot
        wanted = [item for item in view.candidates.tolist() if loot and loot[item] == 1]
        rest = [item for item in view.candidates.tolist() if item not in set(wanted)]
        return torch.tensor([*wanted, *rest][:n])


@strategies.register("stranger_saboteur")
@dataclass(frozen=True)
class Saboteur(PoolStrategy):
    """Has the baseline choose badly wherever it runs."""

    def select(self, view, n, rng):
        Random.select = lambda self, view, n, rng: view.candidates[:n]
        return view.candidates[-n:]


@strategies.register("stranger_odd")
@dataclass(frozen=True)
class Odd(PoolStrategy):
    """Says odd things of itself."""

    how: Literal["needs", "many", "query", "raises", "name", "version", "title", "exits", "hangs"]

    @property
    def needs(self):
        if self.how == "hangs":
            while True:
                pass
        if self.how == "exits":
            os._exit(7)
        if self.how == "raises":
            raise ImportError("no such\x1b[2Jpackage")
        return frozenset({"needs": {"<b>"}, "many": {f"n{i}" for i in range(20_000)}}.get(self.how, ()))

    @property
    def query(self):
        return "pool\n" if self.how == "query" else "pool"

    def __getattribute__(self, attribute):
        odd = {"name": "random", "version": 10.5, "title": "\x1b[31mred"}
        if attribute in odd and object.__getattribute__(self, "how") == attribute:
            return odd[attribute]
        return object.__getattribute__(self, attribute)
