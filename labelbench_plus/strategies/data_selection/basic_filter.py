"""DataComp's basic filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge

from labelbench_plus.pairs.captions import captions, in_english
from labelbench_plus.pairs.papers import DATACOMP
from labelbench_plus.pairs.strategy import PairStrategy, State
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import ShardReader


@strategies.register("basic_filter")
@dataclass(frozen=True)
class BasicFilter(PairStrategy):
    """Keep pairs with an English caption of some length and an image of some size (Gadre et al., arXiv 2304.14108).

    The score is one for pairs that pass and zero for the rest: `at_least: 1` keeps exactly those that pass, also as the
    first stage of `two_stage`. DataComp's image-based filter starts with `words: 2, side: 0, aspect: null` of it.

    Parameters
    ----------
    language: the column of the metadata that names each caption's language ("en"), which DataComp has from fastText and
        does not publish; None leaves languages out.
    words, characters: of a caption, at least. Words are separated by blanks.
    side: of the image's shorter side in pixels, at least.
    aspect: longer over shorter side, at most; None for any.
    """

    title = "DataComp's basic filter"
    reference = DATACOMP
    needs = frozenset({"metadata"})

    language: str | None = "language"
    words: Annotated[int, Ge(0)] = 3
    characters: Annotated[int, Ge(0)] = 6
    side: Annotated[float, Ge(0)] = 200
    aspect: Annotated[float, Ge(1)] | None = 3.0

    @property
    def columns(self) -> tuple[str, ...]:
        return ("text", "original_width", "original_height", *([] if self.language is None else [self.language]))

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        passes = in_english(shard, self.language)
        texts = captions(shard)
        passes &= np.array([len(text) >= self.characters and len(text.split()) >= self.words for text in texts], bool)
        if self.side > 0 or self.aspect is not None:
            sides = [shard.metadata(f"original_{name}").astype(np.float64) for name in ("width", "height")]
            shorter, longer = np.fmin(*sides), np.fmax(*sides)
            unknown = ~(np.isfinite(sides[0]) & np.isfinite(sides[1]) & (shorter > 0))
            passes &= ~unknown & (shorter >= self.side)
            if self.aspect is not None:
                passes &= longer <= self.aspect * shorter
        return passes.astype(np.float32)
