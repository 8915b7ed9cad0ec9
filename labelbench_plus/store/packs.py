"""Finished runs in few files: `OUT/packed/0001.zip` …, zip files with a member a run.

A member, `RUN.json`, holds all files of the run's folder: path -> when it was last changed (nanoseconds since 1970),
and its text, or `base64` of what is no text. So the zip's own directory is the index, its checksums say whether a run
is whole, and reading one run reads nothing of the others. Where several packs hold a run the highest number counts, and
a folder with a result counts more than any pack.

Packs are written by `packing.py` and never changed. One that comes from elsewhere may name anything: a name that is
none of a run's own files is refused before it is used.
"""

from __future__ import annotations

import base64
import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from labelbench_plus.store.numbered import numbered
from labelbench_plus.store.readable import PackError

SUFFIX = ".zip"
MEMBER = re.compile(r"([0-9a-f]{16})\.json", re.ASCII)
OWN = re.compile(r"(config|manifest|result|wandb)\.json|(rounds|costs|details|attempts)/\w[\w.-]*", re.ASCII)
"""The files of a run, as they are described in run_store.py, without what may be large or is no part of a result."""
MADE = (1980, 1, 1, 0, 0, 0)  # the first date that a zip file can name: the same runs give the same bytes


@dataclass(frozen=True)
class File:
    """A file's content, and when it was last changed, in nanoseconds since 1970."""

    content: bytes
    changed: int


class Pack:
    """A pack that is open for reading. Who opened it can read it after it was removed too.

    Raises
    ------
    PackError
        It is no whole zip file, or holds what is no run.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.changed = path, path.stat().st_mtime_ns
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise self._damaged(f"no whole zip file ({error})") from error
        self.runs: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if not (named := MEMBER.fullmatch(info.filename)):
                raise self._damaged(f"{info.filename!r} is no run")
            self.runs[named[1]] = info
        self.files = lru_cache(maxsize=2)(self._files)  # a run is read part by part
        """The files of one of its runs, by their paths in its folder."""

    def _files(self, run: str) -> dict[str, File]:
        try:
            files = json.loads(self._zip.read(self.runs[run]))
            found = {name: File(_content(said), int(said["changed"])) for name, said in files.items()}
        except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, zlib.error) as error:
            raise self._damaged(f"run {run} cannot be read ({error})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(f"run {run} is not what `lbp pack` writes ({error!r})") from error
        if strange := next((name for name in found if not OWN.fullmatch(name)), None):
            raise self._damaged(f"run {run} names {strange!r}, which is no file of a run")
        return found

    def _damaged(self, how: str) -> PackError:
        return PackError(
            f"{self.path}: {how}: get the file again from a copy, or move it away, and its runs are computed anew"
        )


@dataclass(frozen=True)
class Packed:
    """A run in a pack, or a file or folder of it, read as a `Path` is."""

    pack: Pack
    run: str
    inner: str = ""

    @property
    def name(self) -> str:
        return (self.inner or self.run).rpartition("/")[2]

    def __truediv__(self, name: str) -> Packed:
        return Packed(self.pack, self.run, f"{self.inner}/{name}".lstrip("/"))

    def __str__(self) -> str:
        return "/".join(filter(None, (str(self.pack.path), self.run, self.inner)))

    def iterdir(self) -> Iterator[Packed]:
        start = f"{self.inner}/" * bool(self.inner)
        names = [name.removeprefix(start) for name in self.pack.files(self.run) if name.startswith(start)]
        return (self / name for name in dict.fromkeys(name.partition("/")[0] for name in names))

    def read_bytes(self) -> bytes:
        return self._file().content

    def stat(self) -> os.stat_result:
        file = self._file()
        return os.stat_result((0, 0, 0, 1, 0, 0, len(file.content), *[file.changed // 10**9] * 3))

    def _file(self) -> File:
        try:
            return self.pack.files(self.run)[self.inner]
        except KeyError:
            raise FileNotFoundError(2, "No such file in the pack", str(self)) from None


def packs(folder: Path) -> list[Pack]:
    """All packs of an output directory, the newest first. One that was opened and is the same is not read again.

    Raises
    ------
    PackError
        One is damaged.
    """
    found = []
    for path in reversed(numbered(folder, SUFFIX).values()):
        try:
            told = path.stat()
            found.append(_opened(path, told.st_ino, told.st_mtime_ns, os.getpid()))
        except FileNotFoundError:  # it was unpacked meanwhile
            continue
    return found


@lru_cache(maxsize=64)
def _opened(path: Path, *version: int) -> Pack:
    """A pack by what tells it from others of that name, and by process: those that fork share the place in a file."""
    return Pack(path)


def find(folder: Path, run: str) -> Packed | None:
    """A run in the newest pack that holds it."""
    return next((Packed(pack, run) for pack in packs(folder) if run in pack.runs), None)


def write_pack(path: Path, runs: Iterator[tuple[str, Mapping[str, File]]]) -> None:
    """Write runs to a new file, and read all of it back. The same runs give the same bytes.

    Raises
    ------
    PackError
        What was read back is not what was written.
    """
    with zipfile.ZipFile(path, "w") as file:
        for run, files in runs:
            member = {name: _said(files[name]) for name in sorted(files)}
            info = zipfile.ZipInfo(f"{run}.json", MADE)
            file.writestr(info, json.dumps(member).encode(), zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path) as file:
        if (bad := file.testzip()) is not None:
            raise PackError(f"{path}: {bad} was written and reads otherwise: look at the disk; nothing was removed")


def _said(file: File) -> dict[str, Any]:
    try:
        return {"changed": file.changed, "text": file.content.decode()}
    except UnicodeDecodeError:
        return {"changed": file.changed, "base64": base64.b64encode(file.content).decode()}


def _content(said: Mapping[str, Any]) -> bytes:
    content: str = said["text"] if "text" in said else said["base64"]
    return content.encode() if "text" in said else base64.b64decode(content, validate=True)
