"""Where a run's files are and whether the run is done, for programs that must not load the run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from labelbench_plus.store.readable import Readable

if TYPE_CHECKING:
    from labelbench_plus.store.packs import Packed

T = TypeVar("T")

RESULT = "result.json"
LAST = b"}\n"  # how it ends
PACKED = "packed"
"""The folder of packs in an output directory."""


def run_folder(root: Path, run_id: str) -> Path:
    """The folder of a run below the output directory, to write to; whoever reads asks for `run_files`."""
    return root / "runs" / run_id


def packed_run(root: Path, run_id: str) -> Packed | None:
    """A run in a pack; None if no pack holds it.

    Raises
    ------
    PackError
        A pack is damaged.
    """
    if not os.path.isdir(folder := f"{root}/{PACKED}"):  # most have none, and pay for one look
        return None
    from labelbench_plus.store.packs import find

    return find(Path(folder), run_id)


def run_files(root: Path, run_id: str) -> Readable:
    """Where to read a run: its folder, or a pack if there is no folder with a result. Raises as `packed_run`."""
    folder, packed = run_folder(root, run_id), packed_run(root, run_id)
    return folder if packed is None or is_whole(folder / RESULT) else packed


def steadily(root: Path, run_id: str, read: Callable[[Readable], T]) -> T:
    """What `read` makes of a run's files; read again if the run was packed or unpacked meanwhile."""
    while True:
        files = run_files(root, run_id)
        try:
            found = read(files)
        except Exception:
            if run_files(root, run_id) == files:
                raise
        else:
            if run_files(root, run_id) == files:
                return found


def find_run(root: Path, run: str) -> Path:
    """The folder of the one run that is meant.

    Parameters
    ----------
    run: a run's folder (below `runs` of any output directory), or the beginning of the id of a run below `root`.

    Raises
    ------
    LookupError
        No run is meant, or several; the message says which.
    """
    folder = Path(run).resolve()
    if folder.parent.name == "runs":
        with contextlib.suppress(OSError):
            (run_files(folder.parent.parent, folder.name) / "config.json").stat()
            return folder
    found = runs_named(root, run) if run.isalnum() else []
    if len(found) != 1:
        known = f"it fits {', '.join(found[:10])}" if found else f"no run in {root / 'runs'} begins so"
        raise LookupError(f"run {run!r}: {known}")
    return run_folder(root, found[0]).resolve()


def runs_named(root: Path, beginning: str = "") -> list[str]:
    """The ids of all runs, in folders and packs, that begin so. Raises as `packed_run`."""
    found = {path.name for path in (root / "runs").glob(f"{beginning}*") if not path.name.startswith(".")}
    if (root / PACKED).is_dir():
        from labelbench_plus.store.packs import packs

        found |= {run for pack in packs(root / PACKED) for run in pack.runs if run.startswith(beginning)}
    return sorted(found)


def is_done(root: Path, run_id: str) -> bool:
    """Whether a run is finished. Files decide, not processes; empty or truncated ones do not count.

    Raises as `packed_run`.
    """
    return is_whole(run_folder(root, run_id) / RESULT) or packed_run(root, run_id) is not None


def is_whole(result: Path) -> bool:
    """Whether a result is there, neither empty nor truncated."""
    try:
        return _ends_well(result)
    except OSError:
        return False


def is_torn(result: Path) -> bool:
    """Whether a result exists but is empty or truncated: not written by us, or lost by the file system."""
    try:
        return not _ends_well(result)
    except FileNotFoundError:
        return False


def _ends_well(result: Path) -> bool:
    with open(result, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - len(LAST)))
        return file.read() == LAST
