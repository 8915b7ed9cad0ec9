"""Multi-objective decoding: a distribution for every weighting of objectives, from policies tuned to one each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from labelbench_plus.algorithms.decoding.divergences import Alpha, Divergence, ForwardKL, ReverseKL

STEPS = 60  # of Newton's method; a dozen do
ROOM = 4.0  # sums of probabilities are right to so many roundings an entry


def combine(
    log_policies: Tensor,
    weights: Sequence[float],
    divergence: Divergence,
    *,
    log_reference: Tensor | None = None,
    carried: Tensor | None = None,
    carried_reference: Tensor | None = None,
    normaliser: Literal["exact", "drop"] = "exact",
) -> Tensor:
    """Log-probabilities of what to say next, for a weighting of the objectives that the policies were tuned to.

    With x_i = π_i/π_ref and v = Σ w_i f′(x_i): π_ref g(v − Z), g the inverse of f′. Policies that are optimal for their
    objectives under one β and one f give the policy that is optimal for Σ w_i R_i (Shi et al., 2024, arXiv 2406.18853,
    Proposition 1), if it is whole responses that are listed. Over the tokens of a step it is a rule of its own.

    Parameters
    ----------
    log_policies: (k, ..., V) log-probabilities of k policies, or logits: a constant along V makes no difference.
    weights: k finite numbers. Policies of weight zero are not read. Negative ones are allowed where the rule stays
        defined. A sum other than 1 makes the whole stronger or weaker, down to the reference itself at 0, which needs
        `log_reference`.
    log_reference: (..., V) of the policy that all were tuned from. Not needed for reverse KL, nor, where the
        normaliser is dropped, for forward KL and alpha.
    carried: (k, ...) log-probabilities that the policies give to what was said before, for the rule on whole
        responses; the rule on tokens without.
    carried_reference: (...) the same of the reference.
    normaliser: "exact" solves for Z; "drop" has Z = 0 and divides by the sum, which for all but reverse KL is
        another distribution.

    Returns
    -------
    (..., V) in the dtype of `log_policies`, each row's exponentials summing to one; −inf where π_ref is zero or a
    policy of positive weight is.

    Raises
    ------
    ValueError
        Shapes that do not match, values that are NaN, weights that are not finite, no reference where one
        is needed, or weights for which the rule is not defined at a row.

    Notes
    -----
    Computed in float64. Z is found by Newton's method from max_y v(y) − f′(1/π_ref(y)), where one response alone has
    all the mass: the sum is convex and falls in Z, so that steps never overshoot nor leave the domain of g.
    """
    kept = _kept(log_policies, weights)
    total = math.fsum(weights)
    strong = not math.isclose(total, 1, rel_tol=0, abs_tol=1e-9)
    _check_reference(divergence, log_reference, strong, total, normaliser)
    reference = _log_softmax(log_reference, "log_reference") if log_reference is not None else None
    if reference is not None and reference.shape != log_policies.shape[1:]:
        raise ValueError(f"log_reference: expected shape {tuple(log_policies.shape[1:])}, got {tuple(reference.shape)}")
    base = torch.zeros((), dtype=torch.float64, device=log_policies.device) if reference is None else reference
    before = _carried(carried_reference, log_policies.shape[1:-1], "carried_reference")
    if carried is not None and carried.shape != log_policies.shape[:-1]:
        raise ValueError(f"carried: expected shape {tuple(log_policies.shape[:-1])}, got {tuple(carried.shape)}")
    short = torch.zeros(log_policies.shape[1:], dtype=torch.float64, device=log_policies.device)
    short += divergence.ceiling * (1 - total) if strong else 0.0
    gone = torch.isneginf(base)
    for index in kept:
        policy = _log_softmax(log_policies[index], f"policy {index}")
        ratio = policy - base - before
        if carried is not None:
            ratio = ratio + carried[index].double().unsqueeze(-1)
        ratio = torch.where(torch.isneginf(policy), -math.inf, ratio)  # also where the reference is zero
        part = weights[index] * divergence.shortfall(ratio)
        if bool((torch.isneginf(part) & ~gone).any()):
            raise ValueError(f"weights: policy {index} of weight {weights[index]:g} gives a response no probability")
        short = short + part
    short = torch.where(gone, math.inf, short)
    if bool(torch.isposinf(short).all(dim=-1).any()):
        raise ValueError("log_policies: in a row every response has probability zero under some policy")
    if normaliser == "drop" or isinstance(divergence, ReverseKL):  # there Z is a factor, which the sum divides out
        if divergence.bounded and bool((short <= 0).any()):
            raise ValueError(
                f"weights {_shown(weights)}: without the normaliser {divergence.name!r} is not defined for them: a "
                f"slope reaches {divergence.ceiling:g}; use normaliser='exact'"
            )
        found = base + divergence.log_inverse(short)
    else:
        found = _solved(short, base, divergence)
    return torch.log_softmax(found, dim=-1).to(log_policies.dtype)


def needs_reference(divergence: Divergence, weights: Sequence[float], normaliser: Literal["exact", "drop"]) -> bool:
    """Whether `combine` needs `log_reference` for these weights."""
    strong = not math.isclose(math.fsum(weights), 1, rel_tol=0, abs_tol=1e-9)
    without = isinstance(divergence, ReverseKL) or (normaliser == "drop" and isinstance(divergence, ForwardKL | Alpha))
    return strong or not without


def optimal_policy(log_reference: Tensor, scores: Tensor, divergence: Divergence) -> Tensor:
    """Log-probabilities (..., V) float64 of the policy that maximises E `scores` − Σ π_ref f(π/π_ref).

    Parameters
    ----------
    log_reference: (..., V) log-probabilities of π_ref, or logits.
    scores: (..., V), R/β.

    Raises
    ------
    ValueError
        Values that are NaN.
    """
    base, wanted = _log_softmax(log_reference, "log_reference"), scores.double()
    if bool(torch.isnan(wanted).any()):
        raise ValueError("scores: expected numbers, got NaN")
    short = torch.where(torch.isneginf(base), math.inf, divergence.ceiling - wanted)
    if isinstance(divergence, ReverseKL):
        return torch.log_softmax(base + divergence.log_inverse(short), dim=-1)
    return torch.log_softmax(_solved(short, base, divergence), dim=-1)


def mean_divergence(log_policy: Tensor, log_reference: Tensor, divergence: Divergence) -> Tensor:
    """Σ π_ref f(π/π_ref) of log-probabilities (..., V): (...) float64, where policies have nothing that π_ref lacks."""
    base, policy = log_reference.double(), log_policy.double()
    never = torch.isneginf(policy)
    values = torch.where(never, divergence.at_zero, divergence.value(torch.where(never, 0.0, policy - base)))
    return torch.where(torch.isneginf(base), 0.0, base.exp() * values).sum(dim=-1)


def kl_divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p‖q) of log-probabilities (..., V): (...) float64, infinite where q lacks what p has."""
    p = log_p.double()
    return torch.where(torch.isneginf(p), 0.0, p.exp() * (p - log_q.double())).sum(dim=-1)


def _solved(short: Tensor, base: Tensor, divergence: Divergence) -> Tensor:
    """ln π_ref + ln g(v − Z) with the Z for which they sum to one, of shortfalls (..., V) without it."""
    least = divergence.shortfall(-base)  # where one response alone has all the mass; below it there is more than all
    first = torch.where(torch.isposinf(short), -math.inf, least - short).argmax(dim=-1, keepdim=True)
    # Differences to the first response: what is far from 0 would swallow how little it takes to stay in the domain.
    start = torch.maximum(short - short.gather(-1, first) + least.expand_as(short).gather(-1, first), least)
    tolerance = ROOM * torch.finfo(torch.float64).eps * short.shape[-1]
    moved = torch.zeros_like(short[..., :1])
    for _ in range(STEPS):
        logs = divergence.log_inverse(start + moved)
        excess = torch.exp(base + logs).sum(dim=-1, keepdim=True) - 1
        if bool((excess <= tolerance).all()):
            break
        fall = torch.exp(base + divergence.log_inverse_slope(logs)).sum(dim=-1, keepdim=True)
        moved = moved + torch.where(excess > tolerance, excess / fall, 0.0)
    return base + divergence.log_inverse(start + moved)


def _kept(log_policies: Tensor, weights: Sequence[float]) -> list[int]:
    if log_policies.ndim < 2 or not log_policies.is_floating_point():
        raise ValueError(f"log_policies: expected (k, ..., V) floating point, got {tuple(log_policies.shape)}")
    if len(weights) != len(log_policies):
        raise ValueError(f"weights: expected {len(log_policies)}, one per policy, got {len(weights)}")
    if not all(math.isfinite(weight) for weight in weights):
        raise ValueError(f"weights: expected finite numbers, got {_shown(weights)}")
    return [index for index, weight in enumerate(weights) if weight]


def _check_reference(
    divergence: Divergence,
    log_reference: Tensor | None,
    strong: bool,
    total: float,
    normaliser: Literal["exact", "drop"],
) -> None:
    if normaliser not in ("exact", "drop"):
        raise ValueError(f"normaliser: expected 'exact' or 'drop', got {normaliser!r}")
    if strong and normaliser == "drop" and not isinstance(divergence, ReverseKL):
        raise ValueError(f"weights: their sum is {total:g}; without the normaliser only a sum of 1 has a meaning")
    if log_reference is None and (strong or needs_reference(divergence, (total,), normaliser)):
        why = f"a sum of weights of {total:g}" if strong else f"{divergence.name!r} with normaliser={normaliser!r}"
        raise ValueError(f"log_reference: {why} needs the policy that all were tuned from")


def _carried(values: Tensor | None, shape: torch.Size, name: str) -> Tensor | float:
    if values is None:
        return 0.0
    if values.shape != shape:
        raise ValueError(f"{name}: expected shape {tuple(shape)}, got {tuple(values.shape)}")
    return values.double().unsqueeze(-1)


def _log_softmax(values: Tensor, name: str) -> Tensor:
    exact = values.double()
    if bool(torch.isnan(exact).any()) or bool(torch.isposinf(exact).any()):
        raise ValueError(f"{name}: expected log-probabilities or logits, got NaN or +infinity")
    found = torch.log_softmax(exact, dim=-1)
    if bool(torch.isnan(found).any()):
        raise ValueError(f"{name}: in a row every entry is −infinity")
    return found


def _shown(weights: Sequence[float]) -> str:
    return ", ".join(f"{weight:g}" for weight in weights)
