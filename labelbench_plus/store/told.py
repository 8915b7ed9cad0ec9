"""Warnings about files that are skipped, each shown once."""

from __future__ import annotations

import logging
from collections.abc import Hashable

logger = logging.getLogger(__name__)

_told: set[Hashable] = set()


def once(path: Hashable, why: object) -> None:
    """Warn that a file is skipped, unless this process already did."""
    if path not in _told:
        _told.add(path)
        logger.warning("%s is skipped: %s", path, why)
