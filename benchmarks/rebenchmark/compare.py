"""Areas under the budget curve of the suites `rebenchmark_*` beside the published ones, as a table in Markdown.

    python -m benchmarks.rebenchmark.compare

A trial's area is theirs: the trapezoid of test accuracy over labels, one apart, divided by the number of points.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from labelbench_plus.leaderboard import read_results

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results"
OURS = {"Uniform": "random", "US-C": "margin", "QBC": "vote_entropy", "Core-Set": "k_center"}
TRIALS = {"Spambase": 10}  # behind each published mean; 100 where nothing else is said


@dataclass(frozen=True)
class Row:
    """A data set and method: published mean and standard deviation of the area, and ours by seed, with random's."""

    dataset: str
    method: str
    mean: float
    sd: float
    areas: np.ndarray
    random: np.ndarray
    seconds: float

    @property
    def theirs(self) -> float:
        """The standard error of the published mean."""
        return self.sd / math.sqrt(TRIALS.get(self.dataset, 100))

    @property
    def apart(self) -> float:
        """How far our mean is from theirs, in standard errors of the difference."""
        return (self.areas.mean() - self.mean) / math.hypot(self.theirs, standard_error(self.areas))

    @property
    def gain(self) -> tuple[float, float]:
        """Over random at the same seeds: mean, and half the width of its 95 % t-interval."""
        gains = self.areas - self.random
        return gains.mean(), standard_error(gains) * stats.t.ppf(0.975, len(gains) - 1)


def standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def area(accuracies: np.ndarray) -> float:
    """Of (n,) accuracies, one label apart."""
    return float(np.trapezoid(accuracies) / len(accuracies))


def rows(results: Path = RESULTS) -> Iterator[Row]:
    """Every published mean of a data set whose suite was run, with the runs beside it."""
    with open(HERE / "published.csv", encoding="utf-8", newline="") as file:
        published = list(csv.DictReader(file))
    for dataset in dict.fromkeys(each["dataset"] for each in published):
        folder = results / f"rebenchmark_{dataset.lower()}"
        if not folder.exists():
            continue
        curves = read_results(folder).curves
        found = {name: by_seed(part) for name, part in curves.groupby("strategy")}
        for each in (each for each in published if each["dataset"] == dataset):
            ours, random = found[OURS[each["method"]]], found["random"]
            assert ours.index.equals(random.index), f"{dataset}: strategies with different seeds"
            yield Row(
                dataset,
                each["method"],
                float(each["aubc_mean"]),
                float(each["aubc_sd"]),
                ours["area"].to_numpy(),
                random["area"].to_numpy(),
                ours["seconds"].mean(),
            )


def by_seed(curves: pd.DataFrame) -> pd.DataFrame:
    """Area and seconds of each seed of one strategy."""
    parts = ["select_seconds", "train_seconds", "evaluate_seconds"]
    ordered = curves.sort_values(["seed", "round"]).groupby("seed")
    return pd.DataFrame(
        {
            "area": ordered["accuracy"].apply(lambda values: area(values.to_numpy())),
            "seconds": ordered[parts].sum().sum(axis=1),
        }
    )


def table(results: Path = RESULTS) -> str:
    """The comparison in Markdown."""
    lines = [
        "| data set | method | published | ours | apart, in standard errors | gain over random | seconds a trial |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows(results):
        mean, half = row.gain
        gain = "–" if row.method == "Uniform" else f"{signed(mean, 4)} ± {half:.4f}"
        theirs = f"{row.mean:.4f} ± {row.theirs:.4f}"
        ours = f"{row.areas.mean():.4f} ± {standard_error(row.areas):.4f}"
        lines.append(
            f"| {row.dataset} | {row.method} (`{OURS[row.method]}`) | {theirs} | {ours} | {signed(row.apart, 1)} "
            f"| {gain} | {row.seconds:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
