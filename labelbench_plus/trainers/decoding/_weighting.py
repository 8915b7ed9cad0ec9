"""What trainers that estimate a user's weighting share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from labelbench_plus.contracts.combiners import Combiner, Response, combiners
from labelbench_plus.plugins import From
from labelbench_plus.trainers import Trainer

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.contracts.policy_sets import Given
    from labelbench_plus.seeding import Streams

MEMBERS = 64


@dataclass(frozen=True)
class WeightingTrainer(Trainer):
    """Base: its models give probabilities of preferences, and answer by a combiner.

    Parameters
    ----------
    combiner: what answers for a weighting.
    """

    task = "weighting"
    provides = frozenset({"probabilities", "member_probabilities", "embeddings"})

    combiner: Annotated[Combiner, From("combiners")] = field(default_factory=lambda: combiners.build("mod"))

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset(f"policy {name}" for name in self.combiner.needs)


@dataclass(frozen=True)
class EstimatedWeighting:
    """An estimate of a user's weighting, with how sure it is.

    Attributes
    ----------
    weights: (M,) the estimate, on the simplex.
    utilities: (k, M) float64, what k plausible users make of a question's features, in logits; with `shares` (k,).
    members: (64, M) the same of 64 that are equally plausible.
    stop: see `problems.weighting.WeightingModel`.
    """

    weights: np.ndarray
    utilities: Tensor
    shares: Tensor
    members: Tensor
    stop: tuple[int, np.ndarray] | None
    combiner: Combiner
    given: Given
    streams: Streams

    def probabilities(self, features: Tensor) -> Tensor:
        """(n, 2) that the second, then that the first response is preferred, of questions (n, M)."""
        first = (features @ self.utilities.T).sigmoid() @ self.shares
        return _both(first)

    def member_probabilities(self, features: Tensor) -> Tensor:
        """(64, n, 2)."""
        return _both((self.members @ features.T).sigmoid())

    def embeddings(self, features: Tensor) -> Tensor:
        """(n, M) the features themselves."""
        return features.clone()

    def respond(self, weights: np.ndarray) -> Response:
        policies = self.given.policies(self.combiner.needs)
        return self.combiner.respond(policies, weights, self.streams)


def _both(first: Any) -> Any:
    import torch

    return torch.stack([1 - first, first], dim=-1)
