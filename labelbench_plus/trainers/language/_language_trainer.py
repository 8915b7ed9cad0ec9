"""The base of trainers that tune a language model step by step, on one device."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval

from labelbench_plus.plugins import describe
from labelbench_plus.trainers import Checkpoint, Trainer
from labelbench_plus.trainers._kept import KEPT_VERSION, Keeper, NoCheckpoint

if TYPE_CHECKING:
    from labelbench_plus.language.model import LanguageModel
    from labelbench_plus.seeding import Streams


@dataclass(frozen=True)
class LanguageTrainer(Trainer):
    """Base of trainers that tune the base of a problem by AdamW: linear warm-up, then half a cosine down to zero.

    A fit that is killed goes on in the middle to the same bits, and what it came to is kept.

    Parameters
    ----------
    tune: "lora": low-rank changes of the decoder's linear layers (W + alpha/rank · BA); "full": all weights. Either is
        kept in float32, whatever the base is computed in.
    rank, alpha, dropout: of "lora".
    layers: so many of the upper layers are tuned by "lora"; the states below them are computed once. null for all. It
        makes steps cheaper and learns less.
    learning_rate: at its highest.
    warmup: share of the steps.
    clip: the largest norm of a gradient.
    batch: examples a step.
    at_once: how many of them pass the model together. Less memory, and other last bits.
    max_tokens: of a prompt and its answer, which is cut off there.
    """

    saves_models = True

    tune: Literal["lora", "full"] = "lora"
    rank: Annotated[int, Ge(1)] = 8
    alpha: Annotated[float, Gt(0)] = 16.0
    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    layers: Annotated[int, Ge(1)] | None = None
    learning_rate: Annotated[float, Gt(0)] = 5e-4
    weight_decay: Annotated[float, Ge(0)] = 0.0
    warmup: Annotated[float, Interval(ge=0, lt=1)] = 0.03
    clip: Annotated[float, Gt(0)] = 1.0
    batch: Annotated[int, Ge(1)] = 8
    at_once: Annotated[int, Ge(1)] = 16
    max_tokens: Annotated[int, Ge(2)] = 1024

    def __post_init__(self) -> None:
        if self.tune == "full" and self.layers is not None:
            raise ValueError("layers goes with tune: lora; tune: full has all weights trained")

    def train(self, data: Any, streams: Streams, keeper: Keeper) -> LanguageModel:
        """Take all steps, from where `keeper` left off; see `_tuning.Tuning`."""
        raise NotImplementedError

    def fit(self, data: Any, streams: Streams, previous: Any | None) -> LanguageModel:
        return self.train(data, streams, self._keeper(data, streams, NoCheckpoint()))

    def fit_with_checkpoint(
        self, data: Any, streams: Streams, previous: Any | None, checkpoint: Checkpoint
    ) -> LanguageModel:
        # What is kept may be done: then the run ended between the last step and the commit of the round.
        restored = self.restore(data, streams, checkpoint)
        return restored or self.train(data, streams, self._keeper(data, streams, checkpoint))

    def restore(self, data: Any, streams: Streams, checkpoint: Checkpoint) -> LanguageModel | None:
        state = self._keeper(data, streams, checkpoint).kept()
        if state is None or "learned" not in state:
            return None
        from labelbench_plus.language.adapters import learned_of
        from labelbench_plus.language.model import LanguageModel

        lora = (self.rank, self.alpha) if self.tune == "lora" else None
        return LanguageModel(data.base, data.template, learned_of(data.base, state["learned"], lora), state["notes"])

    def save_model(self, model: LanguageModel, folder: Path) -> None:
        """Write what peft's `PeftModel.from_pretrained` reads, or of a whole model what transformers reads."""
        from labelbench_plus.language.saved import save

        save(model, folder)

    def load_model(self, folder: Path) -> LanguageModel:
        from labelbench_plus.language.saved import load

        return load(folder)

    def _keeper(self, data: Any, streams: Streams, checkpoint: Checkpoint) -> Keeper:
        return keeper_of(self, data, streams, checkpoint)


def keeper_of(trainer: Trainer, data: Any, streams: Streams, checkpoint: Checkpoint) -> Keeper:
    """The way of a fit to its checkpoint, whose data have a `digest` and a `base`."""
    about = [KEPT_VERSION, describe(trainer), streams.seed, list(streams.key), data.digest()]
    return Keeper(hashlib.sha256(json.dumps(about).encode()).hexdigest(), data.base.device, checkpoint)
