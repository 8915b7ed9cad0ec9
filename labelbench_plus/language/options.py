"""How answers are written, as a suite says it: known without loading any library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Interval


@dataclass(frozen=True)
class Decoding:
    """How answers are written. Part of a run's identity.

    Attributes
    ----------
    max_new_tokens: the most an answer may have, with the token that ends it; one that reaches it is cut off.
    temperature: logits are divided by it; 0 takes the likeliest token every time.
    top_p: only the likeliest tokens that together have so much probability are drawn.
    stop: an answer ends before any of these texts.
    """

    max_new_tokens: Annotated[int, Ge(1)] = 64
    temperature: Annotated[float, Ge(0)] = 0.0
    top_p: Annotated[float, Interval(gt=0, le=1)] = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Body:
    """How a proxy has low-rank changes of the policy learned beneath its head (`proxy_dpo`), by AdamW: linear warm-up,
    then half a cosine down to zero. Part of a run's identity.

    Attributes
    ----------
    steps: of `batch` judgements each; 0 leaves the policy's states as they are.
    learning_rate: of the changes and of the head that is learned with them, at its highest.
    rank, alpha, layers: as of `sft`.
    """

    tune: ClassVar[str] = "lora"
    dropout: ClassVar[float] = 0.0
    weight_decay: ClassVar[float] = 0.0
    warmup: ClassVar[float] = 0.03
    clip: ClassVar[float] = 1.0

    steps: Annotated[int, Ge(0)] = 60
    batch: Annotated[int, Ge(1)] = 8
    learning_rate: Annotated[float, Gt(0)] = 5e-4
    rank: Annotated[int, Ge(1)] = 8
    alpha: Annotated[float, Gt(0)] = 16.0
    layers: Annotated[int, Ge(1)] | None = None
