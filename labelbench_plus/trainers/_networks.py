"""What trainers of networks share: batches, steps, averages of weights, and going on after an interruption."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
import torch._dynamo  # torch's optimizers import it at their first step: seconds that would be booked as training
from annotated_types import Ge, Gt, Interval
from torch import Tensor, nn

from labelbench_plus.contracts.augmentations import Augmentation, augmentations
from labelbench_plus.contracts.networks import Network, Task
from labelbench_plus.features.training_inputs import Copies, Images
from labelbench_plus.plugins import From
from labelbench_plus.seeding import torch_generator
from labelbench_plus.trainers import Checkpoint, Trainer
from labelbench_plus.trainers._kept import Keeper, NoCheckpoint

if TYPE_CHECKING:
    from numpy.random import Generator

    from labelbench_plus.contracts.classifier import Classifier
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams

CHUNK = {"features": 16_384, "images": 256}


@dataclass(frozen=True)
class NetworkModel:
    """A trained network.

    Attributes
    ----------
    reads: "features" or "images": what the problem hands it.
    image_size: as of `Network.image_size`.
    """

    network: Classifier
    reads: str
    image_size: int | None

    @torch.no_grad()
    def probabilities(self, inputs: Tensor | Images) -> Tensor:
        """(n, K)."""
        return self._over(inputs, lambda x: self.network(x).float().softmax(dim=1))

    @torch.no_grad()
    def embeddings(self, inputs: Tensor | Images) -> Tensor:
        """(n, h): what the head reads."""
        return self._over(inputs, lambda x: self.network.backbone(x).float())

    def _over(self, inputs: Tensor | Images, compute: Callable[[Tensor], Tensor]) -> Tensor:
        device = next(self.network.parameters()).device
        return torch.cat([compute(prepared(part, device)) for part in inputs.split(CHUNK[self.reads])])


def prepared(inputs: Tensor, device: torch.device) -> Tensor:
    """Features as they are; uint8 images as floats in 0..1, channels last in memory."""
    if inputs.dtype != torch.uint8:
        return inputs.to(device)
    return (inputs.to(device).float() / 255).contiguous(memory_format=torch.channels_last)


class Shuffled:
    """Numbers 0..n-1 in an endless order: every pass is a permutation of its own."""

    def __init__(self, n: int, rng: Generator) -> None:
        self.n, self._rng = n, rng
        self._waiting = np.empty(0, dtype=np.int64)

    def next(self, size: int) -> Tensor:
        if not self.n:
            raise ValueError("no examples to learn from")
        while len(self._waiting) < size:
            self._waiting = np.concatenate([self._waiting, self._rng.permutation(self.n)])
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return torch.from_numpy(taken)

    def state(self) -> dict[str, Any]:
        return {"waiting": torch.from_numpy(self._waiting.copy()), "rng": json.dumps(self._rng.bit_generator.state)}

    def restore(self, state: dict[str, Any]) -> None:
        self._waiting = state["waiting"].cpu().numpy()
        self._rng.bit_generator.state = json.loads(state["rng"])


class Inputs:
    """Inputs of the pool as a network is to see them in training: as they are, or augmented to one of two strengths.

    Images are augmented when they are read. Features of images cannot be: for them a number of augmented copies has
    been encoded beforehand, and each time an item is read one of its copies is drawn.

    Parameters
    ----------
    strong: whether the strong strength is going to be asked for.
    """

    def __init__(self, trainer: NetworkTrainer, data: ClassificationData, streams: Streams, *, strong: bool) -> None:
        self.augment, self.generator = trainer.augment, torch_generator(streams.rng("augment"))
        self.reads = trainer.network.reads
        self.device = data.pool_features.device
        self._copies: dict[str, Copies] = {}
        self._number = trainer.copies
        if self.reads == "images":
            if data.inputs is None:
                raise ValueError(
                    f"trainer {trainer.name!r}: network {trainer.network.name!r} reads images, of which there are "
                    "none; choose a network that reads features, such as 'linear'"
                )
            self.images = data.inputs.pool_images(trainer.network.image_size())
            self.shape: tuple[int, ...] = self.images.shape
            return
        self.features = data.pool_features
        self.shape = (data.pool_features.shape[1],)
        if self.augment is not None and self.augment.of == "images":
            if data.inputs is None:
                raise ValueError(
                    f"trainer {trainer.name!r}: augment {self.augment.name!r} changes images, of which "
                    "there are none; choose 'noise', which changes features, or null"
                )
            for strength in ("weak", "strong") if strong else ("weak",):
                copies = data.inputs.copies(self.augment, strength, trainer.copies)
                self._copies[strength] = Copies(copies, self.device)

    def plain(self, rows: Tensor) -> Tensor:
        if self.reads == "images":
            return prepared(self.images[rows], self.device)
        return self.features.index_select(0, rows.to(self.device))

    def weak(self, rows: Tensor) -> Tensor:
        return self._augmented(rows, "weak")

    def strong(self, rows: Tensor) -> Tensor:
        return self._augmented(rows, "strong")

    def _augmented(self, rows: Tensor, strength: str) -> Tensor:
        if strength in self._copies:
            which = torch.randint(self._number, (len(rows),), generator=self.generator)
            return self._copies[strength].at(which, rows)
        inputs = self.plain(rows)
        if self.augment is None:
            return inputs
        changed: Tensor = getattr(self.augment, strength)(inputs, self.generator)
        return changed.contiguous(memory_format=torch.channels_last) if changed.ndim == 4 else changed


@dataclass(frozen=True)
class NetworkTrainer(Trainer):
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
        return self.train(data, streams, Keeper(self, data, streams, NoCheckpoint()))

    def fit_with_checkpoint(
        self, data: Any, streams: Streams, previous: Any | None, checkpoint: Checkpoint
    ) -> NetworkModel:
        # What is kept may be done: then the run ended between the last step and the commit of the round.
        restored = self.restore(data, streams, checkpoint)
        return restored or self.train(data, streams, Keeper(self, data, streams, checkpoint))

    def restore(self, data: Any, streams: Streams, checkpoint: Checkpoint) -> NetworkModel | None:
        state = Keeper(self, data, streams, checkpoint).kept()
        if state is None or "model" not in state:
            return None
        network = build(self, data, streams, tuple(state["shape"]))
        network.load_state_dict(state["model"])
        return NetworkModel(network.eval().requires_grad_(False), self.network.reads, self.network.image_size())

    def train(self, data: Any, streams: Streams, keeper: Keeper) -> NetworkModel:
        """Take all steps, from where `keeper` left off; see `Training`."""
        raise NotImplementedError


class Training:
    """A network on its way: all that changes from step to step, and how it is kept.

    Parameters
    ----------
    trainer, data, streams: as of the fit.
    keeper: where it is kept.
    parts: other modules whose buffers change in training (a method's running statistics).
    network: to go on with; built if None.
    """

    def __init__(
        self,
        trainer: NetworkTrainer,
        data: ClassificationData,
        streams: Streams,
        inputs: Inputs,
        keeper: Keeper,
        parts: nn.Module | None = None,
        network: Classifier | None = None,
    ) -> None:
        self.trainer, self.inputs, self.parts = trainer, inputs, parts
        self._keeper = keeper
        self.device = data.pool_features.device
        self.step = 0
        self.notes: dict[str, Any] = {}
        self.kept, self._noise = False, streams.rng("dropout")
        self.network = network or build(trainer, data, streams, inputs.shape)
        self.average = copy.deepcopy(self.network).requires_grad_(False) if trainer.ema else None
        self._trained, self._averaged = Weights(self.network), Weights(self.average or self.network)
        self.optimizer = torch.optim.AdamW(_groups(self.network, trainer), lr=trainer.learning_rate, fused=True)
        self.labelled = Shuffled(len(data.labelled.labels), streams.rng("data_order"))
        self.unlabelled = Shuffled(len(unlabelled_rows(data)), streams.rng("unlabelled order"))

    def advance(self, loss: Callable[[], Tensor]) -> None:
        """One step down the gradient of what `loss` computes."""
        trainer = self.trainer
        for group in self.optimizer.param_groups:
            group["lr"] = trainer.learning_rate * group["factor"] * schedule(self.step, trainer.steps, trainer.warmup)
        with torch.enable_grad():
            value = loss()
            self.optimizer.zero_grad(set_to_none=True)
            value.backward()
            self.optimizer.step()
        self.step += 1
        if self.average is not None:
            decay = min(trainer.ema, self.step / (self.step + 9))
            _average(self._averaged, self._trained, decay)

    def logits(self, inputs: Tensor) -> Tensor:
        """The network's, in float32."""
        mixed = self.trainer.mixed_precision and self.device.type == "cuda"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=mixed):
            logits = self.network(inputs)
        return logits.float()

    def model(self) -> NetworkModel:
        """What has been learned so far, as a model of its own."""
        trained = self.network if self.average is None else self.average
        frozen = copy.deepcopy(trained).eval().requires_grad_(False)
        return NetworkModel(frozen, self.trainer.network.reads, self.trainer.network.image_size())

    def _keep(self) -> None:
        self.kept = True
        self._keeper.keep(
            {
                "step": self.step,
                "network": self.network.state_dict(),
                "average": None if self.average is None else self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "parts": None if self.parts is None else self.parts.state_dict(),
                "labelled": self.labelled.state(),
                "unlabelled": self.unlabelled.state(),
                "augment": self.inputs.generator.get_state(),
                "noise": torch.get_rng_state(),
                "noise_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
                "notes": self.notes,
            }
        )

    def _go_on(self) -> None:
        """Take up what was kept, if it is of this very training and can be read."""
        if (state := self._keeper.kept()) is None:
            return
        self.step, self.notes, self.kept = state["step"], state["notes"], True
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.parts is not None:
            self.parts.load_state_dict(state["parts"])
        self.labelled.restore(state["labelled"])
        self.unlabelled.restore(state["unlabelled"])
        self.inputs.generator.set_state(state["augment"].cpu())
        torch.set_rng_state(state["noise"].cpu())
        if state["noise_cuda"] is not None:
            torch.cuda.set_rng_state(state["noise_cuda"].cpu(), self.device)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Where steps are taken: begins where the training was left off.

        Dropout and its kin draw from torch's global generator; they are lent one of the run's own meanwhile.
        """
        devices = [self.device] if self.device.type == "cuda" else []
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with exact, torch.random.fork_rng(devices=devices):
            seed = int(self._noise.integers(2**63))
            torch.random.default_generator.manual_seed(seed)
            if self.device.type == "cuda":
                with torch.cuda.device(self.device):
                    torch.cuda.manual_seed(seed)
            self._go_on()
            yield

    def keep_if_due(self) -> None:
        if self._keeper.due():
            self._keep()

    def done(self, model: NetworkModel) -> NetworkModel:
        """The model that came of it, kept if the training took so long that some of it was, or the next needs it."""
        if self.kept or self.trainer.continues:
            self._keeper.keep({"model": model.network.state_dict(), "shape": list(self.inputs.shape)})
        return model


def build(trainer: NetworkTrainer, data: ClassificationData, streams: Streams, shape: tuple[int, ...]) -> Classifier:
    """The trainer's network before its first step, on the data's device."""
    names = data.inputs.class_names if data.inputs is not None else ()
    templates = data.inputs.templates if data.inputs is not None else ()
    task = Task(shape, data.num_classes, names, templates)
    network = trainer.network.build(task, torch_generator(streams.rng("model_init")))
    if trainer.network.reads == "images":
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.to(device=data.pool_features.device)


def schedule(step: int, steps: int, warmup: float) -> float:
    """The learning rate's share at a step: linear warm-up, then half a cosine."""
    warm = warmup * steps
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


def unlabelled_rows(data: ClassificationData) -> Tensor:
    """The rows of the pool that are not labelled, nor known to be of no class; on the CPU."""
    kept = torch.ones(len(data.pool_features), dtype=torch.bool)
    kept[data.labelled.rows.cpu()] = False
    if data.outliers is not None:
        kept[data.outliers.cpu()] = False
    return kept.nonzero()[:, 0]


@torch.no_grad()
def _average(averaged: Weights, trained: Weights, decay: float) -> None:
    torch._foreach_lerp_(averaged.parameters, trained.parameters, 1 - decay)
    for mine, other in zip(averaged.buffers, trained.buffers, strict=True):
        mine.copy_(other)


class Weights:
    """A module's tensors, listed once: looking them up takes longer than averaging small ones."""

    def __init__(self, module: nn.Module) -> None:
        self.parameters: list[Tensor] = list(module.parameters())
        self.buffers: list[Tensor] = list(module.buffers())


def _groups(network: Classifier, trainer: NetworkTrainer) -> list[dict[str, Any]]:
    """Parameters with their decays: none on biases and norms, a smaller learning rate the deeper a layer lies."""
    depths = network.depths()
    grouped: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            key = (trainer.layer_decay ** depths[name], trainer.weight_decay if parameter.ndim > 1 else 0.0)
            grouped.setdefault(key, []).append(parameter)
    return [
        {"params": members, "factor": factor, "weight_decay": decay} for (factor, decay), members in grouped.items()
    ]
