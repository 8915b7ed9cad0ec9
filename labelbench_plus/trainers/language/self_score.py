"""A policy that judges itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.language._preference_trainer import PreferenceTrainer

if TYPE_CHECKING:
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper
    from labelbench_plus.trainers.language._dpo import Pairs


@trainers.register("self_score")
@dataclass(frozen=True)
class SelfScore(PreferenceTrainer):
    """The policy labels its candidates by how likely it finds each of their tokens: the best against the worst of every
    prompt are what DPO learns from.

    It reads no judgement: a control for the worth of bought labels. Its reward is that likelihood.
    """

    title = "Own likelihood as reward"

    def pairs(self, data: PreferenceData, streams: Streams, keeper: Keeper) -> Pairs:
        from dataclasses import replace

        from labelbench_plus.language.model import LanguageModel
        from labelbench_plus.language.rewards import Likelihood
        from labelbench_plus.trainers.language._proxy import best_and_worst

        block, reward = data.candidates, Likelihood()
        every = [block.single(row) for row in range(len(block.responses))]
        scores = reward.rewards(LanguageModel(data.base, data.template), every).numpy()
        return replace(best_and_worst(data, scores), reward=reward)
