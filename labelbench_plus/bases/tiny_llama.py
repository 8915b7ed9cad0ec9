"""A language model so small that it learns in seconds, made in code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from labelbench_plus.bases import Base, Precision, bases

if TYPE_CHECKING:
    import torch


@bases.register("tiny_llama")
@dataclass(frozen=True)
class TinyLlama(Base):
    """An untrained Llama that reads bytes, drawn from a seed: enough for known answers and tests.

    It has 106,880 weights by default, and is computed in float32. Needs the extra `language`, but no files.

    Parameters
    ----------
    width: of hidden states.
    layers: of the decoder.
    heads: of attention.
    context: the most tokens, which are bytes, that it reads and writes.
    seed: of the weights.
    """

    title = "Tiny Llama"

    width: Annotated[int, Ge(8)] = 64
    layers: Annotated[int, Ge(1)] = 2
    heads: Annotated[int, Ge(1)] = 4
    context: Annotated[int, Ge(8)] = 512
    seed: Annotated[int, Ge(0)] = 0

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise ValueError(f"width must be a multiple of twice the heads, got {self.width} and {self.heads} heads")

    def path(self) -> Path:
        from labelbench_plus.models.tiny_llama import written

        return written(self.width, self.layers, self.heads, self.context, self.seed)

    def fingerprint(self) -> str:
        return ""

    def precision(self, device: str) -> Precision:
        return "float32"

    def load(self, device: str, dtype: torch.dtype) -> Any:
        from labelbench_plus.models.tiny_llama import drawn

        return drawn(self.width, self.layers, self.heads, self.context, self.seed).to(device, dtype)

    def tokenizer(self) -> Any:
        from labelbench_plus.models.tiny_llama import byte_tokenizer

        return byte_tokenizer()
