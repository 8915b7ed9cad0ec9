"""Where a run's folder is and how it shows that the run is done, for programs that must not load a run to know."""

from __future__ import annotations

from pathlib import Path


def run_folder(root: Path, run_id: str) -> Path:
    """The folder of a run below the output directory."""
    return root / "runs" / run_id


def is_done(folder: Path) -> bool:
    """Whether the run in `folder` is finished. Files decide, not processes."""
    return (folder / "result.json").is_file()
