"""A small live world: a language model that says so many words to each prompt, and adapters on its top layers.

Three cuts make it affordable on a processor. The reference is the model renormalised on word-like tokens, a proper
policy with a quarter of the head's cost. Adapters change the top layers alone, so that what the layers below make of a
text is computed once. Responses have one length; shorter prompts are filled up behind their responses, where nothing
that counts looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Trunk:
    """What the layers below the top make of sequences.

    Attributes
    ----------
    states: (..., P + T − 1, h) of the longest prompt's P tokens, and a response without its last.
    starts: (...) int64, the place of each prompt's last token, which the response's first is foretold from.
    """

    states: Tensor
    starts: Tensor

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: Any) -> Trunk:
        return Trunk(self.states[rows], self.starts[rows])

    def __iter__(self) -> Iterator[Trunk]:
        return (self[row] for row in range(len(self)))

    def flatten(self, first: int, last: int) -> Trunk:
        """One axis in place of several before those of tokens and states."""
        return Trunk(self.states.flatten(first, last), self.starts.flatten(first, last))


class LiveWorld:
    """A causal language model with Llama's layers, asked in one way.

    Parameters
    ----------
    model: of transformers, in evaluation mode. It becomes the world's own: its head is cut down.
    tokenizer: of the model.
    prompts: texts.
    length: tokens of a response.
    top: layers from the top that adapters may change.
    last: ids beyond this one are not said.
    begun: whether prompts begin with what the tokenizer puts before a text.

    Raises
    ------
    ValueError
        A prompt without tokens, or a model with other layers.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        prompts: Sequence[str],
        length: int,
        top: int,
        last: int | None = None,
        *,
        begun: bool = False,
    ) -> None:
        self.prompts = [list(tokenizer(text, add_special_tokens=begun)["input_ids"]) for text in prompts]
        if empty := [text for text, ids in zip(prompts, self.prompts, strict=True) if not ids]:
            raise ValueError(f"prompts: {empty[0]!r} has no tokens")
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
    def trunk(self, tokens: Tensor) -> Trunk:
        """(c, n) of prompts and responses (c, n, T)."""
        found, longest = [], max(map(len, self.prompts))
        for prompt, responses in zip(self.prompts, tokens, strict=True):
            asked = torch.tensor(prompt, device=self.device).expand(len(responses), -1)
            behind = responses.new_zeros(len(responses), longest - len(prompt))
            ids = torch.cat([asked, responses[:, :-1], behind], dim=1)
            states = self.model.model.embed_tokens(ids)
            found.append(self._through(states, self.model.model.layers[: self.first]))
        return self.resumed(torch.stack(found))

    def resumed(self, states: Tensor) -> Trunk:
        """The trunk whose states (c, n, P + T − 1, h) were made before."""
        starts = torch.tensor([len(prompt) - 1 for prompt in self.prompts], device=self.device)
        return Trunk(states.to(self.device), starts.unsqueeze(1).expand(states.shape[:2]))

    def log_probabilities(self, trunk: Trunk, tokens: Tensor, adapter: Adapter | None = None) -> Tensor:
        """(r,) of responses (r, T), whose trunk is (r,), under an adapter or the reference."""
        return self._of_tokens(self._conditionals(trunk, adapter), tokens)

    def with_divergence(self, trunk: Trunk, tokens: Tensor, adapter: Adapter) -> tuple[Tensor, Tensor]:
        """The same, and (r,) the exact KL(π_ref‖π) of every step, summed: for the reference's responses, unbiased."""
        with torch.no_grad():
            base = self._conditionals(trunk, None)
        logs = self._conditionals(trunk, adapter)
        far = torch.nn.functional.kl_div(logs, base, reduction="none", log_target=True).sum(dim=(1, 2))
        return self._of_tokens(logs, tokens), far

    @torch.no_grad()
    def representations(self, trunk: Trunk) -> Tensor:
        """(c, n, h) float64: means of the reference's last hidden states over the places that foretell a response."""
        return torch.stack([self._last_states(each, None).double().mean(dim=1) for each in trunk])

    @torch.no_grad()
    def all_log_probabilities(self, trunk: Trunk, tokens: Tensor, adapter: Adapter | None = None) -> Tensor:
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

    def _conditionals(self, trunk: Trunk, adapter: Adapter | None) -> Tensor:
        """(r, T, V) log-probabilities at every step."""
        states = self._last_states(trunk, adapter)
        return torch.log_softmax(self.model.get_output_embeddings()(states), dim=-1)

    def _last_states(self, trunk: Trunk, adapter: Adapter | None) -> Tensor:
        """(r, T, h) before the head, at every step."""
        with adapted(self.model, adapter):
            states = self.model.model.norm(self._through(trunk.states, self.model.model.layers[self.first :]))
            places = trunk.starts[:, None] + torch.arange(self.length, device=self.device)
            return states[torch.arange(len(states), device=self.device)[:, None], places]

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
