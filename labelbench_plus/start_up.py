"""How a process is set up before anything heavy is loaded, so that commands and workers start quickly."""

from __future__ import annotations

import gc
import os
import sys

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
READ_WHEN_LOADED = ("numpy", "scipy", "torch", "sklearn")  # what looks at these variables once

_USUAL = gc.get_threshold()
_one_thread = False


def one_thread() -> None:
    """Have this process compute with one thread from now on, so that workers can be forked from it.

    Where what computes is loaded already, its threads are as they are: nothing is done then.
    """
    global _one_thread
    if not any(name in sys.modules for name in READ_WHEN_LOADED):
        os.environ.update(ONE_THREAD)
        _one_thread = True


def can_fork() -> bool:
    """Whether a fork of this process is as good as a new one: it has computed with one thread since it started, and
    no other thread is at work, whose locks a fork would find taken for ever."""
    try:
        return _one_thread and sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def collect_rarely() -> None:
    """Look for garbage rarely: what a command loads stays, and looking through it again and again takes longer than
    some commands do."""
    gc.set_threshold(50_000)


def collect_as_usual() -> None:
    """Look for garbage as often as Python does: a model may be part of it."""
    gc.freeze()  # what is loaded by now
    gc.set_threshold(*_USUAL)
