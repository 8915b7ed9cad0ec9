"""Warnings about files that are skipped, each shown once."""

from __future__ import annotations

import logging
from pathlib import Path

logger = logging.getLogger(__name__)

_told: set[Path] = set()


def once(path: Path, why: object) -> None:
    """Warn that a file is skipped, unless this process already did."""
    if path not in _told:
        _told.add(path)
        logger.warning("%s is skipped: %s", path, why)
