"""Conditions: one file each. A condition makes a clean classification problem harder in one known way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from labelbench_plus.plugins import Plugin, Registry

OUTLIER = -1
"""The label of an item that belongs to none of the classes. It costs like any other and teaches nothing."""


@dataclass(frozen=True)
class Part:
    """Some examples of a data set: `rows` (n,) of its split, a row may come twice, and their true `labels` (n,)."""

    rows: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Setting:
    """A classification problem as conditions see and change it.

    Attributes
    ----------
    pool: its labels are the true ones; `OUTLIER` marks items of no class.
    answers: (n,) what the oracle will say of each pool item: the true label until noise gets to it.
    prices: (n,) what each pool item's label costs.
    validation, test: stay clean.
    """

    pool: Part
    answers: np.ndarray
    prices: np.ndarray
    validation: Part
    test: Part
    class_names: tuple[str, ...]


class Condition(Plugin):
    """Makes a problem harder in one known way.

    Attributes
    ----------
    per_run: whether each run draws its own (label noise), from a stream that is the same for all strategies at a
        seed. If not, the draw is fixed and every run meets the same pool.
    """

    per_run: ClassVar[bool] = False

    def apply(self, setting: Setting, features: Callable[[], np.ndarray], rng: Generator) -> Setting:
        """Return the harder problem.

        Parameters
        ----------
        features: gives the (n, d) features of the setting's pool, for conditions that look at them.

        Raises
        ------
        ValueError
            The problem cannot be made so (a class that does not exist, say).
        """
        raise NotImplementedError


conditions = Registry("condition", Condition, "labelbench_plus.conditions")


def keep_pool(setting: Setting, items: np.ndarray) -> Setting:
    """The setting with only `items` of the pool, in that order; an item may be kept more than once."""
    pool = Part(setting.pool.rows[items], setting.pool.labels[items])
    return replace(setting, pool=pool, answers=setting.answers[items], prices=setting.prices[items])


def with_answers(setting: Setting, flipped: np.ndarray, wrong: np.ndarray) -> Setting:
    """The setting with the answers of the items `flipped` (n,) bool replaced by `wrong` (n,); outliers stay so."""
    return replace(setting, answers=np.where(flipped & (setting.answers != OUTLIER), wrong, setting.answers))
