"""What evaluations reported beyond scores: a file per round, `details/0000.json.gz`, whose hash is in the round.

The hash is of the JSON text before it is compressed: another version of zlib may compress otherwise. A file may be
missing, since archives hold them only where asked to; one that is there is what the round was committed with.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from labelbench_plus.spec import canonical
from labelbench_plus.store.atomic import replace
from labelbench_plus.store.numbered import file_name
from labelbench_plus.store.readable import Readable

R = TypeVar("R", bound=Readable)

FOLDER = "details"


def digest(details: Mapping[str, Any]) -> str:
    """What a round calls its details: SHA-256 of their JSON text."""
    return hashlib.sha256(canonical(details)).hexdigest()


def write(folder: Path, number: int, details: Mapping[str, Any]) -> None:
    """Keep a round's details in a run's folder."""
    path = _path(folder, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:
        file.write(canonical(details))
    replace(path, buffer.getvalue())


def read(folder: Readable, number: int, expected: str) -> dict[str, Any] | None:
    """A round's details; None if the file is missing.

    Raises
    ------
    ValueError
        It is not what the round was committed with. The message names the file.
    """
    path = _path(folder, number)
    try:
        content = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a whole gzip file: {error}; the round is valid without it") from error
    if (found := hashlib.sha256(content).hexdigest()) != expected:
        words = f"its hash is {found}, but the round was committed with {expected}; it is valid without the file"
        raise ValueError(f"{path}: {words}")
    details: dict[str, Any] = json.loads(content)
    return details


def _path(folder: R, number: int) -> R:
    return folder / FOLDER / file_name(number, ".json.gz")
