"""What a piece of work costs: seconds, and the memory it took on top of what was there."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

import psutil


@dataclass
class Meter:
    """Context manager that measures its body.

    Attributes
    ----------
    seconds: wall time.
    peak_bytes: the most memory in use during the body beyond what was in use before it: device memory where the
        device is CUDA, else resident memory. None where the system cannot tell (resident peaks need Linux).
    """

    device: str = "cpu"
    seconds: float = 0.0
    peak_bytes: float | None = None

    def __enter__(self) -> Meter:
        self._before = self._reset_peak()
        self._start = time.perf_counter()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.synchronize(self.device)  # kernels run behind the caller's back
            peak: float | None = float(torch.cuda.max_memory_allocated(self.device))
        else:
            peak = _resident_peak()
        self.seconds = time.perf_counter() - self._start
        self.peak_bytes = max(peak - self._before, 0.0) if peak is not None else None

    def _reset_peak(self) -> float:
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.reset_peak_memory_stats(self.device)
            return float(torch.cuda.memory_allocated(self.device))
        with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # sets the process's high-water mark back to what is resident now
        return float(psutil.Process().memory_info().rss)


def noted(who: str, notes: Mapping[str, float]) -> dict[str, float | None]:
    """Notes as they stand among a round's costs: `who.name`; None for what is no finite number.

    Raises
    ------
    TypeError
        They are no numbers by name.
    """
    try:
        values = {f"{who}.{name}": float(value) for name, value in notes.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise TypeError(f"notes of the {who}: expected numbers by name, got {notes!r:.80}") from error
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _resident_peak() -> float | None:
    with (
        contextlib.suppress(OSError, StopIteration, IndexError, ValueError),
        open("/proc/self/status") as file,
    ):
        return 1024.0 * int(next(line for line in file if line.startswith("VmHWM")).split()[1])
    return None
