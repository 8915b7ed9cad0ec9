"""Arrays on disk, read in pieces: members of compressed `.npz` files, `.npy` and `.pt` files."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

VECTOR_TYPES = (np.dtype(np.float16), np.dtype(np.float32))


def member_shape(path: Path, member: str) -> tuple[int, int]:
    """Rows and columns of a matrix in an `.npz` file, from its header alone.

    Raises
    ------
    ValueError
        There is no such member, or it is no matrix of half or single precision in row order.
    """
    with _archive(path) as archive, _opened(archive, path, member) as file:
        return _header(file, path, member)[0]


def member_rows(path: Path, member: str, chunk: int) -> Iterator[np.ndarray]:
    """The rows of a matrix in an `.npz` file, `chunk` at a time, without ever holding more of it."""
    with _archive(path) as archive, _opened(archive, path, member) as file:
        (rows, columns), dtype = _header(file, path, member)
        for start in range(0, rows, chunk):
            count = min(chunk, rows - start)
            content = file.read(count * columns * dtype.itemsize)
            if len(content) != count * columns * dtype.itemsize:
                raise ValueError(f"{path}: {member} ends after {start} of {rows} rows: the file is damaged")
            yield np.frombuffer(content, dtype=dtype).reshape(count, columns)


def member_checksums(path: Path, members: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """Name, size and CRC-32 of members, from the archive's directory alone: their content is not read."""
    with _archive(path) as archive:
        found = {info.filename: info for info in archive.infolist()}
        for member in members:
            if f"{member}.npy" not in found:
                raise ValueError(f"{path}: has no {member!r} (it has {', '.join(sorted(found))})")
        return [(m, found[f"{m}.npy"].file_size, found[f"{m}.npy"].CRC) for m in members]


def member_texts(path: Path, member: str) -> list[str] | None:
    """A list of texts in an `.npz` file; None if it has no such member.

    Raises
    ------
    ValueError
        The member is something else.
    """
    with _archive(path) as archive:
        if f"{member}.npy" not in archive.namelist():
            return None
        with archive.open(f"{member}.npy") as file:
            try:
                found = np.lib.format.read_array(file, allow_pickle=False)
            except ValueError as error:
                raise ValueError(f"{path}: {member} must hold texts ({error})") from error
    if found.ndim != 1 or found.dtype.kind not in "US":
        raise ValueError(f"{path}: {member} must hold texts, got {found.dtype} {found.shape}")
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in found.tolist()]


def load_matrix(path: Path) -> np.ndarray:
    """A matrix of floats from a `.npy` file (mapped) or a `.pt` file that holds one tensor.

    Raises
    ------
    FileNotFoundError, ValueError
        The file does not exist or holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.suffix == ".npy":
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    elif path.suffix == ".pt":
        import torch

        loaded = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(loaded, torch.Tensor):
            raise ValueError(f"{path}: expected one tensor, got {type(loaded).__name__}")
        matrix = loaded.numpy()
    else:
        raise ValueError(f"{path}: expected a .npy or a .pt file")
    if matrix.ndim != 2 or matrix.dtype.kind != "f":
        raise ValueError(f"{path}: expected a matrix of floats, got {matrix.dtype} {matrix.shape}")
    return matrix


def read_rows(matrix: np.ndarray, start: int, count: int) -> np.ndarray:
    """Consecutive rows of a matrix that `load_matrix` mapped, read rather than mapped: pages once touched would stay.

    Raises
    ------
    ValueError
        The matrix is in column order.
    """
    if not isinstance(matrix, np.memmap) or matrix.filename is None:
        return matrix[start : start + count]
    if not matrix.flags.c_contiguous:
        raise ValueError(f"{matrix.filename}: must be in row order to be read in pieces")
    place = matrix.offset + start * matrix.strides[0]
    flat = np.fromfile(matrix.filename, dtype=matrix.dtype, count=count * matrix.shape[1], offset=place)
    return flat.reshape(count, matrix.shape[1])


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: is damaged or no .npz file ({error})") from error


def _opened(archive: zipfile.ZipFile, path: Path, member: str) -> IO[bytes]:
    try:
        return archive.open(f"{member}.npy")
    except KeyError:
        names = ", ".join(sorted(name.removesuffix(".npy") for name in archive.namelist()))
        raise ValueError(f"{path}: has no {member!r} (it has {names})") from None


def _header(file: IO[bytes], path: Path, member: str) -> tuple[tuple[int, int], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, column_order, dtype = read(file)
    if len(shape) != 2 or dtype not in VECTOR_TYPES or (column_order and min(shape) > 1):
        raise ValueError(
            f"{path}: {member} must be a matrix of float16 or float32 in row order, got {dtype} {shape}"
            f"{' in column order' if column_order else ''}"
        )
    return (shape[0], shape[1]), dtype
