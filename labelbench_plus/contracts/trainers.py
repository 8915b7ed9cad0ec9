"""Trainers: one file each. A trainer turns what was bought, and the unlabelled rest, into a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from labelbench_plus.contracts.capabilities import Capability
from labelbench_plus.plugins import Plugin, Registry

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams


class Checkpoint(Protocol):
    """Where a long training keeps its state, so that a killed run need not start over.

    A state is bytes, or a folder if that is what a library writes. A trainer uses one of the two.
    """

    def load(self) -> bytes | None:
        """The state kept last; None if there is none."""

    def due(self) -> bool:
        """Whether enough time has passed since the last save, or since the start."""

    def save(self, state: bytes) -> None:
        """Replace the kept state with this one, atomically."""

    def load_folder(self) -> Path | None:
        """The folder kept last, read-only; None if there is none."""

    def save_folder(self, write: Callable[[Path], None]) -> None:
        """Replace the kept folder with what `write` puts into the empty folder it gets, atomically."""


class Trainer(Plugin):
    """Turns what was bought into a model.

    Attributes
    ----------
    task: what it learns ("classification"); a problem poses one task, a trainer solves one.
    provides: capabilities that its models offer to strategies. Each is a method of the model by that name, from
        features (n, d), or whatever its problem has it read, to a tensor or array with n rows, unless declared
        otherwise.
    declares: the trainer's own capabilities among them, beside the well-known ones.
    uses_validation: whether it reads validation labels. If not, it never gets any; if so, their number is shown beside
        the budget.
    continues: whether a fit starts from the previous round's model. Resuming then replays the fits of all rounds,
        unless `restore` knows better.
    needs: kinds of inputs that its problem must offer beside features ("images").
    saves_models: whether it has `save_model` and `load_model`.
    """

    task: ClassVar[str]
    provides: ClassVar[frozenset[str]] = frozenset()
    declares: ClassVar[tuple[Capability, ...]] = ()
    uses_validation: ClassVar[bool] = False
    continues: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset()
    saves_models: ClassVar[bool] = False

    def mirroring(self) -> str | None:
        """What to set so that it mirrors no training image ("flip: false"); None if it mirrors none."""
        return None

    def fit(self, data: Any, streams: Streams, previous: Any | None) -> Any:
        """Train a model.

        Parameters
        ----------
        data: what the problem lets a trainer see (its `training_data`).
        streams: this round's random streams ("model_init", "data_order", "augment", ...), the same for every
            strategy at a seed.
        previous: last round's model if `continues`, else None.

        Returns
        -------
        A model. Its `notes`, if any, are numbers about the training (tokens, steps, money) by name: they are kept with
        the round's costs as `trainer.<name>`, and nothing that is compared or ranked depends on them.
        """
        raise NotImplementedError

    def fit_with_checkpoint(self, data: Any, streams: Streams, previous: Any | None, checkpoint: Checkpoint) -> Any:
        """`fit` for long trainings: it saves its state now and then, and continues from the saved one.

        The model is bit-identical wherever training was interrupted.
        """
        return self.fit(data, streams, previous)

    def restore(self, data: Any, streams: Streams, checkpoint: Checkpoint) -> Any | None:
        """The model that `fit` returned for this data and these streams, without fitting; None if it is not available.

        A resumed run asks for the model of its last round. The model must be bit-identical to the fitted one, so what
        was kept must identify its trainer, data, streams and initial weights. A trainer that restores has
        `fit_with_checkpoint` keep the finished model.
        """
        return None

    def save_model(self, model: Any, folder: Path) -> None:
        """Write one of its models into an empty folder, for `load_model`."""
        raise NotImplementedError

    def load_model(self, folder: Path) -> Any:
        """The model that `save_model` wrote there, on the CPU."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Hash of the weights that it starts from, part of a run's identity; empty if there are none."""
        return ""


trainers = Registry("trainer", Trainer, "labelbench_plus.trainers")
