"""The output of a confined process: passed on without control codes, up to a limit."""

from __future__ import annotations

import contextlib
import os
import threading

from labelbench_plus.shown import printable_lines

MOST_PRINTED = 2**20


def plain(text: str, longest: int = 5000) -> str:
    """A text that a terminal shows but does not obey, up to a limit."""
    return printable_lines(text if len(text) <= longest else f"{text[:longest]} …")


class Output:
    """A pipe to print into, whose other end is passed on to this process's stderr.

    The process that prints gets neither a terminal, which it could read from and type into, nor a log, which it could
    empty.

    Attributes
    ----------
    end: the descriptor to print into.
    """

    def __init__(self) -> None:
        self._ours, self.end = os.pipe()
        self._thread = threading.Thread(target=self._pass_on, name="output of a cell", daemon=True)

    def relay(self) -> None:
        """Begin to pass on; the printing process has its end by now."""
        os.close(self.end)
        self._thread.start()

    def close(self) -> None:
        """Wait until all is passed on. The printing process has ended; what it may have started is not waited for."""
        self._thread.join(timeout=2)

    def _pass_on(self) -> None:
        left = MOST_PRINTED
        with open(self._ours, "rb", buffering=0) as pipe:
            while piece := pipe.read(2**16):
                shown = plain(piece[:left].decode(errors="replace"), MOST_PRINTED)
                if 0 < left <= len(piece):
                    shown += "\n… what it prints more is left out\n"
                left = max(left - len(piece), 0)
                with contextlib.suppress(OSError):
                    os.write(2, shown.encode())
