"""What readers of a setting are warned of: runs left out; few, missing or identical seeds; unequal starts."""

from __future__ import annotations

import numpy as np

from labelbench_plus.leaderboard.runs import BoardMeta, RunsOfSetting
from labelbench_plus.leaderboard.statistics import FEW_SEEDS


def warnings_of(of: RunsOfSetting, meta: BoardMeta) -> tuple[str, ...]:
    """The warnings of a setting, one sentence each."""
    warnings = list(of.excluded)
    if of.excluded:
        warnings.append("runs may be missing for a reason, so means over the remaining seeds can flatter")
    seeds = {strategy: frozenset(by_seed) for strategy, by_seed in of.runs.items()}
    if meta.baseline not in of.runs:
        known = ", ".join(sorted(of.runs))
        warnings.append(
            f"the baseline {meta.baseline} has no run here, so there are no gains; strategies with runs: {known}"
        )
    every = frozenset().union(*seeds.values())
    for strategy in sorted(seeds):
        if not seeds[strategy]:
            warnings.append(f"{strategy} has no valid run")
            continue
        if len(seeds[strategy]) < FEW_SEEDS:
            warnings.append(f"{strategy} has {len(seeds[strategy])} seed(s): too few for a useful interval")
        if seeds[strategy] != every:
            lacking = ", ".join(str(seed) for seed in sorted(every - seeds[strategy]))
            warnings.append(f"{strategy} lacks the seed(s) {lacking}: comparisons with it use common seeds only")
        values = [run.values for run in of.runs[strategy].values()]
        if len(values) > 1 and all(np.array_equal(values[0], other) for other in values[1:]):
            warnings.append(f"{strategy} has the same curve at every seed: its seeds are not independent evidence")
    if meta.shared_start and (uneven := _uneven_starts(of)):
        warnings.append(
            f"round 0 differs between strategies at the seed(s) {uneven}: runs that should start equal do not, so "
            "paired differences reflect more than the strategy"
        )
    valid = [run for runs in of.runs.values() for run in runs.values()]
    declared = {"validation labels": {run.validation_labels for run in valid}}
    for name in sorted({name for run in valid for name in run.beside}):
        declared[name] = {run.beside.get(name) for run in valid}
    for name, counts in declared.items():
        if len(different := sorted(number for number in counts if number is not None)) > 1:
            numbers = ", ".join(map(str, different))
            warnings.append(f"runs declare different numbers of {name} ({numbers}): their budgets are not quite equal")
    return tuple(warnings)


def _uneven_starts(of: RunsOfSetting) -> str:
    starts: dict[int, list[float]] = {}
    for by_seed in of.runs.values():
        for seed, run in by_seed.items():
            starts.setdefault(seed, []).append(float(run.values[0]))
    return ", ".join(
        str(seed) for seed in sorted(starts) if not np.allclose(starts[seed], starts[seed][0], rtol=1e-9, atol=0)
    )
