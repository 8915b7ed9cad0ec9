"""What only shows over all runs: missing seeds and problems, and curves that stand out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from labelbench_plus.plugins import label
from labelbench_plus.spec import RunSpec, canonical
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.submission.findings import Finding, some

RARE = 1e-4  # chance of a warning for a Gaussian score that is like its siblings
FEWEST_SEEDS = 4

Settings = dict[bytes, dict[str, dict[int, Mapping[str, Any]]]]


def by_setting(runs: Sequence[Mapping[str, Any]], specs: Mapping[str, RunSpec]) -> Settings:
    """Runs by (problem, trainer, proxy, first set, schedule), strategy and seed.

    A strategy is called as on the board where its plugin is here (`specs`), else by its name.
    """
    found: Settings = {}
    for run in runs:
        identity = run["result"]["identity"]
        key = canonical(
            [identity.get(name) for name in ("problem", "trainer", "proxy", "initial", "amounts", "data", "weights")]
        )
        spec = specs.get(run["run"])
        strategy = label(spec.strategy) if spec else str(run["config"]["strategy"].get("name"))
        found.setdefault(key, {}).setdefault(strategy, {})[run["config"]["seed"]] = run
    return found


def check_coverage(settings: Settings, reference: Settings, baseline: str) -> Iterator[Finding]:
    """Whether every strategy has the problems, trainers and seeds that the baseline has, and no others.

    Parameters
    ----------
    reference: published runs that the baseline may be taken from where the submission does not bring it.
    """
    base = {key: frozenset(of[key][baseline]) for of in (reference, settings) for key in of if baseline in of[key]}
    if not base:
        what = f"no run of the baseline {baseline}, so there is nothing to compare with"
        yield Finding(ARCHIVE, what, expected=f"runs of {baseline} in it, or published ones with --against")
        return
    strategies = sorted({strategy for of in settings.values() for strategy in of} - {baseline})
    for strategy in strategies:
        mine = {key: frozenset(of[strategy]) for key, of in settings.items() if strategy in of}
        for key in sorted(mine.keys() - base.keys()):
            where = _told(settings[key])
            yield Finding(ARCHIVE, f"the baseline {baseline} has no run like {strategy}'s", field=where)
        for key in sorted(base.keys() - mine.keys()):
            where = _told((settings if key in settings else reference)[key])
            what = f"{strategy} has no run where the baseline {baseline} has"
            yield Finding(ARCHIVE, what, field=where, expected=f"seeds {some(sorted(base[key]))}")
        for key in sorted(mine.keys() & base.keys()):
            if mine[key] != base[key]:
                what = f"{strategy} has other seeds than the baseline {baseline}"
                expected, actual = some(sorted(base[key])), some(sorted(mine[key]))
                yield Finding(ARCHIVE, what, "", _told(settings[key]), f"seeds {expected}", f"seeds {actual}")


def check_selections(runs: Sequence[Mapping[str, Any]], reference: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Whether runs with a proxy bought what the run bought that chose their labels, where that is here too."""
    by_id = {run["run"]: run for run in (*reference, *runs)}
    for run in runs:
        said = run["manifest"].get("selection") or {"run": ""}
        if (chosen := by_id.get(said["run"])) is None:
            continue
        if said["head"] != chosen["result"]["head"]:
            what = f"run {said['run']}, which chose its labels, ends differently"
            yield Finding(ARCHIVE, what, run["run"], "manifest.selection.head", chosen["result"]["head"], said["head"])
        for record, other in zip(run["rounds"], chosen["rounds"], strict=False):
            if record["purchase"] != other["purchase"]:
                what = f"is not what run {said['run']} bought, which chose its labels"
                yield Finding(ARCHIVE, what, run["run"], f"rounds.{record['round']}.purchase")
                break


def check_outliers(settings: Settings) -> Iterator[Finding]:
    """Warnings of runs whose last scores lie far from those of the same strategy at other seeds, and of seeds that
    repeat each other's curves to the last digit."""
    for key in sorted(settings):
        for strategy, by_seed in sorted(settings[key].items()):
            runs = [by_seed[seed] for seed in sorted(by_seed)]
            curves: dict[bytes, str] = {}
            for run in runs:
                text = canonical(run["result"]["scores"])
                if text in curves and len(run["rounds"]) > 1:
                    what = f"the same scores in every round as run {curves[text]}: seeds are not independent"
                    yield Finding(ARCHIVE, what, run["run"], warning=True)
                curves.setdefault(text, run["run"])
            if len(runs) >= FEWEST_SEEDS:
                yield from _far(strategy, runs)


def _far(strategy: str, runs: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    from scipy.stats import t as student

    for name in sorted(runs[0]["rounds"][-1]["scores"]):
        values = np.array([run["rounds"][-1]["scores"].get(name, np.nan) for run in runs])
        if np.isnan(values).any():
            continue
        for index, run in enumerate(runs):
            others = np.delete(values, index)
            # What one more value of the same kind may be: the prediction interval of Student's t.
            middle, spread = float(others.mean()), float(others.std(ddof=1)) * (1 + 1 / len(others)) ** 0.5
            far = float(student.isf(RARE / 2, len(others) - 1)) * max(spread, 1e-6)
            if abs(values[index] - middle) > far:
                yield Finding(
                    ARCHIVE,
                    f"far from {strategy}'s other seeds",
                    run["run"],
                    f"last {name}",
                    f"{middle:.4g} ± {far:.2g}",
                    f"{values[index]:.4g}",
                    warning=True,
                )


def _told(of: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> str:
    """A setting in words, from any of its runs."""
    config = next(iter(next(iter(of.values())).values()))["config"]
    problem = config["problem"]
    data = problem.get("dataset")
    name = data.get("name") if isinstance(data, dict) else problem.get("name")
    chosen = f", labels chosen by {config['proxy'].get('name')}" if config.get("proxy") else ""
    return f"{name} × {config['trainer'].get('name')}{chosen} × {len(config['amounts'])} rounds"
