"""DPO with an expert who was asked about everything."""

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


@trainers.register("oracle_dpo")
@dataclass(frozen=True)
class OracleDpo(PreferenceTrainer):
    """DPO on the best against the worst of every prompt's candidates by the expert's own scores. A bound, not a method.

    It reads what was not bought, so it only works with problems that reveal it (`tells_all`), whose results are not
    ranked.
    """

    title = "DPO on all labels (a bound)"
    needs = frozenset({"all_judgements"})

    @classmethod
    def example(cls) -> None:  # the problem has to tell it everything
        return None

    def pairs(self, data: PreferenceData, streams: Streams, keeper: Keeper) -> Pairs:
        import numpy as np

        from labelbench_plus.trainers.language._dpo import best_against_worst

        if data.truth is None:
            raise ValueError("oracle_dpo goes with a problem that tells_all")
        block = data.candidates
        count = block.shape.responses
        scores = np.array([each.verdict for each in data.truth()]).reshape(-1, count)
        texts = np.array([each.text for each in block.responses], dtype=object).reshape(-1, count)
        return best_against_worst(block.prompts, texts.tolist(), scores)
