"""What is wrong with a file that work goes on without, said once."""

from __future__ import annotations

import logging
from pathlib import Path

logger = logging.getLogger(__name__)

_told: set[Path] = set()


def once(path: Path, why: object) -> None:
    """Warn that a file is passed over, unless this process did."""
    if path not in _told:
        _told.add(path)
        logger.warning("%s is skipped: %s", path, why)
