"""A pendulum in the wind: exact dynamics, many trajectories at a time.

Units SI. State (θ, θ̇), θ = 0 upright. All functions take arrays that broadcast over leading axes.

Source: the authors' program of Chen, Huang, Du, Jamieson, Shi (NeurIPS 2023). Its Runge-Kutta stages all read the same
state, which makes it Euler's method; here "rk4" is what the name says, and "euler" what theirs does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

Integrator = Literal["rk4", "euler"]
Force = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(θ, θ̇) -> force, on rows of trajectories."""

MASS, LENGTH, ASSUMED_GRAVITY, GAIN = 1.0, 0.5, 9.81, 1.5
QUADRATIC, LINEAR, DRAG = 1.0, 0.5, 1.0  # C₁, C₂, C₃ of the wind's force
STEP = 0.01
HELD = 10  # steps for which an exploring control stays the same
INERTIA = MASS * LENGTH**2


def residual_force(angle: np.ndarray, velocity: np.ndarray, task: np.ndarray) -> np.ndarray:
    """What acts beyond the model that the controller knows: wind, damping, and the error in gravity.

    `task` (..., 5) in [−1, 1]: wind (2 w₀, 2 w₁), gravity 9 + w₂, damping 0.5 + w₃ / 2 and 0.5 + w₄ / 2.
    """
    wind_x, wind_y, gravity, first, second = np.moveaxis(task, -1, 0)
    cosine, sine = np.cos(angle), np.sin(angle)
    along_x = 2 * wind_x - LENGTH * velocity * cosine
    along_y = 2 * wind_y - LENGTH * velocity * sine
    drag = DRAG * (QUADRATIC * (along_x**2 + along_y**2) + LINEAR)
    damping = (0.5 + first / 2) * velocity + (0.5 + second / 2) * velocity * np.abs(velocity)
    weight = MASS * LENGTH * (9 + gravity - ASSUMED_GRAVITY) * sine
    return np.asarray(LENGTH * drag * (cosine * along_x + sine * along_y) - damping + weight)


def task_features(task: np.ndarray, constant: bool = True) -> np.ndarray:
    """ψ (..., 13): the products of w in which the residual force is linear, exactly. Without the constant (..., 12)."""
    x, y = task[..., 0], task[..., 1]
    products = [x * y, x**2, x**2 * y, x**3, y**2, y**2 * x, y**3, *([np.ones_like(x)] if constant else [])]
    return np.concatenate([task, np.stack(products, axis=-1)], axis=-1)


def advance(
    angle: np.ndarray,
    velocity: np.ndarray,
    control: np.ndarray,
    noise: np.ndarray,
    task: np.ndarray,
    step: float = STEP,
    integrator: Integrator = "rk4",
) -> tuple[np.ndarray, np.ndarray]:
    """The state one step later; control (torque) and noise (acceleration) stay the same within the step."""

    def slope(angle: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        force = control + residual_force(angle, velocity, task)
        return velocity, force / INERTIA + ASSUMED_GRAVITY / LENGTH * np.sin(angle) + noise

    first = slope(angle, velocity)
    if integrator == "euler":
        return angle + step * first[0], velocity + step * first[1]
    second = slope(angle + step / 2 * first[0], velocity + step / 2 * first[1])
    third = slope(angle + step / 2 * second[0], velocity + step / 2 * second[1])
    fourth = slope(angle + step * third[0], velocity + step * third[1])
    rise = [(a + 2 * b + 2 * c + d) / 6 for a, b, c, d in zip(first, second, third, fourth, strict=True)]
    return angle + step * rise[0], velocity + step * rise[1]


def known_control(angle: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """The torque that would hold the pendulum upright if nothing but the assumed gravity acted."""
    feedback = INERTIA * (-2 * GAIN * velocity - GAIN**2 * angle)
    return np.asarray(feedback - MASS * LENGTH * ASSUMED_GRAVITY * np.sin(angle))


def explore(
    task: np.ndarray, push: np.ndarray, noise: np.ndarray, integrator: Integrator = "rk4"
) -> tuple[np.ndarray, np.ndarray]:
    """Trajectories from rest under the known control and random pushes.

    Parameters
    ----------
    task: (5,) or (n, 5).
    push: (n, steps / 10) torques, each held for ten steps. noise: (n, steps) accelerations.

    Returns
    -------
    States before each step (n, steps, 2), and the residual force measured there plus the noise (n, steps).
    """
    count, steps = noise.shape
    states, labels = np.empty((count, steps, 2)), np.empty((count, steps))
    angle, velocity = np.zeros(count), np.zeros(count)
    for number in range(steps):
        states[:, number, 0], states[:, number, 1] = angle, velocity
        labels[:, number] = residual_force(angle, velocity, task) + noise[:, number]
        control = known_control(angle, velocity) + push[:, number // HELD]
        angle, velocity = advance(angle, velocity, control, noise[:, number], task, STEP, integrator)
    return states, labels


def control_error(
    task: np.ndarray, compensation: Force, disturbance: np.ndarray, noise: np.ndarray, integrator: Integrator = "rk4"
) -> float:
    """Mean |θ| when the control also takes `compensation` off: zero force known, or a learned or the true one.

    `disturbance` (n, steps / 10) torques and `noise` (n, steps) accelerations are those of n trajectories from rest.
    """
    count, steps = noise.shape
    angle, velocity, total = np.zeros(count), np.zeros(count), 0.0
    for number in range(steps):
        control = known_control(angle, velocity) + disturbance[:, number // HELD] - compensation(angle, velocity)
        angle, velocity = advance(angle, velocity, control, noise[:, number], task, STEP, integrator)
        total += float(np.abs(angle).mean())
    return total / steps
