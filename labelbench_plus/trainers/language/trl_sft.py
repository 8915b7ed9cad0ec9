"""Supervised fine-tuning by TRL, on as many devices as there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge

from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.language._trl_trainer import ByTrl

if TYPE_CHECKING:
    from labelbench_plus.language.data import InstructionData
    from labelbench_plus.language.model import LanguageModel
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper


@trainers.register("trl_sft")
@dataclass(frozen=True)
class TrlSft(ByTrl):
    """What `sft` does, by TRL's `SFTTrainer` in processes that accelerate launches. Needs the extra `trl`.

    It starts from the same weights and reads the same tokens in the same order, so on one device and without warm-up
    its losses are those of `sft` up to rounding.

    Parameters
    ----------
    epochs, supervised: as in `sft`.
    packing: whether examples are put together to `max_tokens`, which wastes nothing on padding. It needs an attention
        that keeps them apart (flash attention), and reads another number of examples a step.
    """

    title = "Supervised fine-tuning by TRL"
    task = "instruction"

    epochs: Annotated[int, Ge(1)] = 4
    supervised: Literal["answers", "all"] = "answers"
    packing: bool = False

    def train(self, data: InstructionData, streams: Streams, keeper: Keeper) -> LanguageModel:
        from labelbench_plus.trainers.language._trl import trained

        return trained(self, data, streams, keeper)
