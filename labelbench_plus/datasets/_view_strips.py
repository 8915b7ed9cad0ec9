"""Pictures that are made when they are asked for: photographs in files, with views of them beside."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from labelbench_plus.contracts.synthesisers import Photographs, Synthesiser
from labelbench_plus.features.decoded import decoded
from labelbench_plus.inputs.image_files import ImageFiles
from labelbench_plus.seeding import Streams
from labelbench_plus.store.artefacts import default_cache_dir


class ViewStrips:
    """Each photograph, brought to a square, and its views as one picture: a source of `ImageFiles`.

    Nothing is decoded or synthesised before a picture is read: reading a suite costs nothing, however slow a generator.

    Parameters
    ----------
    photographs: in files.
    side: of the squares: the shorter side is brought to it, and the centre cut out.
    part: of the data set.
    angles: of the views.
    lay: squares (1, v, h, h, 3), the photograph first, as one picture (1, ...).
    said: what determines the views beside the photographs.
    """

    def __init__(
        self,
        photographs: ImageFiles,
        side: int,
        part: str,
        synthesiser: Synthesiser,
        angles: tuple[float, ...],
        lay: Callable[[np.ndarray], np.ndarray],
        said: str,
    ) -> None:
        self._photographs, self._side, self._part = photographs, side, part
        self._synthesiser, self._angles, self._lay, self._said = synthesiser, angles, lay, said

    def __len__(self) -> int:
        return len(self._photographs)

    def read(self, row: int) -> bytes:
        from PIL import Image

        shown = _photographs(self._photographs, self._side, self._part)
        views = self._synthesiser.views(shown, np.array([row]), self._angles)
        squares = np.concatenate([shown.images[row : row + 1, None], views], axis=1)
        written = io.BytesIO()
        Image.fromarray(self._lay(squares)[0]).save(written, "PNG")
        return written.getvalue()

    def name(self, row: int) -> str:
        files = self._photographs
        return f"{files.source.name(int(files.rows[row]))}, with views"

    def content_hash(self, rows: np.ndarray) -> str:
        of_files = self._photographs[rows].content_hash()
        return hashlib.sha256(f"views\n{self._said}\n{self._side}\n{of_files}".encode()).hexdigest()


@lru_cache(maxsize=4)
def _photographs(files: ImageFiles, side: int, part: str) -> Photographs:
    """All of them, decoded, kept in the cache, and mapped from there."""
    streams = Streams(int(files.content_hash()[:15], 16))
    return Photographs(decoded(files, side, default_cache_dir()), part, None, streams)
