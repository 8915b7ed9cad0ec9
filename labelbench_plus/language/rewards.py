"""What a tuned policy takes to be good: what DPO makes it stand for, its own confidence, or a head that was learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.contracts.annotators import Asked
from labelbench_plus.inputs.conversations import Conversation
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.decoding import Decoding, Generations
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.policy import Policy, Reward, policy_features


@dataclass(frozen=True)
class Implicit:
    """The reward that DPO has a policy stand for: β (log π − log π_reference).

    Source: Rafailov et al., Direct preference optimization (2023), equation 5; what depends on the prompt is left out.
    """

    beta: float

    def rewards(self, model: LanguageModel, asked: Sequence[Asked]) -> Tensor:
        prompts, responses = [each.prompt for each in asked], [each.responses[0] for each in asked]
        reference = LanguageModel(model.base, model.template)
        gained = model.log_probabilities(prompts, responses) - reference.log_probabilities(prompts, responses)
        return self.beta * gained

    def features(self, model: LanguageModel, asked: Sequence[Asked]) -> Tensor:
        return policy_features(model, asked)


@dataclass(frozen=True)
class Likelihood:
    """A policy that judges responses by how likely it finds each of their tokens: nobody is asked."""

    def rewards(self, model: LanguageModel, asked: Sequence[Asked]) -> Tensor:
        prompts, responses = [each.prompt for each in asked], [each.responses[0] for each in asked]
        reference = LanguageModel(model.base, model.template)
        found = reference.log_probabilities(prompts, responses)
        return found / torch.from_numpy(reference.response_tokens(responses)).double()

    def features(self, model: LanguageModel, asked: Sequence[Asked]) -> Tensor:
        return policy_features(model, asked)


@dataclass(frozen=True)
class Proxy:
    """A linear head on the states of responses, which labels what no expert was asked about.

    Attributes
    ----------
    mean, scale, weights: (d,) float64: a reward is weights · (features − mean) / scale.
    body: low-rank changes under which the states are computed; None for the frozen policy.
    """

    mean: Tensor
    scale: Tensor
    weights: Tensor
    body: Adapter | None = None

    def rewards(self, model: LanguageModel, asked: Sequence[Asked]) -> Tensor:
        found = self.features(model, asked).double()
        return ((found - self.mean.cpu()) / self.scale.cpu()) @ self.weights.cpu()

    def features(self, model: LanguageModel, asked: Sequence[Asked]) -> Tensor:
        return policy_features(LanguageModel(model.base, model.template, self.body), asked)


@dataclass(frozen=True)
class BestOf(Policy):
    """A policy that answers with the best of `k` responses, by its reward; the first of equals.

    Attributes
    ----------
    k: responses to each prompt, the first of which is what the policy would have answered.
    """

    k: int = 1

    def generate(
        self, prompts: Sequence[Conversation], decoding: Decoding, generators: Sequence[Generator] | None = None
    ) -> Generations:
        if generators is None or self.reward is None:
            return super().generate(prompts, decoding, generators)
        said = [prompt for prompt in prompts for _ in range(self.k)]
        found = super().generate(said, decoding, [each for one in generators for each in (one, *one.spawn(self.k - 1))])
        asked = [Asked(prompt, None, (text,)) for prompt, text in zip(said, found.texts, strict=True)]
        best = self.predictions(asked).reshape(len(prompts), self.k).argmax(dim=1).numpy()
        rows = best + self.k * np.arange(len(prompts))
        texts = tuple(found.texts[row] for row in rows)
        return Generations(texts, found.ended[rows], found.tokens[rows], found.stopped[rows])

    def reference_kl(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> float:
        """log k − (k − 1)/k, which bounds it, whatever the reward."""
        return math.log(self.k) - (self.k - 1) / self.k if self.reward is not None else 0.0


def as_state(reward: Reward | None) -> dict[str, Any]:
    """A reward as tensors, numbers and strings by name, for `of_state`; None where nothing was learned of any."""
    if reward is None:
        return {"kind": "none"}
    if isinstance(reward, Implicit):
        return {"kind": "implicit", "beta": reward.beta}
    if isinstance(reward, Likelihood):
        return {"kind": "likelihood"}
    assert isinstance(reward, Proxy)
    state: dict[str, Any] = {"kind": "proxy"}
    state |= {"mean": reward.mean, "scale": reward.scale, "weights": reward.weights}
    if reward.body is not None:
        state |= {"body": reward.body.state(), "rank": reward.body.rank, "alpha": reward.body.alpha}
    return state


def of_state(state: Mapping[str, Any]) -> Reward | None:
    """The reward that `as_state` took apart."""
    if state["kind"] == "none":
        return None
    if state["kind"] == "implicit":
        return Implicit(state["beta"])
    if state["kind"] == "likelihood":
        return Likelihood()
    body = Adapter.of_state(state["rank"], state["alpha"], state["body"]) if "body" in state else None
    return Proxy(state["mean"], state["scale"], state["weights"], body)
