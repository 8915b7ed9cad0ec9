"""In what a CPU is faster: measured once a machine and kept, because the bits depend on it."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.store.artefacts import Artefacts, default_cache_dir
from labelbench_plus.store.manifest import cpu_model

if TYPE_CHECKING:
    import torch

    from labelbench_plus.contracts.bases import Precision

SECONDS = 0.05  # a measurement, of which there are four
WIDTH, ROWS = 576, 256
CLEARLY = 1.25


@cache
def fastest(device: str) -> Precision:
    """bfloat16 on CUDA, and on a CPU that multiplies matrices clearly faster in it; else float32.

    What was measured stays in the cache under the names of processor and torch: a run that goes on must not find that
    the machine is busier, and thereby other bits.
    """
    if device.startswith("cuda"):
        return "bfloat16"
    import torch

    key = {"probe": "bfloat16", "cpu": cpu_model(), "torch": torch.__version__, "version": 1}
    kept = Artefacts(default_cache_dir()).arrays(
        key, lambda _: {"faster": np.array([_gain()])}, what="speed of bfloat16"
    )
    return "bfloat16" if float(kept["faster"][0]) > CLEARLY else "float32"


def _gain() -> float:
    """How many times faster bfloat16 is, the better of two looks each."""
    import torch

    best = {dtype: max(_speed(dtype) for _ in range(2)) for dtype in (torch.float32, torch.bfloat16)}
    return best[torch.bfloat16] / best[torch.float32]


def _speed(dtype: torch.dtype) -> float:
    """Products a CPU second."""
    import torch

    left, right = torch.ones(ROWS, WIDTH, dtype=dtype), torch.ones(4 * WIDTH, WIDTH, dtype=dtype)
    torch.nn.functional.linear(left, right)  # the first one prepares
    count, started, until = 0, time.thread_time(), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        torch.nn.functional.linear(left, right)
        count += 1
    return count / max(time.thread_time() - started, 1e-9)
