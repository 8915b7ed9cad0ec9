"""Self-play against demonstrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.language._preference_trainer import PreferenceTrainer

if TYPE_CHECKING:
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper
    from labelbench_plus.trainers.language._dpo import Pairs


@trainers.register("spin")
@dataclass(frozen=True)
class Spin(PreferenceTrainer):
    """The responses of the seed demonstrations against those that the policy draws itself to the same prompts: one
    iteration of self-play (Chen et al., 2024, algorithm 1).

    It reads no judgement: a control for the worth of bought labels. Its reward is the implicit one.
    """

    title = "SPIN (reads no judgement)"
    reference = Reference(
        ("Chen", "Deng", "Yuan", "Ji", "Gu"),
        2024,
        "Self-play fine-tuning converts weak language models to strong language models",
    )

    def pairs(self, data: PreferenceData, streams: Streams, keeper: Keeper) -> Pairs:
        from labelbench_plus.language.candidates import draw
        from labelbench_plus.language.model import LanguageModel
        from labelbench_plus.trainers.language._dpo import Pair, Pairs

        shown, model = data.demonstrations, LanguageModel(data.base, data.template)
        drawn = draw(model, [each.prompt for each in shown], 1, data.decoding, streams.rng)
        found = [Pair(each.prompt, each.response, own.text) for each, (own,) in zip(shown, drawn, strict=True)]
        new = [pair for pair in found if pair.better != pair.worse]
        return Pairs(new, len(found) - len(new))
