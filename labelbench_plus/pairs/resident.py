"""All images that are left, at once, for strategies whose scores depend on who else is left."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.pairs.reading import ShardReader


@contextmanager
def resident_images(shards: Sequence[ShardReader]) -> Iterator[Tensor]:
    """(n, d) images, in their stored precision, of all shards, less the bad ones; the file is gone afterwards.

    Mapped rather than held: a machine with too little memory reads them again from its disk.
    """
    import torch

    half = all(shard.precision("images") == torch.float16 for shard in shards)
    with tempfile.TemporaryFile(prefix="lbp-images-") as file:
        kept = width = 0
        for shard in shards:
            start = 0
            for images in shard.vectors("images"):
                fit = torch.from_numpy(~shard.bad[start : start + len(images)]).to(images.device)
                start, width = start + len(images), images.shape[1]
                part = (images[fit].half() if half else images[fit]).cpu().numpy()
                part.tofile(file)
                kept += len(part)
        file.flush()
        if not kept:
            yield torch.empty(0, width or 1)
            return
        kind = np.float16 if half else np.float32
        yield torch.from_numpy(np.memmap(file, dtype=kind, mode="r+", shape=(kept, width)))


def split_rounds(shards: Sequence[ShardReader], removed_in: Tensor) -> list[np.ndarray]:
    """The round in which each row was removed, as scores, shard by shard; −∞ for rows that were not looked at."""
    rounds = removed_in.cpu().numpy().astype(np.float32)
    found, start = [], 0
    for shard in shards:
        scores = np.full(shard.rows, -np.inf, dtype=np.float32)
        count = int((~shard.bad).sum())
        scores[~shard.bad] = rounds[start : start + count]
        start += count
        found.append(scores)
    return found
