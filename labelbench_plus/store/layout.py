"""Where a run's folder is and how it shows that the run is done, for programs that must not load a run to know."""

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
    """Whether the run in `folder` is finished. Files decide, not processes, and not one that is empty or cut off."""
    try:
        with open(folder / RESULT, "rb") as file:
            file.seek(-len(LAST), os.SEEK_END)
            return file.read() == LAST
    except OSError:
        return False
