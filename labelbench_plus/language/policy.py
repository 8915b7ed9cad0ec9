"""A language model that was tuned to please, and what it makes of responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from labelbench_plus.contracts.annotators import Asked
from labelbench_plus.inputs.conversations import Conversation
from labelbench_plus.language.model import LanguageModel


class Reward(Protocol):
    """How good a model takes responses to be."""

    def rewards(self, model: LanguageModel, asked: Sequence[Asked]) -> Tensor:
        """(n,) float64 of questions with one response each; differences between them are what counts."""

    def features(self, model: LanguageModel, asked: Sequence[Asked]) -> Tensor:
        """(n, d) float32: what it judges them by."""


@dataclass(frozen=True)
class Policy(LanguageModel):
    """A language model with an opinion of its own of what is good.

    Attributes
    ----------
    reward: that opinion; None where nothing was learned of any.
    """

    reward: Reward | None = None

    def predictions(self, asked: Sequence[Asked]) -> Tensor:
        """(n,) float64: the reward of a response, or of two that of the second less that of the first."""
        import torch

        if self.reward is None:
            return torch.zeros(len(asked), dtype=torch.float64)
        found = self.reward.rewards(self, _singles(asked)).reshape(len(asked), -1)
        return found[:, 0] if found.shape[1] == 1 else found[:, 1] - found[:, 0]

    def embeddings(self, asked: Sequence[Asked]) -> Tensor:  # type: ignore[override]
        """(n, d) float32: what its opinion rests on, of a response, or the second's less the first's of two."""
        features = policy_features if self.reward is None else self.reward.features
        found = features(self, _singles(asked))
        if not asked or len(asked[0].responses) == 1:
            return found
        return found[1::2] - found[::2]

    def reference_kl(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> float:
        """KL to the policy it was tuned from per response, in nats, estimated on its own responses.

        That is the mean of log π − log π_reference where they were drawn at temperature 1.
        """
        from labelbench_plus.language.quality import divergence

        return divergence(self, prompts, responses)


def policy_features(model: LanguageModel, asked: Sequence[Asked]) -> Tensor:
    """(n, 2h) float32: the mean state of each response's tokens, and the last one."""
    states = model.response_states([each.prompt for each in asked], [each.responses[0] for each in asked])
    return states[:, :2].reshape(len(asked), 2 * states.shape[2])


def _singles(asked: Sequence[Asked]) -> list[Asked]:
    return [Asked(each.prompt, None, (text,)) for each in asked for text in each.responses]
