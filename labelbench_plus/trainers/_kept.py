"""What trainers keep: of a fit, to take it up again if it is that very fit; of a model, for good."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelbench_plus.plugins import describe
from labelbench_plus.trainers import Checkpoint, Trainer

if TYPE_CHECKING:
    import torch

    from labelbench_plus.seeding import Streams

logger = logging.getLogger(__name__)

KEPT_VERSION = 4  # raised when what is kept of a training changes
MODEL_FILE = "model.pt"


class Keeper:
    """A fit's way to its checkpoint. What it keeps is signed with what the fit is of.

    Parameters
    ----------
    signature: of the fit: a hash of all that it depends on.
    device: on which tensors are wanted.
    """

    def __init__(self, signature: str, device: torch.device, checkpoint: Checkpoint) -> None:
        self._signature, self._device, self._checkpoint = signature, device, checkpoint

    @classmethod
    def of(cls, trainer: Trainer, data: Any, streams: Streams, checkpoint: Checkpoint) -> Keeper:
        """That of a fit on data with `labelled`, tensors of what was bought, and `pool_features`."""
        return cls(signature(trainer, data, streams), data.pool_features.device, checkpoint)

    def due(self) -> bool:
        return self._checkpoint.due()

    def keep(self, state: Mapping[str, Any]) -> None:
        """Keep tensors, numbers, strings and containers of these by name, instead of what was kept before."""
        import torch

        buffer = io.BytesIO()
        torch.save({**state, "signature": self._signature}, buffer)
        self._checkpoint.save(buffer.getvalue())

    def kept(self) -> dict[str, Any] | None:
        """What was kept last, on the data's device; None if nothing was, it is of another fit, or cannot be read."""
        import torch

        if (content := self._checkpoint.load()) is None:
            return None
        try:
            state: dict[str, Any] = torch.load(io.BytesIO(content), map_location=self._device, weights_only=True)
        except Exception as error:  # a damaged file can raise anything; training again is always right
            logger.warning("a checkpoint cannot be read (%s); training starts again", error)
            return None
        return state if state.pop("signature", None) == self._signature else None


class SavesState(Trainer):
    """Base of trainers whose model is a state: tensors, numbers, strings and containers of these, by name."""

    saves_models = True

    def state_of(self, model: Any) -> dict[str, Any]:
        """What makes the model what it is."""
        raise NotImplementedError

    def model_of(self, state: dict[str, Any]) -> Any:
        """The model with this state, on the device of its tensors."""
        raise NotImplementedError

    def save_model(self, model: Any, folder: Path) -> None:
        import torch

        torch.save(self.state_of(model), folder / MODEL_FILE)

    def load_model(self, folder: Path) -> Any:
        import torch

        return self.model_of(torch.load(folder / MODEL_FILE, map_location="cpu", weights_only=True))


class RestoresState(SavesState):
    """Base of those that continue: the state of every round's model is kept, so that none is fitted again."""

    def fit_with_checkpoint(self, data: Any, streams: Streams, previous: Any | None, checkpoint: Checkpoint) -> Any:
        model = self.fit(data, streams, previous)
        Keeper.of(self, data, streams, checkpoint).keep(self.state_of(model))
        return model

    def restore(self, data: Any, streams: Streams, checkpoint: Checkpoint) -> Any | None:
        state = Keeper.of(self, data, streams, checkpoint).kept()
        return None if state is None else self.model_of(state)


def signature(trainer: Trainer, data: Any, streams: Streams) -> str:
    """Hash of what a kept state belongs to. Another kind of device rounds otherwise, and has streams of its own."""
    pool = data.pool_features
    about = [KEPT_VERSION, pool.device.type, list(pool.shape), describe(trainer), trainer.fingerprint()]
    digest = hashlib.sha256(json.dumps([*about, streams.seed, list(streams.key)]).encode())
    for part in vars(data.labelled).values():
        digest.update(part.cpu().numpy().tobytes())
    return digest.hexdigest()


class NoCheckpoint:
    """For a fit that nobody wants to interrupt."""

    def load(self) -> None:
        return None

    def due(self) -> bool:
        return False

    def save(self, state: bytes) -> None:
        pass

    def load_folder(self) -> None:
        return None

    def save_folder(self, write: Any) -> None:
        pass
