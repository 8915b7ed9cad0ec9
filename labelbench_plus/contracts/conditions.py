"""Conditions: one file each. A condition makes a clean problem harder in one known way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
from numpy.random import Generator

from labelbench_plus.plugins import Plugin, Registry
from labelbench_plus.seeding import Streams

OUTLIER = -1
"""The label of an item that belongs to none of the classes. It costs like any other and teaches nothing."""


@dataclass(frozen=True)
class Part:
    """Some examples of a data set: its `rows` (n,), possibly repeated, and their true `labels` (n,).

    The problem defines what rows refer to: the split that a part comes from, or the whole data set.
    """

    rows: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Setting:
    """A problem as conditions see it and change it.

    Attributes
    ----------
    pool: its labels are the true ones, classes or real values; `OUTLIER` marks items of no class.
    answers: (n,) what the oracle will answer for each pool item: the true label, until noise changes it.
    prices: (n,) the price of each pool item's label.
    validation, test: always clean.
    class_names: empty where labels are real values.
    """

    pool: Part
    answers: np.ndarray
    prices: np.ndarray
    validation: Part
    test: Part
    class_names: tuple[str, ...]


class Features(Protocol):
    """Returns the features (n, d) of a part of a setting: its pool, unless another is named."""

    def __call__(self, part: str = "pool", /) -> np.ndarray: ...


class Condition(Plugin):
    """Makes a problem harder in one known way.

    Attributes
    ----------
    tasks: the tasks whose problems it serves.
    per_run: whether each run draws its own (label noise), from a stream that is the same for all strategies at a
        seed. If not, the draw is fixed and every run meets the same pool.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
    per_run: ClassVar[bool] = False

    def apply(self, setting: Setting, features: Features, rng: Generator) -> Setting:
        """Return the harder problem.

        Parameters
        ----------
        features: gives the (n, d) features of the setting's pool, for conditions that look at them, or of another
            part that is named.

        Raises
        ------
        ValueError
            The problem cannot be changed that way (a class does not exist, say).
        """
        raise NotImplementedError


conditions = Registry("condition", Condition, "labelbench_plus.conditions")


def lasting(setting: Setting, chosen: Sequence[Condition], task: str) -> Setting:
    """A problem's setting after those of its conditions that are the same for every run.

    Raises
    ------
    ValueError
        A condition serves other tasks, or comes after one that is drawn per run.
    """
    for number, condition in enumerate(chosen):
        if task not in condition.tasks:
            served = " and ".join(sorted(condition.tasks))
            raise ValueError(f"conditions: {condition.name!r} is for problems of {served}, this one is of {task}")
        if not condition.per_run:
            if any(earlier.per_run for earlier in chosen[:number]):
                raise ValueError(f"conditions: {condition.name!r} shapes the pool, so it must come before any noise")
            # The seed is fixed and the key names the condition, so that the pool is the same for every run.
            rng = Streams(0).rng(f"condition {number} {condition.name}")
            setting = condition.apply(setting, _no_features, rng)
    return setting


def drawn(
    setting: Setting, chosen: Sequence[Condition], read: Callable[[str, np.ndarray], np.ndarray], streams: Streams
) -> Setting:
    """A problem's `lasting` setting after those of its conditions that are drawn per run.

    Parameters
    ----------
    read: the (n, d) features of some rows (n,) of a part.
    """
    for number, condition in enumerate(chosen):
        if condition.per_run:
            current = setting

            def features(part: str = "pool", /, current: Setting = current) -> np.ndarray:
                return read(part, getattr(current, part).rows)

            setting = condition.apply(setting, features, streams.rng(f"condition {number} {condition.name}"))
    return setting


def _no_features(part: str = "pool", /) -> np.ndarray:
    raise ValueError("a condition that is the same for every run cannot depend on features")


def keep_pool(setting: Setting, items: np.ndarray) -> Setting:
    """The setting with only `items` of the pool, in that order; an item may be kept more than once."""
    pool = Part(setting.pool.rows[items], setting.pool.labels[items])
    return replace(setting, pool=pool, answers=setting.answers[items], prices=setting.prices[items])


def with_answers(setting: Setting, flipped: np.ndarray, wrong: np.ndarray) -> Setting:
    """The setting with the answers of the items `flipped` (n,) bool replaced by `wrong` (n,); outliers stay so."""
    return replace(setting, answers=np.where(flipped & (setting.answers != OUTLIER), wrong, setting.answers))
