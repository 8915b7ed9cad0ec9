"""What combiners share where all responses are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.contracts.combiners import Listed, Policies, Response

if TYPE_CHECKING:
    from labelbench_plus.contracts.combiners import Live
    from labelbench_plus.seeding import Streams


def listed(policies: Listed | Live) -> Listed:
    """Policies whose responses are listed.

    Raises
    ------
    ValueError
        They are asked token by token.
    """
    if not isinstance(policies, Listed):
        raise ValueError("this combiner is for policies whose responses are listed, and these are asked token by token")
    return policies


def of_one(policy: Listed | Live, streams: Streams, forwards: float = 1.0, training_runs: int = 0) -> Response:
    """To answer as one policy does (k = 1)."""
    if isinstance(policy, Listed):
        return Response(policy.log_probabilities[0], None, forwards, training_runs)
    return Response(None, policy.sample(lambda step: step.log_policies[0], streams), forwards, training_runs)


def checked(policies: Policies, weights: np.ndarray) -> np.ndarray:
    """Weights, one per policy and finite.

    Raises
    ------
    ValueError
        Another number of them, or not finite.
    """
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (policies.count,) or not np.isfinite(found).all():
        raise ValueError(f"weights: expected {policies.count} finite numbers, got {found.tolist()}")
    return found


def shares(policies: Policies, weights: np.ndarray) -> np.ndarray:
    """Weights that are shares of a whole.

    Raises
    ------
    ValueError
        Some are negative, or they do not sum to one.
    """
    found = checked(policies, weights)
    if (found < 0).any() or abs(found.sum() - 1) > 1e-9:
        raise ValueError(f"weights: expected shares that sum to 1, got {found.tolist()}")
    return found
