"""Hashes of content: equal exactly where the names, types, shapes and bytes of the arrays are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from labelbench_plus.contracts.datasets import LabelledData


def hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256, as 64 hexadecimal digits, of named arrays in their order. Memory layout does not count.

    Raises
    ------
    TypeError
        An array holds Python objects, which have no bytes of their own.
    """
    digest = hashlib.sha256()
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"array {name!r} holds Python objects, which cannot be hashed")
        little_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(repr((name, little_endian.dtype.str, array.shape)).encode())
        digest.update(little_endian.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def hash_labelled_data(data: LabelledData) -> str:
    """SHA-256 of every example and label in its split and order, of the class names, and of what else comes along.

    Images that lie in files count by their `content_hash`: of the files' bytes, not of pixels.
    """
    parts = {"pool": data.pool, "validation": data.validation, "test": data.test}
    arrays: dict[str, np.ndarray] = {}
    for part, split in parts.items():
        if isinstance(split.inputs, np.ndarray):
            arrays[f"{part}_inputs"] = split.inputs
        else:
            arrays[f"{part}_inputs of {type(split.inputs).__name__}"] = _bytes(split.inputs.content_hash())
        arrays[f"{part}_labels"] = split.labels
        if split.groups is not None:
            arrays[f"{part}_groups"] = split.groups
        if split.kinds is not None:
            arrays[f"{part}_kinds"] = split.kinds
    if data.kind_names:
        arrays["kind_names"] = _bytes("\0".join(data.kind_names))
    if data.templates:
        arrays["templates"] = _bytes("\0".join(data.templates))
    if data.pool_prices is not None:
        arrays["pool_prices"] = data.pool_prices
    for name in sorted(data.columns):
        column = data.columns[name]
        arrays[f"pool_{name}"] = column.astype(str) if column.dtype.hasobject else column
    return hash_arrays({**arrays, "class_names": _bytes("\0".join(data.class_names))})


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)
