"""A language model's training: its steps, and going on after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch._dynamo  # torch's optimizers import it at their first step: seconds that would be booked as training
from torch import Tensor, nn

from labelbench_plus.language.adapters import Adapter, own_copy, state_of
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.seeding import torch_generator
from labelbench_plus.trainers._training import schedule

if TYPE_CHECKING:
    from labelbench_plus.language.base import OpenBase
    from labelbench_plus.language.options import Body
    from labelbench_plus.language.templates import Template
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers.language._language_trainer import LanguageTrainer


class Keeps(Protocol):
    """Who keeps a training: a `Keeper`, or a stage of one."""

    def due(self) -> bool: ...

    def keep(self, state: Mapping[str, Any]) -> None: ...

    def kept(self) -> dict[str, Any] | None: ...


class Tuning:
    """A language model on its way: all that changes from step to step, and how it is kept.

    Parameters
    ----------
    trainer: whose hyperparameters are used.
    base, template, streams: those of the fit.
    keeper: where it is kept.
    steps: that will be taken in all.
    beside: what is learned with the model and is none of its weights, such as a head.

    Attributes
    ----------
    model: as it has learned to be so far.
    step: how many were taken.
    notes: numbers that are kept with it.
    """

    def __init__(
        self,
        trainer: LanguageTrainer | Body,
        base: OpenBase,
        template: Template,
        streams: Streams,
        keeper: Keeps,
        steps: int,
        beside: Sequence[Tensor] = (),
    ) -> None:
        self.trainer, self.base, self.steps, self.step = trainer, base, steps, 0
        self.notes: dict[str, float] = {}
        self._keeper, self._noise = keeper, streams.rng("dropout")
        self._learned = _begun(trainer, base, streams)
        self._parameters = [*_parameters(self._learned), *beside]
        self.model = LanguageModel(base, template, self._learned, self.notes)
        self.optimizer = torch.optim.AdamW(
            self._parameters, lr=trainer.learning_rate, weight_decay=trainer.weight_decay, fused=True
        )

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Where steps are taken: begins where the training was left off.

        Dropout draws from torch's global generator, which is lent one of the run's own meanwhile.
        """
        cuda = self.base.device.type == "cuda"
        with torch.random.fork_rng(devices=[self.base.device] if cuda else []):
            torch.manual_seed(int(self._noise.integers(2**63)))
            self._go_on()
            for parameter in self._parameters:
                parameter.requires_grad_()
            yield

    def advance(self, backward: Callable[[Any], None]) -> None:
        """One step down the gradient that `backward` leaves in the parameters of the model it is handed."""
        rate = self.trainer.learning_rate * schedule(self.step, self.steps, self.trainer.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        with torch.enable_grad(), self._computing() as model:
            backward(model)
        torch.nn.utils.clip_grad_norm_(self._parameters, self.trainer.clip)
        self.optimizer.step()
        self.step += 1

    def keep_if_due(self) -> None:
        if self._keeper.due():
            cuda = self.base.device.type == "cuda"
            self._keeper.keep(
                {
                    "step": self.step,
                    "parameters": [parameter.detach() for parameter in self._parameters],
                    "optimizer": self.optimizer.state_dict(),
                    "noise": torch.get_rng_state(),
                    "noise_cuda": torch.cuda.get_rng_state(self.base.device) if cuda else None,
                    "notes": self.notes,
                }
            )

    def done(self, **beside: Any) -> LanguageModel:
        """The model that came of it, which is kept, with what is to be kept beside it."""
        self.optimizer.zero_grad(set_to_none=True)
        for parameter in self._parameters:
            parameter.requires_grad_(False)
        self._keeper.keep({"learned": self.learned(), "notes": self.notes, **beside})
        return self.model

    def learned(self) -> dict[str, Tensor]:
        """The state of what was learned, as `language.adapters.learned_of` takes it."""
        return state_of(self._learned)

    @contextmanager
    def _computing(self) -> Iterator[Any]:
        if isinstance(self._learned, Adapter):
            with self.base.computing(), self._learned.worn(self.base, self.trainer.dropout) as model:
                yield model
        else:
            with self.model.computing() as model:
                yield model

    def _go_on(self) -> None:
        """Take up what was kept, if it is of this very training and can be read."""
        if (state := self._keeper.kept()) is None or "parameters" not in state:
            return
        self.step = state["step"]
        self.notes.update(state["notes"])
        with torch.no_grad():
            for parameter, kept in zip(self._parameters, state["parameters"], strict=True):
                parameter.copy_(kept)
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["noise"].cpu())
        if state["noise_cuda"] is not None:
            torch.cuda.set_rng_state(state["noise_cuda"].cpu(), self.base.device)


def _begun(trainer: LanguageTrainer | Body, base: OpenBase, streams: Streams) -> Adapter | nn.Module:
    if trainer.tune == "lora":
        generator = torch_generator(streams.rng("model_init"))
        return Adapter.drawn(base, trainer.rank, trainer.alpha, generator, trainer.layers)
    return own_copy(base)


def _parameters(learned: Adapter | nn.Module) -> list[Tensor]:
    return learned.parameters() if isinstance(learned, Adapter) else list(learned.parameters())
