"""The base of trainers whose steps are taken by TRL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.trainers.language._language_trainer import LanguageTrainer


@dataclass(frozen=True)
class ByTrl(LanguageTrainer):
    """Base of trainers that hand their steps to TRL, in processes that accelerate launches. Needs the extra `trl`.

    Their last bits are not promised. What a training came to is kept; one that is killed starts again.

    Parameters
    ----------
    four_bit: whether the base is held in four bits in training (by bitsandbytes, on CUDA devices). What is learned is
        then put on the base as it is.
    processes: one a CUDA device; `batch` is divided among them.
    launch: a configuration of accelerate's, for FSDP or DeepSpeed.
    """

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
