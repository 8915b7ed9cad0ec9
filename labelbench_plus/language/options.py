"""How answers are written, as a suite says it: known without loading any library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Interval


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
