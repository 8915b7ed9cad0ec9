"""Supervised fine-tuning by TRL, on as many devices as there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge

from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.language._language_trainer import LanguageTrainer

if TYPE_CHECKING:
    from labelbench_plus.language.data import InstructionData
    from labelbench_plus.language.model import LanguageModel
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper


@trainers.register("trl_sft")
@dataclass(frozen=True)
class TrlSft(LanguageTrainer):
    """What `sft` does, by TRL's `SFTTrainer` in processes that accelerate launches. Needs the extra `trl`.

    It starts from the same weights and reads the same tokens in the same order, so that on one device its losses are
    those of `sft`, up to rounding, where nothing is warmed up; its last bits are not promised. What it came to is kept;
    a training that is killed starts again.

    Parameters
    ----------
    epochs, supervised: as of `sft`.
    packing: whether examples are put together to `max_tokens`, which wastes nothing on padding. It needs an attention
        that keeps them apart (flash attention), and reads another number of examples a step.
    four_bit: whether the base is held in four bits in training (by bitsandbytes, on CUDA devices). What is learned is
        then put on the base as it is.
    processes: one a CUDA device; `batch` is divided among them.
    launch: a configuration of accelerate's, for FSDP or DeepSpeed.
    """

    title = "Supervised fine-tuning by TRL"
    task = "instruction"

    epochs: Annotated[int, Ge(1)] = 4
    supervised: Literal["answers", "all"] = "answers"
    packing: bool = False
    four_bit: bool = False
    processes: Annotated[int, Ge(1), Infra()] = 1
    launch: Annotated[Path | None, Infra(), Outside("files")] = None

    @classmethod
    def example(cls) -> None:  # every fit starts processes, which takes long
        return None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch % self.processes:
            raise ValueError(f"batch {self.batch} cannot be divided among {self.processes} processes")
        if self.four_bit and self.tune == "full":
            raise ValueError("four_bit goes with tune: lora; weights of four bits are not trained")

    def train(self, data: InstructionData, streams: Streams, keeper: Keeper) -> LanguageModel:
        from labelbench_plus.trainers.language._trl import trained

        return trained(self, data, streams, keeper)
