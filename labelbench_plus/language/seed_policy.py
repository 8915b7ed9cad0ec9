"""The policy that candidates come from and that tuned ones are measured against: a base of its own, made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelbench_plus.contracts.bases import Base, bases
from labelbench_plus.contracts.trainers import Trainer
from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language.options import Decoding
from labelbench_plus.language.templates import Template
from labelbench_plus.plugins import describe
from labelbench_plus.seeding import Streams
from labelbench_plus.store.artefacts import Artefacts

if TYPE_CHECKING:
    from labelbench_plus.language.base import OpenBase
    from labelbench_plus.language.model import LanguageModel

VERSION = 1  # raised when the same training makes another policy


class SeedPolicy:
    """A base as it is, or as a trainer tuned it on demonstrations that everybody is handed.

    A tuned one is written as a whole model into the cache, once for all runs with its seed, so that whatever is made of
    it has a base like any other. Opened when it is first needed.

    Parameters
    ----------
    trainer: of the demonstrations; None for the base as it is.
    streams: of the run; tuned policies differ between seeds.
    cache: the folder of artefacts.
    instruction: what it is told before every prompt, not in its tuning.

    Attributes
    ----------
    template: of prompts and responses, with what it is told.
    tuned_with: the same without it.
    """

    def __init__(
        self,
        base: Base,
        template: Template,
        trainer: Trainer | None,
        demonstrations: tuple[Demonstration, ...],
        streams: Streams,
        cache: Path,
        device: str,
        instruction: str | None = None,
    ) -> None:
        self.tuned_with, self._instruction = template, instruction
        self.template = template if instruction is None else replace(template, system=instruction)
        self._plugin, self._trainer, self._shown = base, trainer, demonstrations
        self._streams, self._cache, self._device = streams, cache, device

    @cached_property
    def base(self) -> OpenBase:
        from labelbench_plus.language.base import open_base

        untuned = open_base(self._plugin, self._device)
        if self._trainer is None:
            return untuned
        folder = self._tuned(untuned)
        given = {"name": "causal", "model": "the policy of the seed", "weights": "folder", "folder": str(folder)}
        return open_base(bases.build({**given, "arithmetic": untuned.precision}), self._device)

    @property
    def model(self) -> LanguageModel:
        """It as a model that has learned nothing since."""
        from labelbench_plus.language.model import LanguageModel

        return LanguageModel(self.base, self.template)

    def told(self, instruction: str) -> SeedPolicy:
        """The same policy, told something before every prompt."""
        return SeedPolicy(
            self._plugin,
            self.tuned_with,
            self._trainer,
            self._shown,
            self._streams,
            self._cache,
            self._device,
            instruction,
        )

    def about(self, decoding: Decoding) -> Mapping[str, Any]:
        """What texts that it draws depend on, for the key of an artefact."""
        return {
            "policy": self.base.fingerprint,
            "template": asdict(self.template),
            "decoding": asdict(decoding),
            "seed": [self._streams.seed, *self._streams.key],
            "device": self._device.partition(":")[0],
        }

    def _tuned(self, untuned: OpenBase) -> Path:
        from labelbench_plus.language.data import InstructionData
        from labelbench_plus.models.model_files import no_progress_bar

        trainer, data = self._trainer, InstructionData(untuned, self.tuned_with, (), self._shown)
        assert trainer is not None
        key = {
            "policy": describe(trainer, semantic_only=True),
            "data": data.digest(),
            "seed": [self._streams.seed, *self._streams.key],
            "version": VERSION,
        }

        def write(folder: Path) -> None:
            tuned = whole(trainer.fit(data, self._streams, None))
            with no_progress_bar():
                tuned.save_pretrained(folder)
            untuned.tokenizer.save_pretrained(folder)

        return Artefacts(self._cache).directory(key, write, "a policy tuned on seed demonstrations")


def whole(model: LanguageModel) -> Any:
    """A model's weights as one transformers model in float32, its low-rank changes added to them."""
    import torch

    from labelbench_plus.language.adapters import Adapter, own_copy

    if isinstance(model.learned, torch.nn.Module):
        return model.learned
    found = own_copy(model.base)
    if isinstance(model.learned, Adapter):
        scale = model.learned.alpha / model.learned.rank
        with torch.no_grad():
            for name, (first, second) in model.learned.weights.items():
                found.get_submodule(name).weight += scale * (second @ first)
    return found
