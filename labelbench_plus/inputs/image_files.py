"""Images that are decoded when asked for: files of a folder, or members of parquet files."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import numpy as np

from labelbench_plus.content import hash_files

SIXTEEN_BITS = ("PNG", "PPM")
"""Formats of which PIL reads 16 bits of grey as 32."""


class UnreadableInput(ValueError):
    """An example cannot be read. The message names it."""


class ImageSource(Protocol):
    """Where encoded images lie. It can be pickled, and its methods can be called from several threads."""

    def __len__(self) -> int:
        """How many there are."""

    def read(self, row: int) -> bytes:
        """One image as it is stored (JPEG, PNG ...)."""

    def name(self, row: int) -> str:
        """What messages call it."""

    def content_hash(self, rows: np.ndarray) -> str:
        """Hash of these images in this order: of what they hold. `labelbench_plus.content` reads a file once."""


class ImageFiles:
    """n images of any size. `images[10:20]` and `images[rows]` are `ImageFiles` again; nothing is read for that.

    Parameters
    ----------
    source: where they lie.
    rows: (n,) int64, which of the source's images these are, in order; all of them if left out.
    """

    def __init__(self, source: ImageSource, rows: np.ndarray | None = None) -> None:
        self.source = source
        self.rows = np.arange(len(source)) if rows is None else np.asarray(rows, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | np.ndarray) -> ImageFiles:
        if not isinstance(index, slice | np.ndarray):
            raise TypeError(f"images are chosen by a slice or an array, and decode({index}) gives one's pixels")
        return ImageFiles(self.source, self.rows[index])

    def __repr__(self) -> str:
        return f"ImageFiles({len(self)})"

    def decode(self, i: int) -> np.ndarray:
        """Pixels of image `i`: uint8 (height, width, 3), RGB, as PIL reads them; orientation marks are not followed.

        * Grey images get three equal channels, black and white ones 0 and 255.
        * Of 16 bits a channel the upper eight count (⌊v / 256⌋), in grey images as in those with colours.
        * Palettes are looked up, CMYK and other colour spaces are converted by PIL, without a colour profile.
        * Transparency is dropped: what counts is the colour that a pixel has beneath it.
        * Of several frames or pages the first counts.

        Raises
        ------
        UnreadableInput
            It is no image, or its numbers have no range that could be brought to 8 bits (32 bits, floating point); the
            message names it.
        """
        from PIL import Image, UnidentifiedImageError

        row = int(self.rows[i])
        try:
            stored = self.source.read(row)
            with Image.open(io.BytesIO(stored)) as image:
                return _rgb(image)
        except UnidentifiedImageError as error:
            what = f"its {len(stored)} bytes are no image of a known format" if stored else "the file is empty"
            raise UnreadableInput(f"image {self.source.name(row)} cannot be decoded: {what}") from error
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UnreadableInput(f"image {self.source.name(row)} cannot be decoded: {error}") from error

    def content_hash(self) -> str:
        """Hash of what these images hold, in order."""
        return self.source.content_hash(self.rows)


class FolderImages:
    """Files below a folder.

    What identifies them is their names below the folder and their content, in order, not where the folder lies. They
    are read for that once (`labelbench_plus.content`).

    Parameters
    ----------
    folder: above all of them.
    names: paths relative to it, with "/".
    """

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self._folder = folder
        encoded = [name.encode("utf-8") for name in names]
        self._names = np.array(encoded, dtype=np.bytes_) if encoded else np.empty(0, dtype="S1")

    def __len__(self) -> int:
        return len(self._names)

    def name(self, row: int) -> str:
        return str(self._names[row].decode("utf-8"))

    def read(self, row: int) -> bytes:
        return (self._folder / self.name(row)).read_bytes()

    def content_hash(self, rows: np.ndarray) -> str:
        names = [bytes(self._names[row]) for row in rows.tolist()]
        digest = hashlib.sha256(b"files: names and content")
        for name, held in zip(names, hash_files([self._folder / n.decode("utf-8") for n in names]), strict=True):
            digest.update(b"%d %s " % (len(name), held.encode()))
            digest.update(name)
        return digest.hexdigest()


class ParquetImages:
    """A column of parquet files that holds encoded images: bytes, or a struct with `bytes` as the Hugging Face hub has.

    What identifies them are the files' content and names, and the rows chosen.

    Images are read a row group at a time, and the last two groups of a process are kept: reading in order is quick,
    reading in random order reads each group again and again.

    Parameters
    ----------
    files: in the order of their rows.
    column: its name.

    Raises
    ------
    ValueError
        A file is no parquet file, or has no such column of bytes.
    """

    def __init__(self, files: Sequence[Path], column: str = "image") -> None:
        self._files, self._column = tuple(map(str, files)), column
        starts = []  # of every row group: file, number in it, first row
        total = 0
        for number, file in enumerate(self._files):
            metadata = _metadata(file)
            _check_bytes(file, column)
            for group in range(metadata.num_row_groups):
                starts.append((number, group, total))
                total += metadata.row_group(group).num_rows
        self._groups = np.array(starts, dtype=np.int64).reshape(-1, 3)
        self._total = total

    def __len__(self) -> int:
        return self._total

    def _place(self, row: int) -> tuple[str, int, int]:
        """File, row group and place in it."""
        file, group, first = self._groups[np.searchsorted(self._groups[:, 2], row, side="right") - 1].tolist()
        return self._files[file], group, row - first

    def name(self, row: int) -> str:
        file, group, place = self._place(row)
        return f"{place} of row group {group} of {file}"

    def read(self, row: int) -> bytes:
        file, group, place = self._place(row)
        value = _row_group(file, group, self._column)[place].as_py()
        found = value["bytes"] if isinstance(value, dict) else value
        if found is None:
            raise ValueError("its bytes are missing")
        return bytes(found)

    def content_hash(self, rows: np.ndarray) -> str:
        digest = hashlib.sha256(b"parquet: content and rows")
        for file, held in zip(self._files, hash_files(list(map(Path, self._files))), strict=True):
            digest.update(f"{Path(file).name}\0{held}".encode())
        digest.update(np.ascontiguousarray(rows, dtype="<i8").data)
        return digest.hexdigest()


def _rgb(image: Any) -> np.ndarray:
    """A PIL image as (height, width, 3) uint8."""
    deep = image.mode.startswith("I;16") or (image.mode == "I" and image.format in SIXTEEN_BITS)
    if deep:
        grey = np.asarray(image).astype(np.int64) >> 8
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise ValueError(
            f"its numbers (PIL mode {image.mode}) have no range that could be brought to 8 bits: save it with 8 or 16 "
            "bits a channel"
        )
    return np.array(image.convert("RGB"))


def _metadata(file: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_metadata(file)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{file} is not a parquet file, or damaged ({error})") from error


def _check_bytes(file: str, column: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(file)
    if column not in schema.names:
        raise ValueError(f"{file} has no column {column!r}, but {', '.join(schema.names)}")
    kind = schema.field(column).type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise ValueError(f"{file}: column {column!r} must hold bytes, or a struct with bytes, it holds {kind}")


@lru_cache(maxsize=2)
def _row_group(file: str, group: int, column: str) -> Any:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        return opened.read_row_group(group, columns=[column]).column(0).combine_chunks()


def is_images(inputs: Any) -> TypeGuard[np.ndarray]:
    """Whether inputs are uint8 images in memory: (n, height, width) or (n, height, width, 3)."""
    if not isinstance(inputs, np.ndarray):
        return False
    return inputs.dtype == np.uint8 and (inputs.ndim == 3 or (inputs.ndim == 4 and inputs.shape[3] == 3))


def has_images(inputs: Any) -> bool:
    """Whether inputs are images, in memory or in files."""
    return isinstance(inputs, ImageFiles) or is_images(inputs)
