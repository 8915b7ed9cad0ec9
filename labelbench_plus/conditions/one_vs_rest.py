"""Binary imbalance: one class against all others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.conditions import OUTLIER, Condition, Part, Setting, conditions


@conditions.register("one_vs_rest")
@dataclass(frozen=True)
class OneVersusRest(Condition):
    """Keep the first `classes` - 1 classes and merge all others into the last one, as LabelBench's `_imb_K` sets do.

    With `classes` = 2 it is one class against the rest. Labels change in every split, and so does the number of names.

    Parameters
    ----------
    classes: K of the new problem.
    """

    title = "One class against the rest"

    classes: Annotated[int, Ge(2)] = 2

    def apply(self, setting: Setting, features: Callable[[], np.ndarray], rng: Generator) -> Setting:
        if self.classes > len(setting.class_names):
            raise ValueError(f"one_vs_rest: {self.classes} classes wanted, the data have {len(setting.class_names)}")
        rest = self.classes - 1

        def merged(labels: np.ndarray) -> np.ndarray:
            return np.where(labels == OUTLIER, OUTLIER, np.minimum(labels, rest))

        def part(old: Part) -> Part:
            return Part(old.rows, merged(old.labels))

        return replace(
            setting,
            pool=part(setting.pool),
            answers=merged(setting.answers),
            validation=part(setting.validation),
            test=part(setting.test),
            class_names=(*setting.class_names[:rest], "rest"),
        )
