"""The rule of multi-objective decoding over listed responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from labelbench_plus.combiners import Policies, Response
from labelbench_plus.combiners._listed import listed

if TYPE_CHECKING:
    from labelbench_plus.algorithms.decoding.divergences import Divergence


def combined(
    policies: Policies,
    weights: np.ndarray,
    divergence: Divergence,
    normaliser: Literal["exact", "drop"],
    scope: Literal["sequence", "token"],
) -> Response:
    """The answer to a weighting (M,). Only policies whose weight is not zero are read, and counted as run.

    Raises
    ------
    ValueError
        A rule that is not defined for these weights, or the tokens of responses that have none.
    """
    import torch

    from labelbench_plus.algorithms.decoding.policy_combination import combine, needs_reference
    from labelbench_plus.decoding.token_tree import conditionals, joint

    found = listed(policies.distributions())
    kept = np.flatnonzero(weights)
    wanted = needs_reference(divergence, weights.tolist(), normaliser)
    reference = torch.as_tensor(listed(policies.reference()).log_probabilities[0]) if wanted else None
    used = torch.as_tensor(found.log_probabilities[kept])
    forwards = float(len(kept) + wanted)

    def rule(log_policies: torch.Tensor, log_reference: torch.Tensor | None) -> torch.Tensor:
        if not len(kept):  # what is asked of no policy is the reference
            assert log_reference is not None
            return torch.log_softmax(log_reference, dim=-1)
        return combine(
            log_policies, weights[kept].tolist(), divergence, log_reference=log_reference, normaliser=normaliser
        )

    if scope == "sequence":
        return Response(rule(used, reference).numpy(), None, forwards)
    if found.steps is None:
        raise ValueError(
            "scope: 'token' needs the probabilities of tokens, and here those of whole responses are known"
        )
    parts = conditionals(used, found.steps)
    bases = [None] * len(parts) if reference is None else conditionals(reference, found.steps)
    steps = [rule(part, base) for part, base in zip(parts, bases, strict=True)]
    return Response(joint(steps).numpy(), None, forwards)
