"""Where a run's folder is and whether the run is done, for programs that must not load the run."""

from __future__ import annotations

import os
from pathlib import Path

RESULT = "result.json"
LAST = b"}\n"  # how it ends


def run_folder(root: Path, run_id: str) -> Path:
    """The folder of a run below the output directory."""
    return root / "runs" / run_id


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
    if (folder / "config.json").is_file() and folder.parent.name == "runs":
        return folder
    found = sorted(path for path in (root / "runs").glob(f"{run}*")) if run.isalnum() else []
    if len(found) != 1:
        names = ", ".join(path.name for path in found[:10])
        known = f"it fits {names}" if found else f"no run in {root / 'runs'} begins so"
        raise LookupError(f"run {run!r}: {known}")
    return found[0].resolve()


def is_done(folder: Path) -> bool:
    """Whether the run in `folder` is finished. Files decide, not processes; empty or truncated ones do not count."""
    try:
        return _ends_well(folder / RESULT)
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
