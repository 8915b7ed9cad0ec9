"""DataComp's text-based filter."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from labelbench_plus.pairs.captions import captions, in_english
from labelbench_plus.pairs.papers import DATACOMP
from labelbench_plus.pairs.strategy import PairStrategy, Stage, State
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import ShardReader

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@strategies.register("text_based")
@dataclass(frozen=True)
class TextBased(PairStrategy):
    """Keep pairs whose English caption has a word of a list in it (Gadre et al., arXiv 2304.14108).

    DataComp lists the words whose first WordNet synset is a class of ImageNet-21k: neither comes with this project, so
    make the list once from both. Words are compared in lower case and as written, so list the plurals too; DataComp's
    program looks each word up instead. The score is one for pairs that pass and zero for the rest: `at_least: 1` keeps
    exactly those that pass.

    Parameters
    ----------
    words: a text file, one word per line.
    digest: its SHA-256, which identifies the list wherever the file is; if wrong, the error shows the right one.
    language: the column of the metadata that names each caption's language ("en"); None leaves languages out.
    """

    title = "DataComp's text-based filter"
    reference = DATACOMP
    needs = frozenset({"metadata"})

    words: Annotated[Path, Infra(), Outside("files")]
    digest: str
    language: str | None = "language"

    @property
    def columns(self) -> tuple[str, ...]:
        return ("text", *([] if self.language is None else [self.language]))

    def stages(self, rows: int, count: int | None) -> tuple[Stage, ...]:
        _listed(self.words, self.digest)  # refused before anything is done
        return super().stages(rows, count)

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        listed = _listed(self.words, self.digest)
        found = [any(word in listed for word in WORD.findall(text.lower())) for text in captions(shard)]
        return (np.array(found, dtype=bool) & in_english(shard, self.language)).astype(np.float32)


@cache
def _listed(path: Path, digest: str) -> frozenset[str]:
    content = path.expanduser().read_bytes()
    if (right := hashlib.sha256(content).hexdigest()) != digest:
        raise ValueError(
            f"{path}: its SHA-256 is not {digest!r}; if this is the list that is meant, set `digest: {right}`"
        )
    return frozenset(filter(None, (line.strip().lower() for line in content.decode("utf-8").splitlines())))
