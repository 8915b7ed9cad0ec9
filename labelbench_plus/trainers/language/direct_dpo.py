"""DPO on what was bought, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.reference import OTHERS, Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.language._preference_trainer import PreferenceTrainer

if TYPE_CHECKING:
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper
    from labelbench_plus.trainers.language._dpo import Pairs


@trainers.register("direct_dpo")
@dataclass(frozen=True)
class DirectDpo(PreferenceTrainer):
    """Direct preference optimisation on the pairs that an expert judged (Rafailov et al., 2023).

    Where responses were scored one by one, it learns from all pairs of one prompt with different scores, never across
    prompts. Ties are dropped and counted. Its reward is the implicit one.
    """

    title = "DPO on bought labels"
    reference = Reference(
        ("Rafailov", "Sharma", "Mitchell", OTHERS),
        2023,
        "Direct preference optimization: your language model is secretly a reward model",
    )

    def pairs(self, data: PreferenceData, streams: Streams, keeper: Keeper) -> Pairs:
        from labelbench_plus.trainers.language._dpo import of_judged

        return of_judged(data.judged)
