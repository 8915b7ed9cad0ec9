"""What one more answer would be worth to whoever answers for an estimated weighting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from labelbench_plus.algorithms.decoding.divergences import ReverseKL
from labelbench_plus.algorithms.decoding.policy_combination import mean_divergence, optimal_policy

if TYPE_CHECKING:
    from labelbench_plus.decoding.exact_set import ListedPolicies

CHUNK = 64  # weightings at a time


def best_values(weights: Tensor, given: ListedPolicies) -> Tensor:
    """(q,) max_π Σ w_i E R_i − β Σ π_ref f(π/π_ref) of weightings (q, M), R being what `given` implies.

    Implied rewards are known up to a constant a prompt, so values are up to a number that is linear in w.
    """
    if isinstance(given.divergence, ReverseKL):
        scores = torch.tensordot(weights, given.implied / given.beta, dims=1)
        return given.beta * torch.logsumexp(given.log_reference + scores, dim=-1).mean(dim=-1)
    found = []
    for part in weights.split(CHUNK):
        wanted = torch.tensordot(part, given.implied, dims=1)
        policy = optimal_policy(given.log_reference.expand_as(wanted), wanted / given.beta, given.divergence)
        penalty = given.beta * mean_divergence(policy, given.log_reference, given.divergence)
        found.append(((policy.exp() * wanted).sum(dim=-1) - penalty).mean(dim=-1))
    return torch.cat(found)


def expected_gain(weights: Tensor, shares: Tensor, chances: Tensor, given: ListedPolicies) -> float:
    """How much an answer to the best question raises the value that is expected, as a share of what is at stake.

    Values are linear in the weighting, so that it is best to answer for the mean of what is believed, and an answer is
    worth E J*(mean after it) − J*(mean now), J* convex. At stake is what the reference lacks now.

    Parameters
    ----------
    weights, shares: (k, M) weightings and how much each is believed, (k,) summing to one.
    chances: (k, q) that the first response of each question is preferred by who weighs so.
    """
    now = shares @ weights
    yes = chances.T @ shares
    moment = chances.T @ (shares[:, None] * weights)
    after_yes = moment / yes[:, None].clamp(min=1e-300)
    after_no = (now - moment) / (1 - yes)[:, None].clamp(min=1e-300)
    values = best_values(torch.cat([after_yes, after_no, now[None]]), given)
    count = len(yes)
    gains = yes * values[:count] + (1 - yes) * values[count : 2 * count] - values[-1]
    lacks = values[-1] - (given.log_reference.exp() * torch.tensordot(now, given.implied, dims=1)).sum(dim=-1).mean()
    return float(gains.max() / lacks)
