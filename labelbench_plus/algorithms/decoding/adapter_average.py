"""Averages of low-rank adapters that are averages of what the adapters do.

An adapter adds s B A to a layer's weights, and that product is what a soup averages. The mean of the As times the mean
of the Bs is another matrix: it depends on the basis in which each adapter happens to be written.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def delta(down: Tensor, up: Tensor, scaling: float = 1.0) -> Tensor:
    """(out, in) what an adapter adds to the weights of its layer.

    Parameters
    ----------
    down: (r, in), called A in LoRA (Hu et al., 2021, arXiv 2106.09685). up: (out, r), called B.
    scaling: α/r.

    Raises
    ------
    ValueError
        Shapes that do not match.
    """
    if down.ndim != 2 or up.ndim != 2 or up.shape[1] != down.shape[0]:
        raise ValueError(f"expected A (r, in) and B (out, r), got {tuple(down.shape)} and {tuple(up.shape)}")
    return scaling * (up @ down)


def averaged(adapters: Sequence[tuple[Tensor, Tensor, float]], weights: Sequence[float]) -> Tensor:
    """(out, in) the weighted sum of what adapters add to one layer.

    Parameters
    ----------
    adapters: (A, B, scaling) of each; ranks may differ.
    weights: one each.

    Raises
    ------
    ValueError
        No adapter, shapes or counts that do not match.
    """
    down, up = concatenated(adapters, weights)
    return up @ down


def concatenated(adapters: Sequence[tuple[Tensor, Tensor, float]], weights: Sequence[float]) -> tuple[Tensor, Tensor]:
    """One adapter of scaling 1 that adds the weighted sum: A (Σ r, in) and B (out, Σ r).

    Parameters, Raises: as `averaged`.
    """
    if not adapters or len(weights) != len(adapters):
        raise ValueError(f"expected a weight for each of one adapter or more, got {len(weights)} for {len(adapters)}")
    shapes = {tuple(delta(down, up, scaling).shape) for down, up, scaling in adapters}
    if len(shapes) > 1:
        raise ValueError(f"expected adapters of one layer, got weights of shapes {sorted(shapes)}")
    down = torch.cat([down for down, _, _ in adapters])
    up = torch.cat([weight * s * up for weight, (_, up, s) in zip(weights, adapters, strict=True)], dim=1)
    return down, up
