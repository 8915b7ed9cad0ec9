"""Seeded synthetic learning curves: what the leaderboard's tests are fed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from labelbench_plus.leaderboard import BoardMeta, Results

STRATEGIES = {
    "random": 0.0,
    "entropy": 0.004,
    "least_confidence": 0.011,
    "margin": 0.021,
    "k_center_greedy": -0.018,
    "badge": 0.020,
}
BUDGETS = (20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0, 160.0, 180.0, 200.0)


def csv_of(results: Results) -> bytes:
    """The curves as a file."""
    buffer = io.BytesIO()
    results.write_curves(buffer)
    return buffer.getvalue()


def synthetic_curves(
    strategies: Mapping[str, float] = STRATEGIES,
    seeds: Sequence[int] = range(5),
    problems: Sequence[str] = ("digits",),
    trainers: Sequence[str] = ("logistic",),
    budgets: Sequence[float] = BUDGETS,
    noise: float = 0.006,
    generator_seed: int = 0,
) -> pd.DataFrame:
    """Saturating curves whose height differs by strategy and whose noise is partly shared within a seed."""
    rng = np.random.default_rng(generator_seed)
    grid = np.asarray(budgets)
    share = np.linspace(0, 1, len(grid))
    rows = []
    for problem in problems:
        for trainer in trainers:
            level = rng.uniform(-0.05, 0.02)
            for seed in seeds:
                shared = rng.normal(0, 1.5 * noise)
                for strategy, gain in strategies.items():
                    height = 0.95 + level - 0.33 * np.exp(-3.2 * share) + gain * np.sqrt(share) + shared
                    accuracy = height + rng.normal(0, noise, len(grid)) * (share > 0)
                    for r, value in enumerate(accuracy):
                        rows.append(
                            {
                                "run_id": f"{problem}-{trainer}-{strategy}-{seed}",
                                "suite": "synthetic",
                                "problem": problem,
                                "trainer": trainer,
                                "strategy": strategy,
                                "seed": int(seed),
                                "round": r,
                                "labels": int(grid[r]),
                                "spent": float(grid[r]),
                                "declared_validation_labels": 100,
                                "accuracy": float(value),
                                "nll": float(2.2 * (1 - value)),
                                "select_seconds": np.nan if r == 0 else float(0.02 + 2 * abs(gain)),
                                "train_seconds": float(0.1 + 0.001 * grid[r]),
                                "select_peak_bytes": np.nan if r == 0 else 3.2e6 + 1e9 * abs(gain),
                                "train_peak_bytes": 2.5e7,
                                "complete": True,
                            }
                        )
    return pd.DataFrame(rows)


def meta(
    problems: Sequence[str] = ("digits",),
    budgets: Sequence[float] = BUDGETS,
    baseline: str = "random",
    metric: str = "accuracy",
    higher_is_better: bool = True,
) -> BoardMeta:
    return BoardMeta(
        title="Strategies on synthetic curves",
        metric=metric,
        higher_is_better=higher_is_better,
        baseline=baseline,
        budgets={problem: tuple(budgets) for problem in problems},
    )
