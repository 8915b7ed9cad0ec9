"""How the process begins in which third-party code runs: it confines itself, and only then loads anything.

Run as `python -c "from labelbench_plus.isolation.start import main; main(DESCRIPTOR)"`.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import json
import os
import sys
from pathlib import Path

from labelbench_plus.isolation.confine import code_places, confine
from labelbench_plus.isolation.wire import Wire

SIGNAL_WHEN_PARENT_DIES, KILL = 1, 9


def main(descriptor: int) -> None:
    """Confine this process as the other side says, tell it what holds, and answer its questions."""
    wire = Wire(descriptor)
    try:
        setup = json.loads(wire.receive_bytes())
    except EOFError:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SIGNAL_WHEN_PARENT_DIES, KILL, 0, 0, 0)
    if os.getppid() != setup["parent"]:
        return
    # Every entry of the path is listed once, and remembered: later that may not be allowed.
    importlib.util.find_spec("_no_such_module")
    list(importlib.metadata.distributions(name="_no_such_package"))
    path = [entry for entry in sys.path if entry]
    files = [Path(file) for file in setup["files"]]
    readable = [*code_places(path, [Path(folder) for folder in setup["hidden"]]), *files]
    wire.send(held=confine(readable, Path(setup["scratch"]), setup["device"]))
    from labelbench_plus.isolation.child import answer

    answer(wire, files, setup["threads"])
