"""How like texts are: to what is wanted, to what was shown, to each other."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from labelbench_plus.algorithms.norm_sim import norm_sim
from labelbench_plus.language.matching import normalised

GRAM = 4  # characters of which near copies share most
NEAR = 0.8  # Jaccard similarity of their sets from which texts are near copies
ROWS = 256  # texts that are compared with all others at a time


def relevance(vectors: Tensor, targets: Tensor) -> Tensor:
    """(n,) float32 in [0, 1]: NormSim_2 to targets over the square root of their number, the root of the mean square.

    Parameters
    ----------
    vectors: (n, d). targets: (m, d) with m >= 1. Both are brought to length one.

    Source: NormSim as in `algorithms.norm_sim` (Wang et al., arXiv 2405.19547); the scale and the name are ours.
    """
    return norm_sim(_unit(vectors), _unit(targets), 2) / math.sqrt(len(targets))


def novelty(vectors: Tensor, shown: Tensor) -> Tensor:
    """(n,) float32 in [0, 1]: one minus NormSim_∞, the largest cosine with anything that was shown; 0 for a copy.

    Parameters and source: see `relevance`.
    """
    return (1 - norm_sim(_unit(vectors), _unit(shown))).clamp(min=0)


def near_copies(texts: Sequence[str], of: Collection[str]) -> np.ndarray:
    """(n,) bool: whether each text shares most of its characters, four at a time, with one of `of` or an earlier text.

    Most: the Jaccard similarity of the sets is at least `NEAR`, once texts are `normalised`. Copies are near copies.

    Complexity: O(texts × characters they share); memory for the grams and `ROWS` rows of counts.
    """
    from scipy.sparse import csr_array

    said = [normalised(text) for text in (*of, *texts)]
    grams = [sorted({text[start : start + GRAM] for start in range(max(1, len(text) - GRAM + 1))}) for text in said]
    number = {gram: place for place, gram in enumerate(dict.fromkeys(gram for found in grams for gram in found))}
    sizes = np.array([len(found) for found in grams])
    columns = np.array([number[gram] for found in grams for gram in found], dtype=np.int64)
    places = np.concatenate([[0], np.cumsum(sizes)])
    has = csr_array((np.ones(len(columns), dtype=np.int32), columns, places), shape=(len(said), max(1, len(number))))
    known, out = len(of), np.zeros(len(texts), dtype=bool)
    for start in range(known, len(said), ROWS):
        stop = min(start + ROWS, len(said))
        shared = (has[start:stop] @ has[:stop].T).tocoo()
        rows, others = shared.row + start, shared.col
        together = sizes[rows] + sizes[others] - shared.data
        near = (others < rows) & (shared.data >= NEAR * together)
        out[rows[near] - known] = True
    return out


def _unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=1)
