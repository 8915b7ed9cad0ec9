"""Gaussian process regression on frozen features."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._kept import SavesState
from labelbench_plus.trainers.regression._unit import Unit

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.algorithms.learners.gaussian_process import GaussianProcessFit
    from labelbench_plus.problems.regression import RegressionData
    from labelbench_plus.seeding import Streams

VARIANCES, LENGTHS, NOISES = (1e-2, 1e2), (1e-2, 1e2), (1e-5, 1e1)
"""What is tried, in units of the labels' variance and of the labelled points' root mean squared distance."""


@dataclass(frozen=True)
class GaussianProcessModel:
    """A process in the unit of the labels; member k lacks the label of `left_out[k]`."""

    process: GaussianProcessFit
    unit: Unit
    left_out: Tensor

    @property
    def noise(self) -> float:
        return self.unit.scale**2 * self.process.noise

    def predictions(self, features: Tensor) -> Tensor:
        return self.unit.labels(self.process.predictions(features))

    def variance(self, features: Tensor) -> Tensor:
        return self.unit.variances(self.process.posterior_variance(features))

    def members(self, features: Tensor) -> Tensor:
        return self.unit.labels(self.process.without(self.left_out, features))


@trainers.register("gaussian_process")
@dataclass(frozen=True)
class GaussianProcess(SavesState):
    """A Gaussian process with covariance exp(−‖x − y‖² / (2 length²)) and noise (Rasmussen & Williams, 2006).

    Variance, length and noise maximise the likelihood of the labels: scikit-learn starts from the distances of the
    labelled points (L-BFGS, one start, deterministic). For a few thousand labels at most.

    Parameters
    ----------
    ensemble: the number of members, at most one per label: each lacks one drawn label, and all have the same
        hyperparameters.
    """

    title = "Gaussian process"
    reference = Reference(("Rasmussen", "Williams"), 2006)
    task = "regression"
    provides = frozenset({"predictions", "variance", "members"})

    ensemble: Annotated[int, Ge(2)] = 20

    def fit(self, data: RegressionData, streams: Streams, previous: Any | None) -> GaussianProcessModel:
        import torch

        from labelbench_plus.algorithms.learners.gaussian_process import gaussian_process

        features, values = data.labelled.features, data.labelled.values
        unit = Unit.of(values)
        labels = unit.standardised(values)
        variance, length, noise = most_likely(features, labels)
        process = gaussian_process(features, labels, variance=variance, length=length, noise=noise)
        drawn = streams.rng("members").permutation(len(values))[: self.ensemble]
        return GaussianProcessModel(process, unit, torch.as_tensor(drawn, device=features.device))

    def state_of(self, model: GaussianProcessModel) -> dict[str, Any]:
        return {"process": vars(model.process), "unit": vars(model.unit), "left_out": model.left_out}

    def model_of(self, state: dict[str, Any]) -> GaussianProcessModel:
        from labelbench_plus.algorithms.learners.gaussian_process import GaussianProcessFit

        process, unit = GaussianProcessFit(**state["process"]), Unit(**state["unit"])
        return GaussianProcessModel(process, unit, state["left_out"])


def most_likely(features: Tensor, labels: Tensor) -> tuple[float, float, float]:
    """Variance, length and noise of the process that makes standardised labels (n,) at points (n, d) most likely."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
    from threadpoolctl import threadpool_limits

    x, y = features.double().cpu().numpy(), labels.cpu().numpy()
    spread = float(np.sqrt(2 * x.var(axis=0).sum())) or 1.0
    kernel = ConstantKernel(1.0, VARIANCES) * RBF(1.0, LENGTHS) + WhiteKernel(0.1, NOISES)
    regressor = GaussianProcessRegressor(kernel, alpha=0.0)
    # Hyperparameters at the end of their range are as good as any; BLAS must not round by the number of cores.
    with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="blas"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        regressor.fit(x / spread, y)
    variance, length, noise = np.exp(regressor.kernel_.theta).tolist()
    return variance, length * spread, noise
