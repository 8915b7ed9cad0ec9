"""Decoding by several live policies at once, for one weighting of their objectives or many."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.algorithms.decoding.policy_combination import kl_divergence
from labelbench_plus.decoding.policies import LivePolicies, State
from labelbench_plus.decoding.rule import AnyRule, Rule, checked_weights


@dataclass(frozen=True)
class Decoded:
    """What was said to each prompt under one weighting.

    Attributes
    ----------
    tokens: (n, T) int64 ids, with the one that ended a response, −1 after it.
    ended: (n,) whether it ended, rather than being cut off.
    log_probabilities: (n, T) float64 of each token under the combined policy, 0 after the end.
    kl: (n, T) float64, KL(combined‖reference) at each step, 0 after the end, if asked for. Sums over steps are an
        unbiased estimate of the divergence of whole responses where they were sampled.
    forwards: policies that ran for each token, the reference counted.
    """

    tokens: np.ndarray
    ended: np.ndarray
    log_probabilities: np.ndarray
    kl: np.ndarray | None
    forwards: int

    def responses(self) -> list[list[int]]:
        """Ids of each, without the one that ended it."""
        found = [[token for token in row if token >= 0] for row in self.tokens.tolist()]
        return [row[:-1] if ended else row for row, ended in zip(found, self.ended, strict=True)]


@torch.no_grad()
def decode(
    policies: LivePolicies,
    prompts: Sequence[Sequence[int]],
    weightings: Sequence[Sequence[float]],
    *,
    max_new_tokens: int,
    ending: Collection[int] = (),
    rule: AnyRule | None = None,
    uniforms: np.ndarray | None = None,
    kl: bool = False,
) -> list[Decoded]:
    """Answer prompts under each of several weightings.

    Every policy that a weighting needs reads the prompts once, whatever the number of weightings; policies of weight
    zero do not run. A response that is over leaves the batch, so that what is left takes less of each step.

    Parameters
    ----------
    policies: that answer together.
    prompts: ids of each, one or more.
    weightings: k finite weights each (see `combine` for negative ones and sums other than 1).
    max_new_tokens: at which a response is cut off.
    ending: ids that end a response when the combined policy says one.
    rule: reverse KL if None.
    uniforms: (n, max_new_tokens) in [0, 1): draws, token by token, the same ones for every weighting. None says what
        is most probable, of equals the lowest id.
    kl: whether to measure how far from the reference the combined policy goes.

    Returns
    -------
    One for each weighting.

    Raises
    ------
    ValueError
        Anything that does not fit, before a model runs.
    """
    rule = rule or Rule()
    checked = [checked_weights(weights, policies.count) for weights in weightings]
    _check_inputs(policies, prompts, checked, max_new_tokens, rule, uniforms, kl)
    ids, mask = _left_padded(prompts, max_new_tokens, policies.device)
    columns = [_columns(policies, weights, rule, kl) for weights in checked]
    needed = tuple(sorted(set().union(*columns))) if columns else ()
    start, length = policies.start(needed), ids.shape[1]
    read = length - 1 if len(checked) > 1 else 0  # the last token is read with the weights of its own mixture
    if read:
        policies.advance(start, ids[:, :read], mask[:, :read], _places(mask)[:, :read], None)
    job = _Job(policies, rule, ids[:, read:], mask, length, frozenset(ending), max_new_tokens, uniforms, kl)
    return [job.run(start.copy(each), weights) for each, weights in zip(columns, checked, strict=True)]


@dataclass(frozen=True)
class _Job:
    """What is the same for every weighting."""

    policies: LivePolicies
    rule: AnyRule
    ids: Tensor
    mask: Tensor
    length: int
    ending: frozenset[int]
    max_new_tokens: int
    uniforms: np.ndarray | None
    kl: bool

    def run(self, state: State, weights: tuple[float, ...]) -> Decoded:
        count, rows = self.policies.count, len(self.ids)
        columns = state.columns
        active = [column for column in columns if column < count]
        kept = [weights[column] for column in active]
        linear = _mixtures(columns, weights, count, self.kl, self.ids.device) if self.rule.is_linear(weights) else None
        carried = torch.zeros(len(columns), rows, dtype=torch.float64, device=self.ids.device)
        mask, places, said, gains, far = self.mask, _places(self.mask), [], [], []
        left = torch.arange(rows, device=self.ids.device)  # rows that are not over: they alone go on
        tokens, ends = self.ids, torch.tensor(sorted(self.ending), dtype=torch.int64, device=self.ids.device)
        for step in range(self.max_new_tokens):
            seen = self.length + step
            place = places[:, seen - tokens.shape[1] : seen]
            mix = linear if self.policies.mixes else None
            scores = self.policies.advance(state, tokens, mask[:, :seen], place, mix)
            if scores.dtype != torch.float64:
                scores = scores.float()
            reference = scores[-1] if columns[-1] == count else None
            if linear is not None:
                mean = scores[0] if mix is not None else torch.tensordot(linear[0].to(scores.dtype), scores, dims=1)
                logs = torch.log_softmax(mean, dim=-1)
            else:
                logs = self._combined(scores[: len(active)], kept, reference, carried, weights)
            chosen = self._chosen(logs, left, step)
            gained = logs.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
            if bool(torch.isnan(gained).any()):
                raise ValueError("policies: their scores are not numbers; check the models' weights and dtype")
            gains.append(_spread(gained.double(), left, rows, 0))
            if self.kl:
                assert reference is not None
                base = torch.log_softmax(reference.double(), dim=-1)
                apart = kl_divergence(torch.log_softmax(logs.double(), dim=-1), base)
                far.append(_spread(apart, left, rows, 0))
            if self.rule.carries():
                carried = carried + torch.log_softmax(scores.double(), dim=-1)[..., torch.arange(len(left)), chosen]
            tokens = self.policies.ids(chosen).unsqueeze(-1)
            said.append(_spread(tokens.squeeze(-1), left, rows, -1))
            going = (~torch.isin(tokens.squeeze(-1), ends)).nonzero()[:, 0]
            if len(going) < len(left):
                left, tokens, mask, places, carried = (
                    *(each[going] for each in (left, tokens, mask, places)),
                    carried[:, going],
                )
                if not len(left):
                    break
                state.keep(going)
        done = np.ones(rows, dtype=bool)
        done[left.cpu().numpy()] = False
        return Decoded(
            _columns_of(said, self.max_new_tokens, -1),
            done,
            _columns_of(gains, self.max_new_tokens, 0),
            _columns_of(far, self.max_new_tokens, 0) if self.kl else None,
            len(columns),
        )

    def _combined(
        self,
        scores: Tensor,
        kept: Sequence[float],
        reference: Tensor | None,
        carried: Tensor,
        weights: Sequence[float],
    ) -> Tensor:
        base = reference if self.rule.needs_reference(weights) else None
        if not self.rule.carries():
            return self.rule.combined(scores, kept, base, None, None)
        return self.rule.combined(scores, kept, base, carried[: len(scores)], None if base is None else carried[-1])

    def _chosen(self, logs: Tensor, left: Tensor, step: int) -> Tensor:
        if self.uniforms is None:
            return logs.argmax(dim=-1)
        below = logs.double().exp().cumsum(dim=-1)
        drawn = torch.as_tensor(
            self.uniforms[left.cpu().numpy(), step], dtype=torch.float64, device=logs.device
        ).unsqueeze(-1)
        # The first token whose sum exceeds the draw: never one of probability zero.
        found = torch.searchsorted(below, drawn * below[:, -1:], right=True).squeeze(-1)
        return found.clamp(max=logs.shape[-1] - 1)


def _spread(values: Tensor, left: Tensor, rows: int, fill: int) -> Tensor:
    """(n,) with the values of the rows that are left, and `fill` for the others."""
    found = values.new_full((rows,), fill)
    found[left] = values
    return found


def _columns_of(steps: list[Tensor], length: int, fill: int) -> np.ndarray:
    """(n, length) of one (n,) a step."""
    found = torch.stack(steps, dim=1)
    return torch.nn.functional.pad(found, (0, length - found.shape[1]), value=fill).cpu().numpy()


def _columns(policies: LivePolicies, weights: tuple[float, ...], rule: AnyRule, kl: bool) -> tuple[int, ...]:
    """Policies that have to run, the reference last."""
    active = tuple(index for index, weight in enumerate(weights) if weight)
    return (*active, policies.count) if kl or rule.needs_reference(weights) else active


def _mixtures(
    columns: tuple[int, ...], weights: tuple[float, ...], count: int, kl: bool, device: torch.device
) -> Tensor:
    """(1 or 2, c) of the weighted policies, and of the reference if it is asked for."""
    rows = [[weights[column] if column < count else 0.0 for column in columns]]
    if kl:
        rows.append([float(column == count) for column in columns])
    return torch.tensor(rows, dtype=torch.float64, device=device)


def _left_padded(prompts: Sequence[Sequence[int]], more: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(B, S) ids and (B, S + more) mask. Padding is token 0, which the mask hides."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(each)) + list(each) for each in prompts], device=device)
    mask = torch.ones(len(prompts), longest + more, dtype=torch.int64, device=device)
    for row, each in enumerate(prompts):
        mask[row, : longest - len(each)] = 0
    return ids, mask


def _places(mask: Tensor) -> Tensor:
    """(B, S) the place of each token in its row."""
    return (mask.cumsum(dim=1) - 1).clamp(min=0)


def _check_inputs(
    policies: LivePolicies,
    prompts: Sequence[Sequence[int]],
    weightings: Sequence[tuple[float, ...]],
    max_new_tokens: int,
    rule: AnyRule,
    uniforms: np.ndarray | None,
    kl: bool,
) -> None:
    if not prompts or not all(len(each) for each in prompts):
        raise ValueError("prompts: expected one or more, of one token or more each")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens: expected 1 or more, got {max_new_tokens}")
    if uniforms is not None and uniforms.shape != (len(prompts), max_new_tokens):
        raise ValueError(f"uniforms: expected shape {(len(prompts), max_new_tokens)}, got {uniforms.shape}")
    for weights in weightings:
        if (kl or rule.needs_reference(weights)) and not policies.reference:
            why = "kl" if kl else f"weights {', '.join(f'{weight:g}' for weight in weights)} under this rule"
            raise ValueError(f"{why}: needs the model that the policies were tuned from; give it as the reference")
        if not any(weights) and not rule.needs_reference(weights):
            raise ValueError("weights: all are zero")
