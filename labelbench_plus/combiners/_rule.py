"""The rule of multi-objective decoding, over listed responses or token by token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from labelbench_plus.combiners import Listed, Policies, Response, Step
from labelbench_plus.combiners._listed import listed, of_one

if TYPE_CHECKING:
    import torch

    from labelbench_plus.algorithms.decoding.divergences import Divergence
    from labelbench_plus.combiners import Live
    from labelbench_plus.seeding import Streams


def combined(
    policies: Policies,
    weights: np.ndarray,
    divergence: Divergence,
    normaliser: Literal["exact", "drop"],
    scope: Literal["sequence", "token"],
    streams: Streams,
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

    found = policies.distributions()
    kept = np.flatnonzero(weights)
    wanted = needs_reference(divergence, weights.tolist(), normaliser)
    if not isinstance(found, Listed):
        return _drawn(found, policies, weights, kept, wanted, divergence, normaliser, scope, streams)
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


def _drawn(
    found: Live,
    policies: Policies,
    weights: np.ndarray,
    kept: np.ndarray,
    wanted: bool,
    divergence: Divergence,
    normaliser: Literal["exact", "drop"],
    scope: Literal["sequence", "token"],
    streams: Streams,
) -> Response:
    """Of policies that are asked token by token."""
    from labelbench_plus.algorithms.decoding.policy_combination import combine

    if not len(kept):
        return of_one(policies.reference(), streams)

    def rule(step: Step) -> torch.Tensor:
        before = scope == "sequence"
        return combine(
            step.log_policies,
            weights[kept].tolist(),
            divergence,
            log_reference=step.log_reference,
            carried=step.carried if before else None,
            carried_reference=step.carried_reference if before else None,
            normaliser=normaliser,
        )

    reference = policies.reference() if wanted else None
    assert not isinstance(reference, Listed)
    samples = found.only(kept.tolist()).sample(rule, streams, reference)
    return Response(None, samples, float(len(kept) + wanted))
