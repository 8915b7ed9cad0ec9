"""A small live world: a language model that says so many words to each prompt, and adapters on its top layers.

Three cuts make it affordable on a processor. The reference is the model renormalised on word-like tokens, a proper
policy with a quarter of the head's cost. Adapters change the top layers alone, so that what the layers below make of a
text is computed once. Prompts have one length and responses another, so that nothing is padded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labelbench_plus.decoding.adapters import Adapter
from labelbench_plus.decoding.engine import decode
from labelbench_plus.decoding.policies import restrict_head
from labelbench_plus.decoding.separate import SeparatePolicies

WORD_LIKE = re.compile(r"[Ġ▁]?[A-Za-z,.!?;]+")
PIECE = 64  # sequences that are read at once


class LiveWorld:
    """A causal language model with Llama's layers, asked in one way.

    Parameters
    ----------
    model: of transformers, in evaluation mode. It becomes the world's own: its head is cut down.
    tokenizer: of the model.
    prompts: texts of equally many tokens.
    length: tokens of a response.
    top: layers from the top that adapters may change.
    last: ids beyond this one are not said.

    Raises
    ------
    ValueError
        Prompts of different lengths, or a model with other layers.
    """

    def __init__(
        self, model: Any, tokenizer: Any, prompts: Sequence[str], length: int, top: int, last: int | None = None
    ) -> None:
        self.prompts = [list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in prompts]
        lengths = sorted({len(ids) for ids in self.prompts})
        if len(lengths) != 1:
            raise ValueError(f"prompts: expected texts of equally many tokens, got {lengths}")
        if not hasattr(getattr(model, "model", None), "rotary_emb"):
            raise ValueError(f"{type(model).__name__}: only models with Llama's layers can be taught here")
        self.vocabulary = word_like(tokenizer, last)
        restrict_head(model, self.vocabulary)
        self.model, self.tokenizer, self.length = model.requires_grad_(False), tokenizer, length
        self.first = len(model.model.layers) - top
        self.tokens = len(tokenizer)
        self.device = next(model.parameters()).device
        self._place = torch.full((self.tokens,), -1, dtype=torch.int64, device=self.device)
        self._place[self.vocabulary] = torch.arange(len(self.vocabulary), device=self.device)

    def drawn(self, responses: int, uniforms: np.ndarray) -> Tensor:
        """(c, n, T) ids that the reference says to each prompt, of draws (c · n, T)."""
        asked = [prompt for prompt in self.prompts for _ in range(responses)]
        alone = SeparatePolicies([self.model], self.tokens, vocabulary=self.vocabulary)
        found = [
            decode(alone, asked[at : at + PIECE], [(1.0,)], max_new_tokens=self.length, uniforms=part)[0].tokens
            for at in range(0, len(asked), PIECE)
            for part in (uniforms[at : at + PIECE],)
        ]
        return torch.as_tensor(np.concatenate(found), device=self.device).unflatten(0, (len(self.prompts), responses))

    def texts(self, tokens: Tensor) -> list[str]:
        """What ids (..., T) read as, in order; −1 is nothing."""
        rows = tokens.reshape(-1, tokens.shape[-1]).tolist()
        return [self.tokenizer.decode([token for token in row if token >= 0]).strip() for row in rows]

    @torch.no_grad()
    def trunk(self, tokens: Tensor) -> Tensor:
        """(c, n, P + T − 1, h) what the layers below the top make of prompts and responses (c, n, T)."""
        found = []
        for prompt, responses in zip(self.prompts, tokens, strict=True):
            ids = torch.cat([torch.tensor(prompt, device=self.device).expand(len(responses), -1), responses], dim=1)[
                :, :-1
            ]
            states = self.model.model.embed_tokens(ids)
            found.append(self._through(states, self.model.model.layers[: self.first]))
        return torch.stack(found)

    def log_probabilities(self, trunk: Tensor, tokens: Tensor, adapter: Adapter | None = None) -> Tensor:
        """(r,) of responses (r, T), whose trunk's states are (r, P + T − 1, h), under an adapter or the reference."""
        return self._of_tokens(self._conditionals(trunk, adapter), tokens)

    def with_divergence(self, trunk: Tensor, tokens: Tensor, adapter: Adapter) -> tuple[Tensor, Tensor]:
        """The same, and (r,) the exact KL(π_ref‖π) of every step, summed: for the reference's responses, unbiased."""
        with torch.no_grad():
            base = self._conditionals(trunk, None)
        logs = self._conditionals(trunk, adapter)
        far = torch.nn.functional.kl_div(logs, base, reduction="none", log_target=True).sum(dim=(1, 2))
        return self._of_tokens(logs, tokens), far

    @torch.no_grad()
    def all_log_probabilities(self, trunk: Tensor, tokens: Tensor, adapter: Adapter | None = None) -> Tensor:
        """(c, n) float64 of responses (c, n, T)."""
        rows = [self.log_probabilities(*each, adapter) for each in zip(trunk, tokens, strict=True)]
        return torch.stack(rows).double()

    def untrained(self, rank: int, generator: torch.Generator) -> Adapter:
        """Adapters on every projection of the top layers that change nothing yet, of scaling 2."""
        layers = {}
        for name, part in self.model.named_modules():
            if isinstance(part, nn.Linear) and _layer_of(name) >= self.first:
                drawn = torch.empty(rank, part.in_features).uniform_(-1, 1, generator=generator)
                down = (drawn / part.in_features**0.5).to(part.weight)
                up = part.weight.new_zeros(part.out_features, rank)
                layers[name] = (down.requires_grad_(), up.requires_grad_(), 2.0)
        return Adapter(layers)

    def trained(
        self,
        rank: int,
        loss: Callable[[Adapter, int], Tensor],
        steps: int,
        rate: float,
        generator: torch.Generator,
    ) -> Adapter:
        """An adapter after steps of Adam on a loss, which is told the adapter and the number of the step."""
        adapter = self.untrained(rank, generator)
        parameters = [half for a, b, _ in adapter.layers.values() for half in (a, b)]
        optimiser = torch.optim.Adam(parameters, lr=rate)
        for step in range(steps):
            optimiser.zero_grad()
            loss(adapter, step).backward()
            optimiser.step()
        return Adapter({name: (a.detach(), b.detach(), s) for name, (a, b, s) in adapter.layers.items()})

    def _conditionals(self, trunk: Tensor, adapter: Adapter | None) -> Tensor:
        """(r, T, V) log-probabilities at every step."""
        with adapted(self.model, adapter):
            states = self._through(trunk, self.model.model.layers[self.first :])
            states = self.model.model.norm(states)[:, -self.length :]
            return torch.log_softmax(self.model.get_output_embeddings()(states), dim=-1)

    def _of_tokens(self, logs: Tensor, tokens: Tensor) -> Tensor:
        return logs.gather(-1, self._place[tokens].unsqueeze(-1)).squeeze(-1).sum(dim=-1)

    def _through(self, states: Tensor, layers: nn.ModuleList) -> Tensor:
        positions = torch.arange(states.shape[1], device=self.device).unsqueeze(0)
        rotary = self.model.model.rotary_emb(states, position_ids=positions)
        for layer in layers:
            states = layer(
                states, attention_mask=None, position_ids=positions, position_embeddings=rotary, use_cache=False
            )
        return states


def word_like(tokenizer: Any, last: int | None = None) -> list[int]:
    """Ids of tokens that are letters and marks between sentences, up to an id."""
    ids = range(len(tokenizer) if last is None else min(last + 1, len(tokenizer)))
    special = set(tokenizer.all_special_ids)
    shown = tokenizer.convert_ids_to_tokens(list(ids))
    return [index for index, text in zip(ids, shown, strict=True) if index not in special and WORD_LIKE.fullmatch(text)]


@contextmanager
def adapted(model: Any, adapter: Adapter | None) -> Iterator[None]:
    """A model with an adapter on it, through which gradients flow."""
    parts, hooks = dict(model.named_modules()), []

    def adding(down: Tensor, up: Tensor, scaling: float) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        return lambda _module, inputs, output: output + scaling * (inputs[0] @ down.T) @ up.T

    try:
        for name, (down, up, scaling) in (adapter.layers if adapter else {}).items():
            hooks.append(parts[name].register_forward_hook(adding(down, up, scaling)))
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _layer_of(name: str) -> int:
    """The number of the layer that a part lies in; −1 of none."""
    found = re.match(r"model\.layers\.(\d+)\.", name)
    return int(found[1]) if found else -1
