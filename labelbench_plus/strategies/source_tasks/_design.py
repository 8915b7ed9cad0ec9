"""What to ask in order to learn the whole representation, or the part of it that targets use."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.random import Generator

from labelbench_plus.algorithms.head_design import c_optimal, e_optimal, e_optimal_ball, v_optimal
from labelbench_plus.algorithms.water_filling import water_fill
from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.space import Ball, Box, Finite
from labelbench_plus.source_tasks.view import SourceView

Weights = Literal["e_optimal", "equal"]
Search = Literal["nearest", "design"]

CANDIDATES = 200  # random points of a box among which a design is sought
NEAREST = 20_000  # random points of a box in each step of the search for a target's own task
HALVINGS = 8
DESIGN_GAP = 1e-3  # relative to the optimum: an allocation needs no more
SPREAD = 1e-6  # least λ_min, relative to the largest eigenvalue, at which heads count as spanning all directions


def explore(view: SourceView, task_map: np.ndarray, weights: Weights, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sources (ids or rows) and shares that tell about all k directions of the representation.

    "e_optimal" makes the least known direction as well known as can be. "equal" takes the same directions on the ball
    (and as many points as directions of a box) in equal parts, as the authors' program does.
    """
    space = view.space
    if isinstance(space, Ball):
        directions, best = e_optimal_ball(task_map)
        return directions, best if weights == "e_optimal" else np.full(len(best), 1 / len(best))
    sources = np.arange(space.size) if isinstance(space, Finite) else _candidates(view, rng)
    heads = task_map @ space.embed(sources).T
    share = e_optimal(heads, DESIGN_GAP).weights
    if weights == "equal":
        share = (share > 1e-6 * share.max()).astype(np.float64)
    return sources, share / share.sum()


def aim(
    view: SourceView, task_map: np.ndarray, targets: np.ndarray, search: Search, rng: Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Sources (ids or rows) and shares that tell most about the targets' heads (k, T).

    c-optimal for one target, V-optimal for several. On the ball one target's is the single task v / ‖v‖, with v the
    shortest that the map takes to the target's head; in a box the heads of tasks are no cone, so it is either the
    design over random candidates ("design") or the task whose head comes nearest to the target's ("nearest").
    """
    space = view.space
    if isinstance(space, Finite):
        sources = np.arange(space.size)
    elif isinstance(space, Ball):
        tasks = np.linalg.lstsq(task_map, targets, rcond=1e-10)[0].T
        tasks = tasks[np.linalg.norm(tasks, axis=1) > 0]
        sources = space.project(tasks / np.linalg.norm(tasks, axis=1, keepdims=True))
        if len(sources) > 1:
            sources = np.concatenate([sources, np.linalg.svd(task_map, full_matrices=False)[2]])
    elif search == "nearest":
        assert isinstance(space, Box)
        sources = np.concatenate([_nearest(space, task_map, target, rng) for target in targets.T])
        return sources, np.full(len(sources), 1 / len(sources))
    else:
        sources = _candidates(view, rng)
    heads = task_map @ space.embed(sources).T
    if targets.shape[1] == 1:
        return sources, c_optimal(heads, targets[:, 0])[0]
    values = np.linalg.eigvalsh(heads @ heads.T)
    if values[0] <= SPREAD * values[-1]:  # no design tells about all targets: each one's own, in equal parts
        return sources, np.asarray(sum(c_optimal(heads, target)[0] for target in targets.T)) / targets.shape[1]
    return sources, v_optimal(heads, targets, tolerance=DESIGN_GAP)[0]


def rows(sources: np.ndarray, share: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """`n` labels over rows of descriptors in proportion to `share`, without those that get none."""
    counts = water_fill(share, n)
    return sources[counts > 0], counts[counts > 0]


def joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> Allocation:
    """One allocation over descriptors from several."""
    return Allocation.merged(np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))


def _candidates(view: SourceView, rng: Generator) -> np.ndarray:
    assert isinstance(view.space, Box)
    return np.concatenate([view.passive_sources, view.space.sample(CANDIDATES, rng)])


def _nearest(space: Box, task_map: np.ndarray, target: np.ndarray, rng: Generator) -> np.ndarray:
    """(1, d) the task whose head comes nearest to the target's, by random search in a shrinking neighbourhood."""
    best, radius = np.zeros((1, space.dimension)), 1.0
    for _ in range(HALVINGS):
        tried = np.concatenate([best, space.project(best + radius * space.sample(NEAREST, rng))])
        far = np.linalg.norm(space.embed(tried) @ task_map.T - target, axis=1)
        best, radius = tried[[int(far.argmin())]], radius / 2
    return best
