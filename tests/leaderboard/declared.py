"""Boards of problems that declare all there is to declare: series, scores beside, guards, facets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from labelbench_plus.contracts.scores import Guard, Series, SeriesColumn, ShownScore
from labelbench_plus.leaderboard import About, BoardMeta, Results

from .synthetic import meta, synthetic_curves

WEIGHTS = ("0", "0.25", "0.5", "0.75", "1")
COLUMNS = (
    SeriesColumn("helpful", True),
    SeriesColumn("harmless", True),
    SeriesColumn("kl", False),
    SeriesColumn("regret", False, given=False),
)
FRONT = Series("front", "weight", WEIGHTS, COLUMNS, chart=("helpful", "harmless"), given=("reference", "best"))
SHARE = ShownScore("hypervolume_share", True, caveat="it ignores KL, so a policy far from the reference looks good")
GUARD = Guard("validity", "reference.validity", "reference.score")
TRAINERS = ("mod", "soup", "retrain")


def front_results(seeds: int = 5, collapsed: str = "greedy") -> Results:
    """Three trainers × three strategies with a front; one strategy collapses at all but one of its seeds."""
    curves = synthetic_curves(
        {"random": 0.0, "uniform": 0.01, "greedy": 0.03}, range(seeds), ["objectives"], TRAINERS, (120.0, 480.0, 1920.0)
    )
    rng = np.random.default_rng(1)
    lift = curves["accuracy"] + curves["trainer"].map(dict(zip(TRAINERS, (0.0, -0.05, 0.06), strict=True)))
    for at in WEIGHTS:
        w = float(at)
        for column, of_mod, best, reference in (  # scores that nobody declared are no part of a series
            ("helpful", 2 * np.sqrt(w) * lift, 2.1 * np.sqrt(w), 0.3),
            ("harmless", 1.4 * np.sqrt(1 - w) * lift, 1.5 * np.sqrt(1 - w), 0.4),
            ("kl", 3 * lift, 2.5, 0.0),
            ("regret", 1 - lift, 0.0, 0.6),
        ):
            curves[FRONT.score(column, at)] = of_mod + rng.normal(0, 0.02, len(curves))
            curves[FRONT.score(column, at, "best")] = best
            curves[FRONT.score(column, at, "reference")] = reference
    lost = (curves["strategy"] == collapsed) & (curves["seed"] > 0)
    curves["validity"] = np.where(lost & (curves["round"] > 0), 0.1, 0.97)
    curves["reference.validity"], curves["reference.score"] = 0.98, 0.5
    curves["hypervolume_share"] = 0.5 + 0.4 * lift
    about = About(
        "objectives", "bits", "table", {"world": "table"}, series=(FRONT,), shown=(SHARE, ShownScore("validity", True)),
        guards=(GUARD,),
    )  # fmt: skip
    declared = replace(meta(("objectives",), (120.0, 480.0, 1920.0)), title="Fronts", problems={"objectives": about})
    return Results(curves.assign(suite="fronts"), declared)


ENCODERS = ("pca(dimensions=8)", "pixels", "timm(model=small, weights=a-long-name-of-weights, image_size=96)")


def problem_of(encoder: str, views: str = "") -> str:
    """What tables call a problem with such facets."""
    data = f"with_views(scenes, {views})" if views else "digits"
    return f"classification({data}, {encoder}, conditions=[subset(size=200)])"


def facet_results(seeds: int = 6, strategies: dict[str, float] | None = None) -> Results:
    """One problem with three encoders, the first of which is worst; and with four sets of views: control, bound, …"""
    lifts = dict(zip(ENCODERS, (0.0, 0.02, 0.08), strict=True))
    views = {"none": 0.0, "repeated": 0.001, "noisy": 0.05, "exact": 0.12}
    problems: dict[str, tuple[float, About]] = {
        problem_of(name): (lift, About("classification", "labels", "digits", {"encoder": name}))
        for name, lift in lifts.items()
    }
    for name, lift in views.items():
        role = {"none": {"views": "reference"}, "repeated": {"views": "control"}}.get(name, {})
        about = About(
            "classification", "labels", "scenes", {"encoder": "per_view", "views": name}, (), name == "exact", "", role
        )
        problems[problem_of("per_view", name)] = (lift, about)
    curves = pd.concat(
        [
            synthetic_curves(
                strategies or {"random": 0.0, "margin": 0.02, "badge": 0.015}, range(seeds), [problem], generator_seed=i
            )
            .assign(suite="facets")
            .assign(accuracy=lambda frame, lift=lift: frame["accuracy"] - 0.15 + lift)
            for i, (problem, (lift, _)) in enumerate(problems.items())
        ],
        ignore_index=True,
    )
    abouts = {problem: about for problem, (_, about) in problems.items()}
    return Results(curves, replace(meta(tuple(problems)), title="Facets", problems=abouts))


def bare(results: Results) -> BoardMeta:
    """The same board, of problems that declare nothing."""
    return replace(results.meta, problems={})
