"""Reward models of transformers: classifiers of a prompt and a response with one output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from labelbench_plus.models.model_files import ModelFiles
from labelbench_plus.models.weights import library

AT_ONCE = 32  # pairs of texts


@dataclass(frozen=True)
class RewardModel(ModelFiles):
    """A sequence classifier with one label, whose logit is the reward."""

    ways: ClassVar[str] = (
        "Ways to get a reward model: (1) with a network, its name on the hub (it stays in the hub's cache, which can "
        "be copied to a machine without one; there set HF_HUB_OFFLINE=1); (2) reward_folders, one per model: what "
        "save_pretrained wrote of a sequence classifier with one label, and of its tokenizer"
    )
    package: ClassVar[str] = ""
    packaged: ClassVar[str] = ""

    @classmethod
    def named(cls, name: str, folder: Path | None) -> RewardModel:
        """Of a folder, or of the hub if there is none."""
        return cls(name, "pretrained" if folder is None else "folder", folder)

    def load(self, device: str) -> Callable[[Sequence[str], Sequence[str]], np.ndarray]:
        """What makes (n,) rewards of n prompts and the responses to them, computed in float32.

        Prompt and response are read as the pair of texts that the model's tokenizer makes of them.

        Raises
        ------
        ValueError
            The weights are not whole, or of a model with another number of labels.
        FileNotFoundError
            As of `path`, or transformers is not installed.
        """
        import torch

        model = self.whole(library("transformers", "language").AutoModelForSequenceClassification, torch.float32)
        if model.config.num_labels != 1:
            raise ValueError(f"reward model {self.model!r}: expected one label, got {model.config.num_labels}")
        tokenizer = self.tokenizer()
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        if tokenizer.pad_token is None:
            raise ValueError(
                f"reward model {self.model!r}: its tokenizer has neither a token to pad with nor one to end"
            )
        model.config.pad_token_id = tokenizer.pad_token_id
        return _rewarding(model.to(device).eval(), tokenizer)


def _rewarding(model: Any, tokenizer: Any) -> Callable[[Sequence[str], Sequence[str]], np.ndarray]:
    import torch

    most = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", tokenizer.model_max_length))

    @torch.no_grad()
    def rewards(prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
        found = []
        for at in range(0, len(responses), AT_ONCE):
            pair = list(prompts[at : at + AT_ONCE]), list(responses[at : at + AT_ONCE])
            read = tokenizer(*pair, padding=True, truncation=True, max_length=most, return_tensors="pt")
            found.append(model(**read.to(model.device)).logits[:, 0].double().cpu().numpy())
        return np.concatenate(found)

    return rewards
