"""A network's training: its steps, the average of its weights, and going on after an interruption."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch._dynamo  # torch's optimizers import it at their first step: seconds that would be booked as training
from torch import Tensor, nn

from labelbench_plus.trainers._batches import NetworkInputs, Shuffled, unlabelled_rows
from labelbench_plus.trainers._network_model import NetworkModel, build, task_of

if TYPE_CHECKING:
    from labelbench_plus.contracts.classifier import Classifier
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper
    from labelbench_plus.trainers._network_trainer import NetworkTrainer


class Training:
    """A network on its way: all that changes from step to step, and how it is kept.

    Parameters
    ----------
    trainer, data, streams: those of the fit.
    keeper: where it is kept.
    parts: other modules whose buffers change in training (a method's running statistics).
    network: to go on with; built if None.
    """

    def __init__(
        self,
        trainer: NetworkTrainer,
        data: ClassificationData,
        streams: Streams,
        inputs: NetworkInputs,
        keeper: Keeper,
        parts: nn.Module | None = None,
        network: Classifier | None = None,
    ) -> None:
        self.trainer, self.inputs, self.parts = trainer, inputs, parts
        self._keeper = keeper
        self.device = data.pool_features.device
        self.step = 0
        self.notes: dict[str, Any] = {}
        self._task = task_of(data, inputs.shape)
        self.kept, self._noise = False, streams.rng("dropout")
        self.network = network or build(trainer.network, data, streams, inputs.shape)
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
            try:
                logits = self.network(inputs)
            except ValueError as error:
                if "more than 1 value per channel" not in str(error):  # what batch norm says, deep inside the network
                    raise
                raise ValueError(
                    f"network {self.trainer.network.name!r} normalises over a batch, and {len(inputs)} input of "
                    f"{tuple(inputs.shape[1:])} leaves it one value a channel: raise `batch`, or choose another network"
                ) from error
        return logits.float()

    def model(self, told: dict[str, float] | None = None) -> NetworkModel:
        """What has been learned so far, as a model of its own, with these notes."""
        trained = self.network if self.average is None else self.average
        frozen = copy.deepcopy(trained).eval().requires_grad_(False)
        network = self.trainer.network
        return NetworkModel(frozen, network.reads, network.image_size(), self._task, told or {})

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
            self._keeper.keep({"model": self.trainer.state_of(model)})
        return model


def schedule(step: int, steps: int, warmup: float) -> float:
    """The learning rate's share at a step: linear warm-up, then half a cosine."""
    warm = warmup * steps
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


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
