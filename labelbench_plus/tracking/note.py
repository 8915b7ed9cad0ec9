"""What a run's folder says of its mirror: `wandb.json`, written when all of the run is in W&B's hands."""

from __future__ import annotations

import json
from pathlib import Path

from labelbench_plus.store.atomic import replace
from labelbench_plus.store.readable import Readable


def mirrored(folder: Readable) -> str:
    """In which mode a finished run was mirrored, "offline" or "online"; empty if it was not."""
    try:
        return str(json.loads((folder / "wandb.json").read_bytes())["mode"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def note_mirrored(folder: Path, mode: str, rounds: int) -> None:
    """Note that the run in `folder` is mirrored."""
    replace(folder / "wandb.json", json.dumps({"mode": mode, "rounds": rounds}).encode() + b"\n")
