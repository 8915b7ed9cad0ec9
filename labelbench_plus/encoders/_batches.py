"""Inputs a batch at a time, with a word now and then on how far it has come."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

BATCH = {"cpu": 32, "cuda": 256}
REPORT_SECONDS = 10.0

logger = logging.getLogger(__name__)


def batches(count: int, device: str, encoder: str) -> Iterator[range]:
    """The places 0..count-1 as ranges of the size that suits a device."""
    last = time.monotonic()
    for start in range(0, count, BATCH[device]):
        if time.monotonic() - last > REPORT_SECONDS:
            logger.info("encoder %r: %d of the next %d inputs", encoder, start, count)
            last = time.monotonic()
        yield range(start, min(start + BATCH[device], count))
