"""Every built-in plugin goes through the same door as a stranger's.

The cost on 50,000 × 512 and the toy curve are left out here but for two strategies: `lbp check NAME` has them.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from labelbench_plus.plugins import BUILT_IN, registry
from labelbench_plus.testing import Report, check_encoder, check_problem, check_strategy, check_trainer

# On the toy problem's vectors there are no images to augment.
NETWORK = {"network": "linear", "augment": "noise", "steps": 30, "learning_rate": 0.2, "batch": 16}

# Hyperparameters of those that have no defaults, or train longer than a test can wait.
GIVEN: dict[str, dict[str, Any]] = {
    "pca": {"dimensions": 4},
    "ensemble": {"of": "logistic_regression", "members": 2},
    "mlp": {"hidden": 16, "steps": 200, "dropout": 0.1, "passes": 3},
    **dict.fromkeys(("finetune", "lp_ft"), NETWORK),
    **dict.fromkeys(("pseudo_label", "uda", "fixmatch", "flexmatch", "freematch", "softmatch"), NETWORK | {"ratio": 1}),
    "v_pet": NETWORK | {"ratio": 1, "teachers": ["logistic_regression", "label_propagation"]},
    "contrastive": {"steps": 20},
    "joint_torch": {"steps": 20},
    "bilinear_torch": {"steps": 20},
    "pendulum": {"features": 20, "target_labels": 500, "test_size": 500},
    "corrupted_images": {
        "corruption": "fog",
        "label": 3,
        "per_task": 20,
        "target_labels": 20,
        "test_size": 50,
        "rank": 3,
        "dataset": "digits",
    },
    "timm": {"model": "tf_efficientnet_lite0", "weights": "random-plumbing-test", "image_size": 32},
    "torchvision": {"model": "mobilenet_v3_small", "weights": "random-plumbing-test", "image_size": 32},
    "float16": {"of": "pixels"},
}
# Left to `lbp check NAME`, as opening or evaluating them is a simulation or a training of its own.
LONG = {"pendulum": "it simulates control for a minute", "corrupted_images": "it trains a reference for ten seconds"}


def built_in(kind: str) -> list[str]:
    return [name for name, entry in registry(kind).entries().items() if entry.origin == BUILT_IN]


def build(kind: str, name: str) -> Any:
    known = registry(kind)
    given = (known.load(name).example() if kind == "problems" else None) or GIVEN.get(name, {})
    try:
        return known.build({"name": name, **given})
    except ValidationError as error:
        pytest.skip(f"it has no default for everything, and GIVEN has none for it: {error.error_count()} missing")


def fine(report: Report) -> None:
    assert report.passed, str(report)
    assert any(outcome.status == "passed" for outcome in report.outcomes)


@pytest.mark.parametrize("name", built_in("strategies"))
def test_strategies(name):
    fine(check_strategy(build("strategies", name), quick=True))


@pytest.mark.parametrize("name", ["margin", "k_center"])
def test_the_cost_they_declare(name):
    report = check_strategy(name)
    fine(report)
    assert "MB" in report["cost"].detail or "memory cannot be measured" in report["cost"].detail
    assert "random sampling" in report["curve"].detail


@pytest.mark.parametrize("name", built_in("trainers"))
def test_trainers(name):
    fine(check_trainer(build("trainers", name)))


@pytest.mark.parametrize("name", [name for name in built_in("problems") if name != "neural_fly"])  # needs flight logs
def test_problems(name):
    if name in LONG:
        pytest.skip(f"{LONG[name]}: lbp check {name}")
    fine(check_problem(build("problems", name)))


@pytest.mark.parametrize("name", built_in("encoders"))
def test_encoders(name):
    fine(check_encoder(build("encoders", name)))
