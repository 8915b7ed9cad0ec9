"""The base of trainers that tune a policy towards the better of two responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt

from labelbench_plus.trainers import Checkpoint
from labelbench_plus.trainers._kept import Keeper
from labelbench_plus.trainers.language._language_trainer import LanguageTrainer

if TYPE_CHECKING:
    from labelbench_plus.language.policy import Policy
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers.language._dpo import Pairs

REWARD_FILE = "reward.pt"


@dataclass(frozen=True)
class Opinionated(LanguageTrainer):
    """Base of trainers whose model has an opinion of its own of what is good, which is saved with it."""

    task = "preference"
    provides = frozenset({"predictions", "embeddings"})

    def save_model(self, model: Any, folder: Path) -> None:
        import torch

        from labelbench_plus.language.rewards import as_state

        super().save_model(model, folder)
        torch.save(as_state(model.reward), folder / REWARD_FILE)

    def load_model(self, folder: Path) -> Any:
        import torch

        from labelbench_plus.language.rewards import of_state
        from labelbench_plus.trainers.language._dpo import as_policy

        state = torch.load(folder / REWARD_FILE, map_location="cpu", weights_only=True)
        return as_policy(super().load_model(folder), of_state(state))


@dataclass(frozen=True)
class PreferenceTrainer(Opinionated):
    """Base of trainers that tune the policy of a seed on pairs of responses, itself the reference.

    All take the same number of steps, however many pairs they have, so that they are compared at equal compute; without
    any pair the policy stays what it is. Needs the extra `language`.

    Notes: `pairs` that were learned from, `ties` that were dropped, `steps`, `train_tokens`, `loss`: the mean of the
    last tenth of the steps, `margin`: the mean of log π − log π_reference of the better less the worse, in nats, then.

    Parameters
    ----------
    steps: of `batch` pairs each; 0 tunes nothing and leaves what there is of a reward.
    beta: how much a nat of log π / π_reference counts.
    loss: "sigmoid" is DPO's; "ipo", "kto": see `algorithms.preference_losses.pair_losses`.
    sft: the weight of the cross-entropy of the better response, a mean over its tokens. Without it, small policies that
        are moved away from the worse response forget how to speak.
    """

    task = "preference"
    provides = frozenset({"predictions", "embeddings"})

    learning_rate: Annotated[float, Gt(0)] = 2e-4
    steps: Annotated[int, Ge(0)] = 100
    beta: Annotated[float, Gt(0)] = 0.3
    loss: Literal["sigmoid", "ipo", "kto"] = "sigmoid"
    sft: Annotated[float, Ge(0)] = 1.0

    @classmethod
    def example(cls) -> Mapping[str, Any] | None:
        return {"steps": 2, "batch": 2, "rank": 2}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.at_once < 2:
            raise ValueError("at_once must be at least 2: the responses of a pair pass the model together")
        if self.loss == "kto" and self.at_once < 2 * self.batch:
            raise ValueError(f"loss 'kto' looks at all responses of a step: at_once must be at least {2 * self.batch}")

    def pairs(self, data: PreferenceData, streams: Streams, keeper: Keeper) -> Pairs:
        """What to learn from, and the reward by which it was found."""
        raise NotImplementedError

    def train(self, data: PreferenceData, streams: Streams, keeper: Keeper) -> Policy:
        from labelbench_plus.trainers.language._dpo import tuned

        return tuned(self, data, streams, keeper)

    def restore(self, data: PreferenceData, streams: Streams, checkpoint: Checkpoint) -> Policy | None:
        found = super().restore(data, streams, checkpoint)
        if found is None:
            return None
        from labelbench_plus.language.rewards import of_state
        from labelbench_plus.trainers.language._dpo import as_policy

        state = self._keeper(data, streams, checkpoint).kept()
        assert state is not None
        return as_policy(found, of_state(state["reward"]))
