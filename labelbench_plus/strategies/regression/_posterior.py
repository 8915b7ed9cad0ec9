"""Posteriors over functions under which variances and covariances of the candidates are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Gt

from labelbench_plus.strategies import PoolStrategy
from labelbench_plus.strategies.regression._linear import with_constant
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor

NEEDS = {"linear": "features", "rbf": "features", "members": "members", "model": "variance"}


@dataclass(frozen=True)
class PosteriorStrategy(PoolStrategy):
    """Base of strategies that condition on what a batch holds already, which takes covariances but no labels.

    Attributes
    ----------
    posterior: whose; a field of the strategies.

    Parameters
    ----------
    noise: variance of a label's noise, in units of the prior variance: of a weight ("linear"), of the process
        ("rbf"), or of the mean variance over the pool ("members").
    scale: of "rbf": γ of exp(−‖x − x'‖² / γ) over the mean squared distance of two items.
    """

    posterior: ClassVar[str]

    noise: Annotated[float, Gt(0)] = 0.1
    scale: Annotated[float, Gt(0)] = 1.0

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({NEEDS[self.posterior]})

    def model(self, view: PoolView) -> tuple[Tensor, dict[str, Any]]:
        """Rows (n, k) of the candidates, and the rest of what the primitives of `posterior_variance` take."""
        from labelbench_plus.algorithms.blocks.similarity import Rbf

        if self.posterior == "linear":
            labelled = with_constant(view.labelled_features)
            return with_constant(view.features), {"labelled": labelled, "noise": self.noise}
        if self.posterior == "rbf":
            kernel = Rbf(scale=self.scale)
            return view.features, {"labelled": view.labelled_features, "noise": self.noise, "kernel": kernel}
        rows = deviations(view.members)
        average = float(rows.square().sum()) / max(1, len(rows))
        return rows, {"noise": self.noise * average if average > 0 else self.noise}


def deviations(members: Tensor) -> Tensor:
    """(n, M) float64 whose inner products are the covariances of two items among members (M, n)."""
    exact = members.double()
    return ((exact - exact.mean(dim=0)) / len(members) ** 0.5).T.contiguous()
