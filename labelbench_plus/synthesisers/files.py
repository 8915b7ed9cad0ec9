"""Views that were made elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from labelbench_plus.content import hash_file
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.synthesisers import Photographs, Synthesiser, synthesisers


@synthesisers.register("files")
@dataclass(frozen=True)
class Files(Synthesiser):
    """Pictures from a folder: `PART/ROW/ANGLE.png`, such as `pool/17/-90.png`, squares as large as the photographs.

    Rows count from 0 in the data set's own order. Whoever made them is taken at the word of `made_by`, which boards
    show.

    Parameters
    ----------
    folder: above them. What counts for a run's identity are the files' names and content, not where it lies.
    made_by: a name for what made them.
    """

    title = "Views from files"
    source = "generator"

    folder: Annotated[Path, Infra(), Outside("files")]
    made_by: str

    def views(self, photographs: Photographs, rows: np.ndarray, angles: tuple[float, ...]) -> np.ndarray:
        from PIL import Image

        side = photographs.images.shape[1]
        found = np.empty((len(rows), len(angles), *photographs.images.shape[1:]), dtype=np.uint8)
        for place, row in enumerate(rows.tolist()):
            for number, angle in enumerate(angles):
                file = self.folder.expanduser() / photographs.part / str(row) / f"{angle:g}.png"
                if not file.is_file():
                    raise FileNotFoundError(
                        f"{file}: no such view; synthesiser 'files' reads PART/ROW/ANGLE.png below its folder, "
                        f"a square of {side} pixels"
                    )
                with Image.open(file) as image:
                    pixels = np.asarray(image.convert("RGB"))
                if pixels.shape != (side, side, 3):
                    raise ValueError(
                        f"{file}: expected {side} × {side} pixels, like the photographs, got {pixels.shape}"
                    )
                found[place, number] = pixels
        return found

    def fingerprint(self) -> str:
        folder = self.folder.expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder of views")
        files = sorted(folder.rglob("*.png"))
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.relative_to(folder).as_posix()} {hash_file(file)}\n".encode())
        return digest.hexdigest()
