import numpy as np

from labelbench_plus.problems.pendulum import true_task_map
from labelbench_plus.source_tasks.pendulum_physics import residual_force, task_features
from tests.source_tasks.simulate import simulate

SMALL = {"name": "pendulum", "target_labels": 2000, "test_size": 2000, "passive_tasks": 28}


def test_a_run_learns_the_force_and_controls_with_it():
    trainer = {"name": "bilinear_als", "ridge": 1e-6}
    problem = {**SMALL, "target": [0.5, 0.0, 0.0, 0.5, 0.0]}
    ledger, scores = simulate(problem, trainer, "uniform_sources", (5600.0,), 0)
    assert ledger.purchases[0].items.shape == (28, 5)
    assert scores["excess_risk"] < 1.0  # of a force whose square is about four on average
    assert scores["control_error_oracle"] < scores["control_error"] < scores["control_error_uncompensated"]


def test_the_true_map_gives_the_true_force():
    rng = np.random.default_rng(0)
    states, tasks = rng.normal(size=(300, 2)), rng.uniform(-1, 1, (4, 5))
    forces = residual_force(states[:, 0, None], states[:, 1, None], tasks[None])
    heads = true_task_map(states) @ task_features(tasks).T
    assert np.allclose(heads.T @ heads, forces.T @ forces / len(states))
