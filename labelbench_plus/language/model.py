"""The model that problems evaluate and trainers return: a base, and what was learned beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from torch import Tensor, nn

from labelbench_plus.inputs.conversations import Conversation
from labelbench_plus.language import decoding as writing
from labelbench_plus.language import scoring
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.base import OpenBase
from labelbench_plus.language.decoding import Decoding, Generations
from labelbench_plus.language.synthetic import Synthesis
from labelbench_plus.language.templates import Format, Template


@dataclass(frozen=True)
class TokenUncertainty:
    """How unsure a model is of the tokens of its own greedy answers to n prompts; higher is more unsure.

    Attributes
    ----------
    largest: (n, 3) float64, of each answer's least sure token: entropy, least confidence, margin
        (`algorithms.token_uncertainty.max_uncertainty`).
    mean: (n, 3) float64: the mean entropy, minus the answer's log probability, one minus the mean margin
        (`algorithms.token_uncertainty.mean_uncertainty`).
    tokens: (n,) int64 of each answer, with the one that ends it.
    """

    largest: Tensor
    mean: Tensor
    tokens: np.ndarray


@dataclass(frozen=True)
class LanguageModel:
    """A language model that answers prompts. All of a process share one frozen base.

    Attributes
    ----------
    base: what it was before it learned anything.
    template: of prompts and answers.
    learned: low-rank changes, or a whole model with weights of its own; None: it is the base.
    notes: numbers about its training.
    synthesis: what a model wrote for it to learn from, beside what was bought; None if nothing was to be written.
    """

    base: OpenBase
    template: Template
    learned: Adapter | nn.Module | None = None
    notes: Mapping[str, float] = field(default_factory=dict)
    synthesis: Synthesis | None = None

    @property
    def format(self) -> Format:
        """The template with the base's tokenizer."""
        return Format(self.template, self.base.tokenizer)

    @contextmanager
    def computing(self) -> Iterator[Any]:
        """The transformers model as it has learned to be, to compute with and not to keep."""
        worn = self.learned.worn(self.base) if isinstance(self.learned, Adapter) else nullcontext(self.learned)
        with self.base.computing(), worn as found:
            yield found if found is not None else self.base.model

    def _prompts(self, form: Format, prompts: Sequence[Conversation], beyond: int = 0) -> list[list[int]]:
        """Their tokens; refused where the base cannot read them and so many more."""
        found = [form.prompt(prompt) for prompt in prompts]
        if (longest := max(map(len, found), default=0) + beyond) > self.base.context:
            raise ValueError(
                f"prompt and answer may have {longest} tokens together, but the base reads {self.base.context}: lower "
                "max_tokens of the template, or max_new_tokens of the decoding"
            )
        return found

    def log_probabilities(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> Tensor:
        """(n,) float64: how likely each response is after its prompt, its end included, in nats. The sum over its
        tokens: divide by `response_tokens` for the mean.
        """
        form = self.format
        with self.computing() as model:
            answers = [form.answer(text) for text in responses]
            beyond = max(map(len, answers), default=0)
            return scoring.log_probabilities(model, self._prompts(form, prompts, beyond), answers)

    def response_tokens(self, responses: Sequence[str]) -> np.ndarray:
        """(n,) int64 tokens of responses, with the one that ends each."""
        form = self.format
        return np.array([len(form.answer(text)) for text in responses], dtype=np.int64)

    def prompt_tokens(self, prompts: Sequence[Conversation]) -> np.ndarray:
        """(n,) int64 tokens of prompts, the template's included."""
        form = self.format
        return np.array([len(form.prompt(prompt)) for prompt in prompts], dtype=np.int64)

    def generate(
        self, prompts: Sequence[Conversation], decoding: Decoding, generators: Sequence[Generator] | None = None
    ) -> Generations:
        """Its answers.

        Parameters
        ----------
        generators: one per prompt, `[streams.rng(f"answer {row}") for row in ...]`; None if the temperature is 0.
        """
        form = self.format
        with self.computing() as model:
            tokens = self._prompts(form, prompts, decoding.max_new_tokens)
            return writing.generate(model, form, tokens, decoding, generators)

    def token_uncertainty(self, prompts: Sequence[Conversation], decoding: Decoding) -> TokenUncertainty:
        """How unsure it is of its own greedy answers.

        Raises
        ------
        ValueError
            The decoding is not greedy.
        """
        import torch

        from labelbench_plus.algorithms.token_uncertainty import MEASURES, max_uncertainty, mean_uncertainty

        if decoding.temperature:
            raise ValueError(f"uncertainty is that of greedy answers (temperature 0), got {decoding.temperature}")
        form = self.format
        with self.computing() as model:
            tokens = self._prompts(form, prompts, decoding.max_new_tokens)
            found = writing.generate(model, form, tokens, decoding, None, with_statistics=True)
        assert found.statistics is not None, "asked for"
        lengths = torch.from_numpy(found.tokens)
        largest, mean = (
            torch.stack([of(found.statistics, lengths, measure=measure) for measure in MEASURES], dim=1)
            for of in (max_uncertainty, mean_uncertainty)
        )
        return TokenUncertainty(largest, mean, found.tokens)

    def embeddings(self, prompts: Sequence[Conversation]) -> Tensor:
        """(n, h) float32: its `hidden` states, under the name by which strategies read them."""
        return self.hidden(prompts)

    def hidden(self, prompts: Sequence[Conversation]) -> Tensor:
        """(n, h) float32: last hidden states of prompts' tokens, pooled as the template says."""
        form = self.format
        with self.computing() as model:
            return scoring.hidden(model, self._prompts(form, prompts), self.template.pooling)

    def response_states(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> Tensor:
        """(n, 3, h) float32 last hidden states: the mean of a response's tokens, with the one that ends it; the last of
        them; the mean of all tokens, the prompt's too.
        """
        form = self.format
        with self.computing() as model:
            answers = [form.answer(text) for text in responses]
            beyond = max(map(len, answers), default=0)
            return scoring.response_states(model, self._prompts(form, prompts, beyond), answers)
