"""The files of many runs as one table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from labelbench_plus.plugins import label
from labelbench_plus.spec import BESIDE, VALIDATION, RunSpec
from labelbench_plus.store.run_store import RunStore, StoreError

PARTS = ("problem", "trainer", "strategy", "initial", "proxy")
COSTS = ("select_seconds", "train_seconds", "select_peak_bytes", "train_peak_bytes")
"""The costs of every round; tables always have these columns."""


@dataclass(frozen=True)
class Collection:
    """What exists of a suite's runs.

    Attributes
    ----------
    curves: one row per committed round (columns below, then one per metric).
    missing: runs of which nothing is there.
    invalid: for a run whose files contradict each other, what is wrong. Its rows are left out.
    """

    curves: pd.DataFrame
    missing: list[RunSpec]
    invalid: list[str]


def hyperparameters(runs: Iterable[RunSpec]) -> pd.DataFrame:
    """What the parts of runs are made of, a row a run: `run_id`, then columns such as `trainer.l2`, sorted.

    A column holds numbers, or true and false, or text; what is neither, or not the same in all runs, is text in JSON.
    Where a run's part has no such field the cell is empty.
    """
    found = {spec.id: _flat(spec.as_json()) for spec in runs}
    names = sorted({name for fields in found.values() for name in fields})
    columns: dict[str, list[Any]] = {"run_id": list(found)}
    for name in names:
        values = [fields.get(name) for fields in found.values()]
        columns[name] = values if _of_one_kind(values) else [_as_text(value) for value in values]
    return pd.DataFrame(columns)


def _flat(spec: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for part, inner in value.items():
                add(f"{name}.{part}", inner)
        else:
            flat[name] = json.dumps(value) if isinstance(value, list) else value

    for part in PARTS:
        if spec.get(part) is not None:
            add(part, spec[part])
    return flat


def _of_one_kind(values: list[Any]) -> bool:
    kinds = {float if type(value) is int else type(value) for value in values if value is not None}
    return kinds <= {float} or kinds <= {bool} or kinds <= {str}


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def collect(suite: str, runs: Iterable[RunSpec], root: Path) -> Collection:
    """Read the committed rounds of `runs` below `root`. Safe while they are being computed.

    Columns: run_id, suite, problem, trainer, strategy, seed, round, labels (bought so far), spent,
    declared_validation_labels, beside_… (any other line of what some run uses beside the budget), complete (the run has
    all its rounds), the costs of `RunStore.commit` (NaN where they are lost), the metrics.
    """
    runs = list(runs)
    lines = sorted({name for spec in runs for name in spec.beside} - {VALIDATION})
    rows: list[dict[str, object]] = []
    missing, invalid = [], []
    for spec in runs:
        store = RunStore(root, spec.id)
        try:
            rounds, costs, done = store.rounds(), store.costs(), store.done
        except (StoreError, OSError, ValueError) as error:
            invalid.append(f"{spec.id} ({spec}): {error}")
            continue
        if not rounds:
            missing.append(spec)
        labels = 0
        for record, cost in zip(rounds, costs, strict=False):  # a round committed since has its costs in the next read
            labels += record.purchase.labels
            rows.append(
                {
                    "run_id": spec.id,
                    "suite": suite,
                    "problem": label(spec.problem),
                    "trainer": spec.trainer_label,
                    "strategy": label(spec.strategy),
                    "seed": spec.seed,
                    "round": record.number,
                    "labels": labels,
                    "spent": record.spent,
                    "declared_validation_labels": spec.validation_labels,
                    **{f"{BESIDE}{name}": spec.beside.get(name, 0) for name in lines},
                    "complete": done,
                    **{name: value for name, value in cost.items() if name != "attempt"},
                    **record.scores,
                }
            )
    curves = pd.DataFrame(rows)
    if rows:
        for name in COSTS:  # lost of every round of every run
            if name not in curves:
                curves[name] = math.nan
    return Collection(curves, missing, invalid)
