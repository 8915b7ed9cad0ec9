"""ALC: the largest mean decrease of posterior variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import strategies
from labelbench_plus.strategies.regression._posterior import PosteriorStrategy
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("alc")
@dataclass(frozen=True)
class ALC(PosteriorStrategy):
    """Query what lowers the mean variance of the predictions over the pool most (ALC; Cohn et al., 1996).

    An item x lowers it by the mean over targets u of cov(u, x)² / (var(x) + noise), given what is labelled and what
    the batch holds already. Under "linear" that is the greedy V-optimal design in the features and a constant.

    Parameters
    ----------
    posterior: "linear" is that of a linear model in the features and a constant, "rbf" that of a Gaussian process on
        the features, "members" has the covariances of the trained model's members.
    targets: of "rbf": how many candidates count, drawn if there are more. The other posteriors count all.
    noise: variance of a label's noise, in units of the prior variance: of a weight ("linear"), of the process
        ("rbf"), or of the mean variance over the pool ("members").
    scale: of "rbf": γ of exp(−‖x − x'‖² / γ) over the mean squared distance of two items.
    """

    title = "ALC"
    reference = Reference(("Cohn", "others"), 1996)

    posterior: Literal["linear", "rbf", "members"] = "linear"  # type: ignore[misc]
    targets: Annotated[int, Ge(1)] = 1000

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.posterior_variance import alc

        rows, given = self.model(view)
        if self.posterior == "rbf" and len(rows) > self.targets:
            drawn = rng.choice(len(rows), size=self.targets, replace=False)
            given["targets"] = rows[torch.as_tensor(drawn, device=rows.device)]
        return view.candidates[alc(rows, n, **given)]
