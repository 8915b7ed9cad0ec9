"""LabelBench's own strategies, run by the adapter, beside ours on the same view.

git clone https://github.com/EfficientTraining/LabelBench ../LabelBench
python -m benchmarks.speed.labelbench ../LabelBench --n 2000 10000 --d 64 --classes 10 --batch 100 --pool unkind

CPU seconds of a whole `select`, checks and conversions included; what theirs print goes nowhere. "in common" are picks;
BADGE, DIRECT and GALAXY draw, each in its own order, so that theirs and ours differ by chance too. BAIT's objective is
that of its paper, a sum of Fisher informations with a ridge of 1.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.data import POOLS, SpeedPool
from benchmarks.speed.frame import measure, table
from labelbench_plus.adapters.labelbench import LabelBenchStrategy
from labelbench_plus.contracts.strategies import PoolStrategy
from labelbench_plus.plugins import registry
from labelbench_plus.testing import make_view

RIVALS = {  # ours: theirs, and their configuration
    "margin": ("margin_sampling:MarginSampling", "{}"),
    "entropy": ("entropy_sampling:EntropySampling", "{}"),
    "least_confidence": ("confidence_sampling:ConfidenceSampling", "{}"),
    "k_center": ("coreset_sampling:CoresetSampling", '{"working_memory_GB": 1}'),
    "badge": ("badge:BADGESampling", "{}"),
    "galaxy": ("galaxy:GALAXYSampling", "{}"),
    "direct": ("direct:DIRECTSampling", '{"B1": 4, "min_budget_per_class": 2}'),
    "bait": ("bait:BAIT", "{}"),
}
LABELLED = 100


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="a checkout of LabelBench")
    parser.add_argument("--n", type=int, nargs="+", default=[2000, 10_000], help="pool sizes")
    parser.add_argument("--d", type=int, default=64, help="number of features")
    parser.add_argument("--classes", type=int, nargs="+", default=[10], help="numbers of classes")
    parser.add_argument("--batch", type=int, default=100, help="rows to pick")
    parser.add_argument("--pool", choices=POOLS, default="kind", help="how rows are drawn: see data.py")
    parser.add_argument("--only", nargs="+", choices=RIVALS, default=list(RIVALS), help="strategies")
    parser.add_argument("--repeats", type=int, default=1, help="interleaved runs of each")
    options = parser.parse_args(arguments)
    rows = []
    for n, classes in itertools.product(options.n, options.classes):
        small, pool = (POOLS[options.pool](size, options.d, classes, 0) for size in (4 * LABELLED, n))
        for name in options.only:
            target, config = RIVALS[name]
            theirs = LabelBenchStrategy(f"LabelBench.strategy.strategy_impl.{target}", config, options.checkout)
            both = {"ours": registry("strategies").build(name), "theirs": theirs}
            for each in both.values():
                _call(each, small, 10)()  # imports are not measured
            found = measure(
                {who: _call(each, pool, options.batch) for who, each in both.items()}, repeats=options.repeats
            )
            mine, other = (found[who].cpu for who in both)
            picks, others = (found[who].results[0] for who in both)
            figures = [f"{mine:.3f}", f"{other:.3f}", f"{other / mine:.1f}", str(len(others))]
            figures += [str(len(set(picks.tolist()) & set(others.tolist())))]
            figures += [f"{_trace(pool, each):.4g}" for each in (picks, others)] if name == "bait" else ["", ""]
            rows.append([name, str(n), str(classes), *figures])
    header = ["strategy", "N", "K", "ours, CPU s", "theirs, CPU s", "× ours", "their picks", "in common"]
    print(table([*header, "objective", "theirs"], rows))


def _bought(pool: SpeedPool) -> Tensor:
    return torch.randperm(len(pool.features), generator=torch.Generator().manual_seed(1))[:LABELLED]


def _call(strategy: PoolStrategy, pool: SpeedPool, batch: int) -> Callable[[], Tensor]:
    inputs = {"features": pool.features, "embeddings": pool.features, "probabilities": pool.probabilities}
    inputs |= {"bought": _bought(pool), "labels": pool.labels[_bought(pool)]}
    view = make_view(len(pool.features), LABELLED, pool.probabilities.shape[1], needs=strategy.needs, **inputs)

    def select() -> Tensor:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return strategy.select(view, batch, np.random.default_rng(0))

    return select


def _trace(pool: SpeedPool, picks: Tensor) -> float:
    """BAIT's objective trace(M^-1 F) by its definition, with a ridge of 1: the smaller the better."""
    p, h = pool.probabilities.double(), pool.features.double()

    def fisher(rows: Tensor) -> Tensor:
        total = torch.zeros(p.shape[1] * h.shape[1], p.shape[1] * h.shape[1], dtype=torch.float64)
        for part in rows.split(1000):
            mean = p[part][:, :, None] * h[part][:, None, :]
            total -= mean.flatten(1).T @ mean.flatten(1)
            for k in range(p.shape[1]):
                own = slice(k * h.shape[1], (k + 1) * h.shape[1])
                total[own, own] += h[part].T @ (h[part] * p[part, k, None])
        return total

    known = fisher(torch.cat([_bought(pool), picks])) + torch.eye(p.shape[1] * h.shape[1], dtype=torch.float64)
    return float(torch.linalg.solve(known, fisher(torch.arange(len(p))) / len(p)).trace())


if __name__ == "__main__":
    main()
