"""A function of this package in a process of its own, which is ended when it takes more time or memory than it may.

What strangers send in is read and built there. The process runs no code but what is installed here: it is no sandbox.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

START = "from labelbench_plus.limited import main; main()"
STARTING_SECONDS = 120.0
LONGEST_FILE = 2**30
READY, VALUE, RAISED, OUT_OF_MEMORY, END = "ready", "value", "raised", "memory", "end"

Send = Callable[[Any], None]


@dataclass(frozen=True)
class Limits:
    """What a function may take once its modules are imported: seconds on the clock, and megabytes beyond the imports
    (of private memory; only Linux counts it)."""

    seconds: float = 6.0
    megabytes: int = 200


class Exceeded(Exception):
    """It took more than it may. The message says of what."""


class Died(Exception):
    """The process ended, or the function raised something. The message says what it last said."""


def carry_out(function: str, argument: Any, limits: Limits) -> Iterator[Any]:
    """What `function(argument, send)` sends, each as soon as it is sent.

    Parameters
    ----------
    function: "module:name" in this package.
    argument: anything that JSON holds, like what is sent.

    Raises
    ------
    Exceeded, Died
    """
    request = {"function": function, "argument": argument, "seconds": limits.seconds, "megabytes": limits.megabytes}
    home = str(Path(__file__).parents[1])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as asked:
        asked.write(json.dumps(request).encode())
        asked.seek(0)
        # -P: where this is called is often where the stranger's files are, and nothing is imported from there.
        command = [sys.executable, "-P", "-c", START]
        process = subprocess.Popen(command, stdin=asked, stdout=subprocess.PIPE, stderr=said, env=environment)
        try:
            yield from _listen(process, limits, said)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _listen(process: subprocess.Popen[bytes], limits: Limits, said: IO[bytes]) -> Iterator[Any]:
    assert process.stdout is not None
    deadline, started, rest = time.monotonic() + STARTING_SECONDS, False, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise Exceeded(f"{limits.seconds:g} s") if started else Died("its process did not start")
            if not (read := os.read(process.stdout.fileno(), 2**16)):
                break
            *lines, rest = (rest + read).split(b"\n")
            for kind, value in map(json.loads, lines):
                if kind == READY:
                    deadline, started = time.monotonic() + limits.seconds, True
                elif kind == VALUE:
                    yield value
                elif kind == OUT_OF_MEMORY:
                    raise Exceeded(f"{limits.megabytes} MB")
                elif kind == RAISED:
                    raise Died(value)
                else:
                    return
    said.seek(max(0, said.seek(0, os.SEEK_END) - 500))
    last = said.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
    raise Died(f"its process ended with {process.wait()}" + (f": {last}" if last else ""))


def main() -> None:
    """What the process runs: one request from standard input, answers as lines of JSON on standard output."""
    request = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def tell(kind: str, value: Any = None) -> None:
        answers.write(f"{json.dumps([kind, value])}\n")
        answers.flush()

    module, _, name = request["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    _limit(request["seconds"], request["megabytes"])
    tell(READY)
    try:
        function(request["argument"], lambda value: tell(VALUE, value))
    except Exception as error:  # whatever it is, it has to be said on the other side
        tell(*((OUT_OF_MEMORY,) if out_of_memory(error) else (RAISED, f"{type(error).__name__}: {error}")))
    else:
        tell(END)


def out_of_memory(error: BaseException) -> bool:
    """Whether something was raised for want of memory. torch has no error of its own for it."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error))


def _limit(seconds: float, megabytes: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LONGEST_FILE, LONGEST_FILE))
    # The clock is the parent's; this is for a parent that is no more.
    processor = math.ceil(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (processor, processor + 1))
    if (status := Path("/proc/self/status")).exists():
        used = re.search(r"^VmData:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        assert used is not None
        most = int(used[1]) * 1024 + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
