"""What a trainer of real-valued labels is shown of a made-up world."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelbench_plus.plugins import registry
from labelbench_plus.problems.regression import Measurements, RegressionData
from labelbench_plus.seeding import Streams

FAST: dict[str, dict[str, Any]] = {
    "ridge": {},
    "bayesian_linear": {},
    "gaussian_process": {},
    "random_forest": {"trees": 20},
    "gradient_boosting": {"trees": 40},
    "mlp_regression": {"networks": 3, "hidden": 16, "steps": 80},
}


def cloud(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def bent(features: Tensor) -> Tensor:
    """Labels that are smooth, and nearly linear."""
    x = features.double()
    return 2 * x[:, 0] - x[:, 1] + 0.3 * (x[:, 0] * x[:, 1]).sin()


def fitted(name: str, features: Tensor, values: Tensor, seed: int = 0, **hyperparameters: Any) -> Any:
    trainer = registry("trainers").build({"name": name, **FAST[name], **hyperparameters})
    labelled = Measurements(features, values, torch.arange(len(values)))
    return trainer.fit(RegressionData(labelled, features, None), Streams(seed).round(1), None)
