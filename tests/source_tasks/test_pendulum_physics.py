"""Acceptance check 14 of the specification."""

from __future__ import annotations

import numpy as np
import pytest

from labelbench_plus.source_tasks.pendulum_physics import (
    advance,
    control_error,
    explore,
    residual_force,
    task_features,
)


@pytest.fixture(scope="module")
def forces():
    """Residual forces (states, tasks) over the working range, and the tasks."""
    rng = np.random.default_rng(0)
    angle, velocity = rng.uniform(-np.pi, np.pi, 500), rng.uniform(-6, 6, 500)
    tasks = rng.uniform(-1, 1, (100, 5))
    return residual_force(angle[:, None], velocity[:, None], tasks[None]), tasks


def test_the_force_has_rank_nine(forces):
    values = np.linalg.svd(forces[0], compute_uv=False)
    assert values[8] > 1e-3 * values[0]
    assert values[9] < 1e-12 * values[0]


def test_it_is_linear_in_the_products_with_a_constant_and_only_with_it(forces):
    force, tasks = forces

    def misfit(constant: bool) -> float:
        features = task_features(tasks, constant)
        fitted = features @ np.linalg.lstsq(features, force.T, rcond=None)[0]
        return float(np.linalg.norm(fitted - force.T) / np.linalg.norm(force))

    assert task_features(tasks).shape == (100, 13)
    assert misfit(True) < 1e-10
    assert misfit(False) > 0.1


def test_runge_kutta_is_of_fourth_order_where_the_motion_is_smooth():
    task = np.array([0.5, -0.3, 0.2, 0.4, -0.6])

    def final(steps: int) -> np.ndarray:
        angle, velocity, path = np.array([0.1]), np.array([0.5]), []
        for _ in range(steps):
            angle, velocity = advance(angle, velocity, np.array([0.3]), np.zeros(1), task, 0.4 / steps)
            path.append(velocity[0])
        assert min(path) > 0  # the drag |θ̇|θ̇ has a kink where the velocity changes sign
        return np.array([angle[0], velocity[0]])

    exact = final(640)
    errors = [np.abs(final(steps) - exact).max() for steps in (5, 10, 20)]
    assert errors[0] / errors[1] >= 12
    assert errors[1] / errors[2] >= 12


def test_euler_is_the_one_step_formula():
    rng = np.random.default_rng(1)
    angle, velocity, control, noise = rng.normal(size=(4, 7))
    task = rng.uniform(-1, 1, (7, 5))
    found = advance(angle, velocity, control, noise, task, 0.01, "euler")
    force = residual_force(angle, velocity, task)
    acceleration = (control + force) / 0.25 + 9.81 / 0.5 * np.sin(angle) + noise
    assert np.abs(found[0] - (angle + 0.01 * velocity)).max() < 1e-12
    assert np.abs(found[1] - (velocity + 0.01 * acceleration)).max() < 1e-12


def test_without_wind_and_control_it_stays_at_rest():
    calm = np.array([0.0, 0.0, 0.7, -0.2, 0.4])
    states, labels = explore(calm, np.zeros((1, 5)), np.zeros((1, 50)))
    assert not states.any()
    assert not labels.any()


def test_one_hand_computed_force():
    # θ = 0, at rest: the wind blows along (2, 0) with (4 + 0.5) of drag, on an arm of half a metre
    assert residual_force(np.array(0.0), np.array(0.0), np.array([1.0, 0, 0, 0, 0])) == pytest.approx(0.5 * 4.5 * 2)
    # θ̇ = 2 in still air: the arm's end moves at 1 m/s against (1 + 0.5) of drag, and both dampings act
    expected = 0.5 * 1.5 * -1 - 0.5 * 2 - 0.5 * 4
    assert residual_force(np.array(0.0), np.array(2.0), np.zeros(5)) == pytest.approx(expected)


def test_knowing_the_force_of_the_wind_keeps_it_upright():
    windy, rng = np.array([0.4, 0.2, 0.5, 0.5, 0.0]), np.random.default_rng(2)
    push, noise = rng.normal(0, 0.04, (2, 60)), rng.normal(0, 0.02, (2, 600))
    blind = control_error(windy, lambda angle, velocity: np.zeros_like(angle), push, noise)
    told = control_error(windy, lambda angle, velocity: residual_force(angle, velocity, windy), push, noise)
    assert told < 0.05
    assert blind > 5 * told
