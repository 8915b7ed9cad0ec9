"""Images in files, decoded once and kept in one array: what training end to end reads from, over and over."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from labelbench_plus.inputs.image_files import ImageFiles
from labelbench_plus.store.artefacts import Artefacts, Rows
from labelbench_plus.store.pieces import Pieces

DECODED_VERSION = 1
PIECE_IMAGES = 4096


def decoded(images: ImageFiles, size: int, folder: Path) -> np.ndarray:
    """(n, size, size, 3) uint8, mapped from the cache in `folder`, decoded if they never were.

    The shorter side is brought to `size`, bicubically and with antialiasing, and the centre is cut out. Decoding that
    is interrupted goes on behind the last `PIECE_IMAGES` done. 1.28 M images of 224 × 224 take 193 GB on disk, and as
    much again while they are decoded; of memory they take what is being read.
    """

    from concurrent.futures import ThreadPoolExecutor

    def piece(start: int) -> np.ndarray:
        rows = range(start, min(start + PIECE_IMAGES, len(images)))
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return np.stack(list(threads.map(lambda row: square(images.decode(row), size), rows)))

    def parts() -> dict[str, Callable[[], np.ndarray]]:
        return {f"images_{start}": partial(piece, start) for start in range(0, len(images), PIECE_IMAGES)}

    def compute(pieces: Pieces) -> dict[str, np.ndarray | Rows]:
        chunks = (pieces.keep(name, make) for name, make in parts().items())
        return {"images": Rows((len(images), size, size, 3), np.dtype(np.uint8), chunks)}

    key = {"decoded": DECODED_VERSION, "images": images.content_hash(), "size": size}
    what = f"{len(images)} images decoded to {size} × {size}"
    return Artefacts(folder).arrays(key, compute, parts, what)["images"]


def square(pixels: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 3) uint8 of an image (h, w, 3): the shorter side resized, the centre cut out."""
    from PIL import Image

    height, width = pixels.shape[:2]
    scale = size / min(height, width)
    tall, wide = max(size, round(height * scale)), max(size, round(width * scale))
    top, left = (tall - size) // 2, (wide - size) // 2
    resized = Image.fromarray(pixels).resize((wide, tall), Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + size, top + size)))
