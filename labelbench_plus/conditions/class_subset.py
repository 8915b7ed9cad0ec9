"""Fewer classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.conditions import Condition, Part, Setting, conditions, keep_pool


@conditions.register("class_subset")
@dataclass(frozen=True)
class ClassSubset(Condition):
    """Keep only the examples of the first `classes` classes, in every split.

    What LabelBench's `_imb_K` sets are named after is `one_vs_rest`, which folds the other classes into the last one.

    Parameters
    ----------
    classes: K of the new problem.
    """

    title = "Fewer classes"

    classes: Annotated[int, Ge(2)]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"classes": 3}

    def apply(self, setting: Setting, features: Callable[[], np.ndarray], rng: Generator) -> Setting:
        if self.classes > len(setting.class_names):
            raise ValueError(f"class_subset: {self.classes} classes wanted, the data have {len(setting.class_names)}")

        def kept(part: Part) -> np.ndarray:
            return np.flatnonzero(part.labels < self.classes)  # items of no class (-1) stay what they are

        def part(old: Part) -> Part:
            return Part(old.rows[kept(old)], old.labels[kept(old)])

        return replace(
            keep_pool(setting, kept(setting.pool)),
            validation=part(setting.validation),
            test=part(setting.test),
            class_names=setting.class_names[: self.classes],
        )
