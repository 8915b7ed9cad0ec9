"""Every built-in plugin goes through the same door as a stranger's.

The cost on 50,000 × 512 and the toy curve are left out here but for two strategies: `lbp check NAME` has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from labelbench_plus.plugins import BUILT_IN, registry
from labelbench_plus.testing import (
    Report,
    check_annotator,
    check_augmentation,
    check_base,
    check_combiner,
    check_condition,
    check_dataset,
    check_encoder,
    check_metric,
    check_network,
    check_problem,
    check_strategy,
    check_synthesiser,
    check_trainer,
)

# On the toy problem's vectors there are no images to augment.
NETWORK = {"network": "linear", "augment": "noise", "steps": 30, "learning_rate": 0.2, "batch": 16}

# Hyperparameters of those that declare no example and have no defaults, or train longer than a test can wait.
GIVEN: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": 16, "steps": 200, "dropout": 0.1, "passes": 3},
    "mlp_regression": {"networks": 2, "hidden": 16, "steps": 40},
    **dict.fromkeys(("finetune", "lp_ft"), NETWORK),
    **dict.fromkeys(("pseudo_label", "uda", "fixmatch", "flexmatch", "freematch", "softmatch"), NETWORK | {"ratio": 1}),
    "v_pet": NETWORK | {"ratio": 1, "teachers": ["logistic_regression", "label_propagation"]},
}
# Left to `lbp check NAME`, as opening or evaluating them is a simulation or a training of its own.
LONG = {"pendulum": "it simulates control for a minute", "corrupted_images": "it trains a reference for ten seconds"}


def built_in(kind: str) -> list[str]:
    return [name for name, entry in registry(kind).entries().items() if entry.origin == BUILT_IN]


def build(kind: str, name: str) -> Any:
    known = registry(kind)
    given = GIVEN.get(name, known.load(name).example())
    if given is None:
        pytest.skip("it declares no example, and GIVEN has none for it")
    return known.build({"name": name, **given})


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


@pytest.mark.parametrize("name", built_in("metrics"))
def test_metrics(name):
    fine(check_metric(build("metrics", name)))


@pytest.mark.parametrize("name", built_in("conditions"))
def test_conditions(name):
    fine(check_condition(build("conditions", name)))


@pytest.mark.parametrize("name", built_in("networks"))
def test_networks(name):
    fine(check_network(build("networks", name)))


@pytest.mark.parametrize("name", built_in("augmentations"))
def test_augmentations(name):
    fine(check_augmentation(build("augmentations", name)))


@pytest.mark.parametrize("name", built_in("combiners"))
def test_combiners(name):
    fine(check_combiner(build("combiners", name)))


@pytest.mark.parametrize("name", built_in("bases"))
def test_bases(name):
    fine(check_base(build("bases", name)))


@pytest.mark.parametrize("name", built_in("annotators"))
def test_annotators(name):
    fine(check_annotator(build("annotators", name)))


@pytest.mark.parametrize("name", built_in("datasets"))
def test_datasets(name):
    report = check_dataset(build("datasets", name))
    fine(report)
    if report["loads"].status == "skipped":
        pytest.skip(report["loads"].detail)


def test_data_sets_of_your_own_files(tmp_path):
    rng = np.random.default_rng(0)
    inputs, labels = rng.standard_normal((90, 3)).astype(np.float32), np.arange(90) % 3
    parts = {"pool": slice(0, 50), "validation": slice(50, 60), "test": slice(60, 90)}
    arrays = {
        f"{part}_{what}": value[rows]
        for part, rows in parts.items()
        for what, value in (("inputs", inputs), ("labels", labels))
    }
    np.savez(tmp_path / "mine.npz", **arrays)
    fine(check_dataset(registry("datasets").build({"name": "arrays", "path": str(tmp_path / "mine.npz")})))
    real = {name: value.astype(np.float32) if name.endswith("labels") else value for name, value in arrays.items()}
    np.savez(tmp_path / "real.npz", **real)
    fine(check_dataset(registry("datasets").build({"name": "arrays", "path": str(tmp_path / "real.npz")})))
    rows = [",".join([*map(str, row), f"class {label}"]) for row, label in zip(inputs, labels, strict=True)]
    (tmp_path / "mine.csv").write_text("\n".join(["a,b,c,label", *rows]))
    fine(
        check_dataset(
            registry("datasets").build({"name": "feature_table", "path": str(tmp_path / "mine.csv"), "label": "label"})
        )
    )


@pytest.mark.parametrize("name", built_in("synthesisers"))
def test_synthesisers(name):
    fine(check_synthesiser(build("synthesisers", name)))
