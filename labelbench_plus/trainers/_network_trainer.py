"""The base of trainers that move a network's weights step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Interval

from labelbench_plus.contracts.augmentations import Augmentation, augmentations
from labelbench_plus.contracts.networks import Network
from labelbench_plus.plugins import From
from labelbench_plus.trainers import Checkpoint
from labelbench_plus.trainers._kept import Keeper, NoCheckpoint, SavesState

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._network_model import NetworkModel


@dataclass(frozen=True)
class NetworkTrainer(SavesState):
    """Base of trainers that move a network's weights step by step, by AdamW.

    The number of steps does not depend on how many labels there are, so that the learning rate's schedule is the same
    at every budget: linear warm-up, then half a cosine down to zero. Every batch holds exactly `batch` labelled
    examples: where there are fewer, some come more than once, each time augmented anew.

    Parameters
    ----------
    network: what is trained.
    batch: labelled examples a step.
    layer_decay: of the learning rate from each layer to the one below it (Clark et al., 2020); 1 for none.
    warmup: share of the steps.
    ema: decay of the moving average of the weights that predicts in the end, shorter at the start; 0 for none.
    augment: how inputs are changed in training; null for not at all.
    copies: of each example and strength that are encoded, where features of augmented images are trained on.
    mixed_precision: whether a CUDA device computes the network in bfloat16; a CPU always computes in float32.
    """

    task = "classification"
    provides = frozenset({"probabilities", "embeddings"})

    network: Annotated[Network, From("networks")]
    steps: Annotated[int, Ge(1)] = 500
    batch: Annotated[int, Ge(1)] = 64
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    weight_decay: Annotated[float, Ge(0)] = 1e-2
    layer_decay: Annotated[float, Interval(gt=0, le=1)] = 1.0
    warmup: Annotated[float, Interval(ge=0, lt=1)] = 0.05
    ema: Annotated[float, Interval(ge=0, lt=1)] = 0.99
    augment: Annotated[Augmentation, From("augmentations")] | None = field(
        default_factory=lambda: augmentations.build("images")
    )
    copies: Annotated[int, Ge(1)] = 4
    mixed_precision: bool = True

    def __post_init__(self) -> None:
        if self.augment is not None and self.augment.of == "features" and self.network.reads == "images":
            raise ValueError(
                f"augment: {self.augment.name!r} changes features, but network {self.network.name!r} reads images; "
                "choose 'images' or null"
            )

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        read = {self.network.reads, "features" if self.augment is None else self.augment.of}
        return frozenset(read - {"features"})

    def mirroring(self) -> str | None:
        return None if self.augment is None else self.augment.mirroring()

    def fingerprint(self) -> str:
        return self.network.fingerprint()

    def fit(self, data: Any, streams: Streams, previous: Any | None) -> NetworkModel:
        return self.train(data, streams, Keeper.of(self, data, streams, NoCheckpoint()))

    def fit_with_checkpoint(
        self, data: Any, streams: Streams, previous: Any | None, checkpoint: Checkpoint
    ) -> NetworkModel:
        # What is kept may be done: then the run ended between the last step and the commit of the round.
        restored = self.restore(data, streams, checkpoint)
        return restored or self.train(data, streams, Keeper.of(self, data, streams, checkpoint))

    def restore(self, data: Any, streams: Streams, checkpoint: Checkpoint) -> NetworkModel | None:
        state = Keeper.of(self, data, streams, checkpoint).kept()
        return self.model_of(state["model"]) if state is not None and "model" in state else None

    def state_of(self, model: NetworkModel) -> dict[str, Any]:
        from labelbench_plus.trainers._network_model import state_of

        return state_of(model)

    def model_of(self, state: dict[str, Any]) -> NetworkModel:
        from labelbench_plus.trainers._network_model import of_state

        return of_state(self.network, state)

    def train(self, data: Any, streams: Streams, keeper: Keeper) -> NetworkModel:
        """Take all steps, from where `keeper` left off; see `Training`."""
        raise NotImplementedError
