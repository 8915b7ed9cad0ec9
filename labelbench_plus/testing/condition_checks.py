"""What is asked of a condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from labelbench_plus.contracts.conditions import OUTLIER, Condition, Features, Part, Setting
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.common_checks import add_common
from labelbench_plus.testing.report import Failure, Skip
from labelbench_plus.testing.subject import check_declaration, check_names, fresh
from labelbench_plus.testing.witness import same, watched

CLASSES, POOL, TEST, WIDTH = 4, 120, 40, 3
SPLITS = ("pool", "validation", "test")


def plain_setting(classes: int = CLASSES) -> Setting:
    """A clean problem: balanced classes, true answers, one unit a label."""

    def part(size: int) -> Part:
        return Part(np.arange(size), np.arange(size) % classes)

    pool = part(POOL)
    names = tuple(f"class {k}" for k in range(classes))
    return Setting(pool, pool.labels.copy(), np.ones(POOL), part(TEST), part(TEST), names)


def real_setting() -> Setting:
    """The same with real values. Rows count the whole data set's examples: pool, validation part, test set."""
    values = np.random.default_rng(3).standard_normal(POOL + 2 * TEST)
    ends = (POOL, POOL + TEST)
    pool, validation, test = (Part(rows, values[rows]) for rows in np.split(np.arange(len(values)), ends))
    return Setting(pool, pool.labels.copy(), np.ones(POOL), validation, test, ())


SETTINGS: Mapping[str, Callable[[], Setting]] = {"classification": plain_setting, "regression": real_setting}


@dataclass
class Harder:
    """One condition and the ways to apply it: of the tasks it serves, to a problem of the first one known here."""

    plugin: Condition

    def apply(self, setting: Setting, seed: int = 0) -> Setting:
        """Apply it, and hold what comes back to what every setting is."""
        before = _copied(setting)
        with watched():
            found = fresh(self.plugin).apply(setting, self._features(setting), np.random.default_rng(seed))
        if not same(setting, before):
            raise Failure("mutation", "the setting it was given is not what it was")
        _check_setting(found)
        return found

    def _features(self, setting: Setting) -> Features:
        def features(part: str = "pool", /) -> np.ndarray:
            if not self.plugin.per_run:
                raise Failure("features", "it looks at features, but is the same for every run (per_run = False)")
            return (
                np.random.default_rng(5).standard_normal((len(getattr(setting, part).rows), WIDTH)).astype(np.float32)
            )

        return features

    def ordinary(self) -> Setting:
        return self.apply(SETTINGS[self.tasks[0]]())

    @property
    def tasks(self) -> list[str]:
        """Those it serves of which there is a setting here.

        Raises
        ------
        Skip
            There is none.
        """
        if not (found := [task for task in SETTINGS if task in self.plugin.tasks]):
            raise Skip(f"the kit has no setting of {', '.join(sorted(self.plugin.tasks))}")
        return found

    def need_classes(self) -> None:
        if "classification" not in self.plugin.tasks:
            raise Skip("for conditions that serve classification")


def _copied(setting: Setting) -> Setting:
    parts: dict[str, Any] = {
        name: Part(getattr(setting, name).rows.copy(), getattr(setting, name).labels.copy()) for name in SPLITS
    }
    return replace(setting, answers=setting.answers.copy(), prices=setting.prices.copy(), **parts)


def _check_setting(setting: Any) -> None:
    if not isinstance(setting, Setting):
        raise Failure("setting", f"expected a Setting, got {type(setting).__name__}")
    classes, size = len(setting.class_names), len(setting.pool.rows)
    sizes = {"pool.labels": setting.pool.labels, "answers": setting.answers, "prices": setting.prices}
    if odd := [f"{name} {value.shape}" for name, value in sizes.items() if value.shape != (size,)]:
        raise Failure("setting", f"the pool has {size} items, but {', '.join(odd)}")
    if not size or not len(setting.test.rows):
        raise Failure("setting", "nothing is left of the pool, or of the test set")
    kind, what = ("i", "whole numbers") if classes else ("f", "real values")
    for name in SPLITS:
        part = getattr(setting, name)
        if part.rows.dtype.kind != "i" or part.labels.dtype.kind != kind or len(part.rows) != len(part.labels):
            raise Failure("setting", f"{name}: rows must be whole numbers and labels {what}, one label a row")
    if not (np.isfinite(setting.prices).all() and (setting.prices > 0).all()):
        raise Failure("setting", "prices must be positive and finite")
    if not classes:
        if setting.answers.dtype != setting.pool.labels.dtype or not np.isfinite(setting.answers).all():
            raise Failure("setting", f"answers must be finite, and {setting.pool.labels.dtype} as the labels are")
        return
    of_the_pool = (("pool", setting.pool.labels, OUTLIER), ("answers", setting.answers, OUTLIER))
    clean = (("validation", setting.validation.labels, 0), ("test", setting.test.labels, 0))
    for name, labels, low in (*of_the_pool, *clean):
        if len(labels) and not low <= labels.min() <= labels.max() < classes:
            raise Failure("setting", f"{name}: labels {labels.min()} to {labels.max()} of {classes} classes")


CHECKS: Checks[Harder] = Checks(Harder)


@CHECKS.add(
    "declaration",
    "it is a registered frozen dataclass with a docstring, `tasks` and `per_run`",
    "follow `lbp new condition NAME`",
)
def _declaration(harder: Harder) -> None:
    check_declaration(harder.plugin, "conditions")
    if not isinstance(harder.plugin.per_run, bool):
        raise Failure("declaration", f"per_run must be True or False, got {harder.plugin.per_run!r}")
    check_names(harder.plugin.tasks, "tasks")


@CHECKS.add("applies", "it can be applied to an ordinary setting", "read the traceback of `apply`", essential=True)
def _applies(harder: Harder) -> str:
    found = harder.ordinary()
    return f"{len(found.pool.rows)} of {POOL} items, {int((found.answers != found.pool.labels).sum())} wrong answers"


@CHECKS.add(
    "setting",
    "what comes back is a setting: one label, answer and price an item, labels of its classes, positive prices",
    "change a setting with keep_pool, with_answers and dataclasses.replace",
)
def _setting(harder: Harder) -> None:
    """Every setting in every check is held to it."""


@CHECKS.add("mutation", "it leaves the setting it is given as it was", "copy arrays before writing to them")
def _mutation(harder: Harder) -> None:
    """Every setting in every check is held to it."""


@CHECKS.add(
    "features",
    "it looks at features only if each run draws its own (`per_run`)",
    "what is the same for every run is applied before there are features: declare per_run = True",
)
def _features(harder: Harder) -> None:
    """Every setting in every check is held to it."""


@CHECKS.add(
    "truth",
    "labels of all parts stay the true ones, renamed alike if at all: what is wrong goes into the answers",
    "with_answers(setting, flipped, wrong) changes what the oracle says and nothing else",
)
def _truth(harder: Harder) -> None:
    for task in harder.tasks:
        setting = SETTINGS[task]()
        _check_truth(setting, harder.apply(setting))


def _check_truth(before: Setting, after: Setting) -> None:
    renamed: dict[Any, Any] = {} if before.class_names else {value: value for value in _values(before)}
    for name in SPLITS:
        old, new = getattr(before, name), getattr(after, name)
        true = dict(zip(old.rows.tolist(), old.labels.tolist(), strict=True))
        if strangers := sorted(set(new.rows.tolist()) - set(true)):
            raise Failure("truth", f"{name}: rows {strangers[:3]} are not of its split")
        for row, label in zip(new.rows.tolist(), new.labels.tolist(), strict=True):
            if renamed.setdefault(true[row], label) != label:
                was = f"of class {true[row]}" if before.class_names else f"of value {true[row]}"
                what = f"{name}: row {row} {was} has label {label}, expected {renamed[true[row]]}"
                raise Failure("truth", what)


def _values(setting: Setting) -> list[float]:
    return [value for name in SPLITS for value in getattr(setting, name).labels.tolist()]


@CHECKS.add(
    "after_others",
    "it can be applied where conditions before it left outliers and rows that come twice; an outlier's answer stays",
    "answers may be OUTLIER (-1), and a row is no item: work with positions in the pool",
)
def _after_others(harder: Harder) -> None:
    harder.need_classes()
    setting = plain_setting()
    labels = setting.pool.labels.copy()
    labels[::10] = OUTLIER
    rows = np.where(np.arange(POOL) % 7 == 3, 1, setting.pool.rows)
    labels[rows == 1] = labels[1]
    try:
        found = harder.apply(replace(setting, pool=Part(rows, labels), answers=labels.copy()))
    except Failure:
        raise
    except Exception as error:
        raise Failure("after_others", f"{type(error).__name__}: {error}") from error
    outside = np.isin(found.pool.rows, rows[labels == OUTLIER])
    if (found.answers[outside] != OUTLIER).any():
        raise Failure("after_others", "an item of no class was given a class")


@CHECKS.add(
    "two_classes",
    "it can be applied to two classes, or says with ValueError why not",
    "raise ValueError for what cannot be made so",
)
def _two_classes(harder: Harder) -> str | None:
    harder.need_classes()
    try:
        harder.apply(plain_setting(classes=2))
    except ValueError as error:
        return f"refused: {error}"
    except Failure:
        raise
    except Exception as error:
        raise Failure("two_classes", f"{type(error).__name__}: {error}") from error
    return None


add_common(CHECKS, "conditions")
