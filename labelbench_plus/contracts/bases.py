"""Bases: one file each. A base is a pretrained causal language model, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labelbench_plus.plugins import Plugin, Registry

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16"]


class Base(Plugin):
    """A causal language model of transformers and its tokenizer, before anything is trained.

    Only `language.base.open_base` calls `load`: a process holds a base once, frozen, however many models use it.
    """

    def path(self) -> Path:
        """A folder with the model and the tokenizer, as `save_pretrained` writes them.

        Raises
        ------
        FileNotFoundError
            The files are missing; the message lists the ways to get them.
        """
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Hash of weights, tokenizer and chat template; part of a run's identity. No model is loaded for it."""
        raise NotImplementedError

    def precision(self, device: str) -> Precision:
        """The precision on a device. Precisions differ in their bits, so a machine always uses the same one."""
        raise NotImplementedError

    def settled(self, device: str) -> Mapping[str, str]:
        return {"arithmetic": self.precision(device)}

    def load(self, device: str, dtype: torch.dtype) -> Any:
        """The model (a transformers `PreTrainedModel` with a head over the vocabulary), in evaluation mode."""
        raise NotImplementedError

    def tokenizer(self) -> Any:
        """The tokenizer (a transformers `PreTrainedTokenizerBase`) that knows the id its texts end with."""
        raise NotImplementedError


bases = Registry("base", Base, "labelbench_plus.bases")
