"""Learning what a pendulum does in the wind, from winds of one's choice, in order to control it in another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Interval

from labelbench_plus.problems import Place, problems
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.data import Samples, SourceModel
from labelbench_plus.source_tasks.instance import SourceInstance, Truth
from labelbench_plus.source_tasks.oracle import SourceOracle
from labelbench_plus.source_tasks.papers import TASK_SPACE
from labelbench_plus.source_tasks.pendulum_physics import HELD, control_error, explore, residual_force, task_features
from labelbench_plus.source_tasks.problem import SourceProblem, excess_scores
from labelbench_plus.source_tasks.space import Box
from labelbench_plus.source_tasks.view import TRUE_MAP

SIMULATION_VERSION = 1
BLOCK = 500
RANK = 9
ACCELERATION_NOISE, PUSH, PUSH_LIMIT, PUSH_GAIN = 0.5, 0.1, 0.3, 40.0
CONTROL_STEPS, CONTROL_RUNS, CONTROL_NOISE, CONTROL_PUSH = 2000, 8, 0.02, 0.04
FEATURE_SEED = 0

Entry = Annotated[float, Interval(ge=-1, le=1)]


@problems.register("pendulum")
@dataclass(frozen=True)
class Pendulum(SourceProblem):
    """The residual force on a pendulum, of a state (θ, θ̇) and of a task w in [−1, 1]⁵: wind, gravity, damping.

    A label is the force measured, with noise, at one time step of a trajectory under that task. Trainers see random
    cosine features of the state and a constant. The force is linear in 13 products of w (ψ) and has rank 9, exactly.
    The learner does not know the target's w; it has `target_labels` steps under it.

    Trajectories start from rest and last five seconds; the authors take one long one.

    Parameters
    ----------
    target: w of the target.
    constant: whether ψ has a constant; without one, as in the authors' program, a third of the force cannot be learned.
    integrator: "rk4", or "euler" for what the authors' program does.
    features: random cosine features, of the state.
    passive_tasks: how many random tasks passive learners ask.

    Scores: `excess_risk` of the force on noise-free test states; `control_error`, the mean angle (rad) over 20 s when
    the learned force is compensated, beside `control_error_uncompensated` and, with the true force,
    `control_error_oracle`.

    Source: Chen, Huang, Du, Jamieson, Shi (NeurIPS 2023) and the authors' program.
    """

    title = "Pendulum in the wind"
    reference = TASK_SPACE
    task = "task_space"
    provides = frozenset({"true_heads"})
    declares = TRUE_MAP

    target: tuple[Entry, Entry, Entry, Entry, Entry] = (0.0, 0.0, 0.5, 0.0, 0.5)
    constant: bool = True
    integrator: Literal["rk4", "euler"] = "rk4"
    features: Annotated[int, Ge(RANK)] = 60
    target_labels: Annotated[int, Ge(1)] = 4000
    test_size: Annotated[int, Ge(1)] = 20_000
    passive_tasks: Annotated[int, Ge(1)] = 28

    @classmethod
    def example(cls) -> None:  # a minute of simulated control is no example
        return None

    def fingerprint(self) -> str:
        return f"pendulum {SIMULATION_VERSION}"

    def open(self, place: Place, streams: Streams) -> SourceInstance:
        goal = np.array(self.target)
        rng = Streams(FEATURE_SEED).rng("pendulum features")
        frequencies, phases = rng.standard_normal((2, self.features)), rng.uniform(0, 2 * np.pi, self.features)

        def seen(states: np.ndarray) -> np.ndarray:
            cosines = np.cos(states @ frequencies + phases)
            return np.concatenate([cosines, np.ones((len(states), 1))], axis=1)

        def run(task: np.ndarray, own: Streams, first: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
            """States (blocks · BLOCK, 2) and measured forces."""
            generators = [own.round(number).rng("trajectory") for number in range(first, first + blocks)]
            draws = [(g.normal(0, PUSH, BLOCK // HELD), g.normal(0, ACCELERATION_NOISE, BLOCK)) for g in generators]
            pushes = PUSH_GAIN * np.clip([push for push, _ in draws], -PUSH_LIMIT, PUSH_LIMIT)
            states, labels = explore(task, pushes, np.array([noise for _, noise in draws]), self.integrator)
            return states.reshape(-1, 2), labels.reshape(-1)

        space = Box(5, lambda tasks: task_features(tasks, self.constant))

        def draw(source: np.ndarray, first: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
            states, labels = run(source, streams.round(space.key(source)), first, blocks)
            return seen(states), labels

        def of_target(name: int, count: int) -> tuple[np.ndarray, np.ndarray]:
            states, labels = run(goal, streams.round(0).round(name), 0, -(-count // BLOCK))
            return states[:count], labels[:count]

        states, labels = of_target(0, self.target_labels)
        known = Samples(seen(states), labels)
        test_states, _ = of_target(1, self.test_size)
        test = seen(test_states), residual_force(test_states[:, 0], test_states[:, 1], goal)

        def score(model: SourceModel) -> dict[str, float]:
            head = model.target_heads[:, 0]

            def learned(angle: np.ndarray, velocity: np.ndarray) -> np.ndarray:
                return np.asarray(model.representation(seen(np.stack([angle, velocity], axis=1))) @ head)

            own = streams.rng("control test")
            push = own.normal(0, CONTROL_PUSH, (CONTROL_RUNS, CONTROL_STEPS // HELD))
            noise = own.normal(0, CONTROL_NOISE, (CONTROL_RUNS, CONTROL_STEPS))
            errors = {
                "control_error": control_error(goal, learned, push, noise, self.integrator),
                "control_error_oracle": control_error(
                    goal, lambda angle, velocity: residual_force(angle, velocity, goal), push, noise, self.integrator
                ),
                "control_error_uncompensated": control_error(
                    goal, lambda angle, velocity: np.zeros_like(angle), push, noise, self.integrator
                ),
            }
            return {**excess_scores(model, [test]), **errors}

        task_map = true_task_map(test_states, self.constant)
        return SourceInstance(
            SourceOracle(space, draw, BLOCK),
            (known,),
            RANK,
            score,
            space.sample(self.passive_tasks, streams.rng("passive tasks")),
            Truth(target_heads=task_map @ task_features(goal, self.constant)[:, None], task_map=task_map),
        )


def true_task_map(states: np.ndarray, constant: bool = True) -> np.ndarray:
    """(9, p): heads of the force as a function of ψ, in coordinates white over `states` (n, 2)."""
    tasks = Streams(FEATURE_SEED).rng("probing tasks").uniform(-1, 1, (200, 5))
    forces = residual_force(states[:, 0, None], states[:, 1, None], tasks[None])  # (n, 200)
    by_product = np.linalg.lstsq(task_features(tasks, constant), forces.T, rcond=None)[0].T  # (n, p)
    _, values, directions = np.linalg.svd(by_product / len(states) ** 0.5, full_matrices=False)
    return values[:RANK, None] * directions[:RANK]
