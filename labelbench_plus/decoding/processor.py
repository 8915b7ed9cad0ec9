"""Multi-objective decoding inside transformers' own `generate`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labelbench_plus.decoding.policies import LivePolicies, State
from labelbench_plus.decoding.rule import Rule, checked_weights


class CombinedScores:
    """A logits processor: `generate` of the first policy then says what all say together.

    >>> together = CombinedScores(policies, (0.5, 0.5), batch["attention_mask"])
    >>> first.generate(**batch, logits_processor=[together], do_sample=False)

    It keeps the place in one generation; make another for the next. Beams are refused, since they reorder rows.
    Processors that `generate` adds itself (a repetition penalty, say) act before it, and on the first policy alone.

    Parameters
    ----------
    policies: all of them, the one that generates first. It runs once in `generate`, so it is asked for nothing here.
    weights: one per policy.
    attention_mask: (B, S) of the prompts, padded on the left.
    rule: reverse KL on tokens if None.

    Raises
    ------
    ValueError
        Weights that do not fit, no reference where the rule needs it, padding on the right; when called, beams, more
        rows than prompts, or a second generation.
    """

    def __init__(
        self, policies: LivePolicies, weights: Sequence[float], attention_mask: Tensor, rule: Rule | None = None
    ) -> None:
        self.policies, self.rule = policies, rule or Rule()
        self.weights = checked_weights(weights, policies.count)
        if self.rule.needs_reference(self.weights) and not policies.reference:
            raise ValueError("weights: under this rule they need the model that the policies were tuned from")
        if self.rule.carries():
            raise ValueError("scope: what was said before is carried by decode() only; use scope='token' here")
        if not bool(attention_mask[:, -1].all()):
            raise ValueError("attention_mask: the last token of a prompt is hidden; pad on the left")
        if policies.vocabulary is not None:
            raise ValueError("policies: those that say chosen tokens only cannot answer inside generate")
        self.mask = attention_mask
        self.active = tuple(index for index, weight in enumerate(self.weights) if weight)
        asked = tuple(index for index in self.active if index > 0)
        self.columns = (*asked, policies.count) if self.rule.needs_reference(self.weights) else asked
        self.state: State | None = None
        self.read = torch.empty(len(attention_mask), 0, dtype=torch.int64)

    @torch.no_grad()
    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        before = self.read.shape[1]
        if len(input_ids) != len(self.mask):
            raise ValueError(
                f"{len(input_ids)} rows for {len(self.mask)} prompts: beams and num_return_sequences reorder or "
                f"repeat rows; repeat the prompts instead"
            )
        if input_ids.shape[1] <= before or not torch.equal(input_ids[:, :before], self.read.to(input_ids.device)):
            raise ValueError("the rows changed since the last token: this is another generation, or beams moved them")
        if before == 0 and input_ids.shape[1] != self.mask.shape[1]:
            raise ValueError(f"prompts of {input_ids.shape[1]} tokens, but an attention mask for {self.mask.shape[1]}")
        self.read = input_ids.clone()
        more = input_ids.shape[1] - self.mask.shape[1]
        mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), more)], dim=1).to(self.policies.device)
        width = self.policies.width
        parts = [scores[None, :, :width].to(self.policies.device)] if 0 in self.active else []
        reference = None
        if self.columns:
            self.state = self.state or self.policies.start(self.columns)
            places = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, before:]
            tokens = input_ids[:, before:].to(self.policies.device)
            found = self.policies.advance(self.state, tokens, mask, places, None)
            reference = found[-1] if self.columns[-1] == self.policies.count else None
            parts.append(found if reference is None else found[:-1])
        kept = [self.weights[index] for index in self.active]
        logs = self.rule.combined(torch.cat(parts).double(), kept, reference, None, None)
        out = torch.full_like(scores, -torch.inf)
        out[:, :width] = logs.to(device=scores.device, dtype=scores.dtype)
        return out
