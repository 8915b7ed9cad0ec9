"""Measuring named callables side by side: interleaved repeats, CPU and wall seconds, peak memory, quality."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import torch
from threadpoolctl import threadpool_limits


@dataclass
class Measurement:
    """Repeated runs of one callable on one input.

    cpu_seconds, wall_seconds: one entry a repeat. CPU seconds are of the whole process, all its threads, and of
        processes it started that have ended.
    peak_bytes: most resident memory on top of what was resident before the call, over all repeats; None where the
        system does not tell. Memory that the allocator kept from an earlier call is given back before each call.
    quality: of the first result. results: of every repeat.
    """

    name: str
    cpu_seconds: list[float] = field(default_factory=list)
    wall_seconds: list[float] = field(default_factory=list)
    peak_bytes: int | None = None
    quality: float | None = None
    results: list[Any] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """Median CPU seconds."""
        return statistics.median(self.cpu_seconds)


def measure(
    callables: Mapping[str, Callable[[], Any]],
    *,
    repeats: int,
    quality: Callable[[Any], float] | None = None,
    threads: int = 1,
) -> dict[str, Measurement]:
    """Run all callables in turn, `repeats` times over, and return what each took.

    Interleaving lets a change in the load of the machine hit all of them alike. The quality is computed from the
    first result, outside the measured time. Numerical libraries are held to `threads` threads.
    """
    measurements = {name: Measurement(name) for name in callables}
    with limited_threads(threads):
        for _ in range(repeats):
            for name, call in callables.items():
                entry = measurements[name]
                gc.collect()
                before = _reset_peak()
                cpu, wall = _cpu_seconds(), time.perf_counter()
                result = call()
                entry.cpu_seconds.append(_cpu_seconds() - cpu)
                entry.wall_seconds.append(time.perf_counter() - wall)
                if before is not None:
                    entry.peak_bytes = max(entry.peak_bytes or 0, _status_bytes("VmHWM") - before)
                entry.results.append(result)
                print(f"  {name}: {entry.cpu_seconds[-1]:.3f} CPU s", file=sys.stderr, flush=True)
        if quality is not None:
            for entry in measurements.values():
                entry.quality = quality(entry.results[0])
    return measurements


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Hold torch, BLAS and OpenMP to a number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)


def _cpu_seconds() -> float:
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _status_bytes(key: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(key))


def _reset_peak() -> int | None:
    """Give freed memory back, restart the peak counter, and return the bytes resident now; None if not on Linux."""
    if not sys.platform.startswith("linux"):
        return None
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # the GNU C library has it, others do not
    if trim is not None:
        trim(0)
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    return _status_bytes("VmRSS")


def environment(threads: int) -> dict[str, Any]:
    """Where figures were measured: processor, load, versions, threads."""
    processor = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as info:
            processor = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "")
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "threads": threads,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in ("torch", "numpy")},
    }


def table(header: list[str], rows: list[list[str]]) -> str:
    """Columns of text, the first one left-aligned."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = []
    for first, *others in [header, ["-" * width for width in widths], *rows]:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
