"""What the tests of the primitives share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from tests.warm import Warm

_PR_SET_THP_DISABLE = 41  # of Linux's prctl
_NO_HOARDING = {"MALLOC_MMAP_THRESHOLD_": str(2**17), "MALLOC_TRIM_THRESHOLD_": str(2**17)}


@pytest.fixture(scope="session")
def _warm() -> Iterator[Warm]:
    if not sys.platform.startswith("linux"):
        pytest.skip("peak memory is read from Linux's /proc")
    warm = Warm(("torch",), _NO_HOARDING)
    yield warm
    warm.close()


@pytest.fixture
def peak_bytes(_warm: Warm) -> Callable[[str, str], int]:
    """Measure how far a piece of code raises a process's peak resident memory.

    `peak_bytes(setup, code)` runs `setup`, then `code`, in a process of their own and returns the peak of `code` on
    top of what was resident before it, in bytes. Freed blocks go back to the system at once and pages are small, so
    that the peak is what the code holds and not what the allocator keeps; what the linear algebra library of a
    machine packs for itself remains, which is why ceilings have room.
    """

    def measure(setup: str, code: str) -> int:
        script = "\n".join(
            [
                "import ctypes, torch",
                f"ctypes.CDLL(None).prctl({_PR_SET_THP_DISABLE}, 1, 0, 0, 0)",
                "torch.set_num_threads(1)",
                setup,
                "def status(key):",
                "    lines = open('/proc/self/status').read().splitlines()",
                "    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))",
                "before = status('VmRSS')",
                "open('/proc/self/clear_refs', 'w').write('5')",
                code,
                "print(status('VmHWM') - before)",
            ]
        )
        return int(_warm.run(script).split()[-1])

    return measure
