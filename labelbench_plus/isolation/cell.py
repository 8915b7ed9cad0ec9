"""Strategies that choose in a process of their own, which never receives a hidden label.

A suite with `isolate: process` has every choice made here. It is no part of a run's identity: the same view and the
same random stream give the same choice, and the run's files are the same to the byte.

What is guaranteed, and what is not:

* Without isolation, against honest mistakes: views hold private copies of what was declared; no attribute, closure or
  container of theirs leads to the oracle (`check_problem` tests that), and writing to them changes nobody else's data.
  Not against malice: a strategy runs in the process that holds the labels, and Python hides nothing from code that
  wants to see (stack frames, the garbage collector, files).
* With it, also against malice in memory: the child is a new interpreter that is sent the strategy's description, the
  public attributes of the view, and, when it asks, the tensors it declared. What comes back is numbers and text, which
  the parent reads without unpickling: the answer cannot run code there.
* Where the kernel has Landlock (Linux ≥ 5.13), the child besides can read only Python's own files, the installed
  packages and the plugin's file: no run directory, no cache, no data set on disk, no other process's memory; it can
  write only to a scratch folder, start no program and, from Linux 6.7 on, open no TCP connection. `Cell.confinement`
  says what holds.
* Never guaranteed: that a strategy does not know the data. Data sets that come inside installed packages
  (scikit-learn's digits) stay readable, and a published data set's labels can be shipped in a plugin. Against that
  only data that the author has never seen help.
"""

from __future__ import annotations

import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from labelbench_plus import questions
from labelbench_plus.contracts.capabilities import HIDDEN
from labelbench_plus.isolation.wire import receive
from labelbench_plus.oracle import QueryError
from labelbench_plus.plugins import describe
from labelbench_plus.view import CapabilityError, View

if TYPE_CHECKING:
    from numpy.random import Generator

    from labelbench_plus.contracts.strategies import Strategy

PASSED_ON = ("PATH", "LANG", "LC_ALL", "PYTHONHASHSEED", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
GATE = {"_needs", "_providers", "_computed"}  # what every view keeps for itself
START = "from labelbench_plus.isolation.child import main; main({descriptor})"


class IsolationError(Exception):
    """A strategy cannot choose in a process of its own, or did not survive it. The message says why."""


class Cell:
    """A child process in which strategies choose. It starts at the first choice and lasts until the `with` ends.

    Parameters
    ----------
    plugin_files: given with `--plugin`; loaded in the child.
    hidden: folders that the child must not read even where packages lie above them (runs, caches).
    read_first: have the child read all that the strategy declared before it measures what choosing takes.

    Attributes
    ----------
    confinement: what the child may not do beyond having memory of its own, once it runs.
    """

    def __init__(
        self, plugin_files: Sequence[Path] = (), hidden: Sequence[Path] = (), *, read_first: bool = False
    ) -> None:
        self._read_first = read_first
        self._files, self._hidden = tuple(plugin_files), tuple(hidden)
        self._process: subprocess.Popen[bytes] | None = None
        self.confinement = "not started"

    def __enter__(self) -> Cell:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def select(self, strategy: Strategy, view: View, n: int, rng: Generator) -> Any:
        """Have the child choose; the same as `steps.select_here(strategy, view, n, rng)`, but that `rng` is not moved.

        The view gets notes of the seconds and the memory that choosing took in the child, what it waited for the
        view's tensors included.

        Raises
        ------
        QueryError, CapabilityError
            As in this process.
        IsolationError
            The view cannot be sent, the strategy raised something else, or the child died.
        """
        kind = questions.of(strategy.query)
        if kind.not_isolated:
            raise IsolationError(
                f"strategies that ask for {kind.name!r} cannot be isolated; leave out `isolate`: {kind.not_isolated}"
            )
        if told := sorted(strategy.needs & HIDDEN):
            raise IsolationError(
                f"strategy {strategy.name!r} is told {', '.join(told)} and cannot be isolated; leave out `isolate`"
            )
        state = {name: value for name, value in vars(view).items() if name not in GATE}
        if kept := sorted(name for name in state if name.startswith("_")):
            raise IsolationError(
                f"a {type(view).__name__} that keeps {', '.join(kept)} for itself cannot be sent to another process; "
                "leave out `isolate`"
            )
        question = {
            "strategy": describe(strategy),
            "view": f"{type(view).__module__}:{type(view).__qualname__}",
            "state": {name: _private_copy(value) for name, value in state.items() if name != "notes"},
            "needs": view._needs,
            "offers": {name: capability for name, (capability, _) in view._providers.items()},
            "watched": [name for name in view._computed if name in state],
            "n": n,
            "read_first": self._read_first,
            "rng": rng.bit_generator.state,
        }
        try:
            self.start()
            self._connection.send_bytes(pickle.dumps(question))
            said = self._answer(view)
        except (EOFError, OSError) as error:
            assert self._process is not None
            code = self._process.wait(timeout=30)
            raise IsolationError(f"the process it ran in died (exit code {code})") from error
        return kind.from_wire(said, rng)

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            self._connection.close()  # it ends when it hears nothing any more
            try:
                self._process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._process = None

    def kill(self) -> None:
        """End the child at once, whatever it does. For somebody who waits no longer."""
        if self._process is not None:
            self._process.kill()

    def start(self) -> None:
        """Start the child now rather than at the first choice, so that the start is not booked as choosing."""
        if self._process is not None:
            return
        import torch

        self._scratch = tempfile.mkdtemp(prefix="lbp-cell-")
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        path = [str(Path(entry).resolve()) for entry in sys.path if entry]
        threads = str(torch.get_num_threads())
        environment |= {"PYTHONPATH": os.pathsep.join(path), "TMPDIR": self._scratch, "OMP_NUM_THREADS": threads}
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START.format(descriptor=theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd=self._scratch,
                pass_fds=[theirs.fileno()],
            )
        self._connection = Connection(ours.detach())
        setup = {
            "files": [str(file.resolve()) for file in self._files],
            "hidden": [str(folder.resolve()) for folder in self._hidden],
            "scratch": self._scratch,
            "threads": torch.get_num_threads(),
        }
        self._connection.send_bytes(pickle.dumps(setup))
        self.confinement = str(receive(self._connection)["confinement"])

    def _answer(self, view: View) -> dict[str, Any]:
        """The fields of the query, once the child has read what it wants to read."""
        while True:
            said = receive(self._connection)
            if "read" in said:
                self._connection.send_bytes(pickle.dumps(self._read(view, str(said["read"]))))
                continue
            if "error" in said:
                kind, what = str(said["error"]), str(said["message"])
                raise {"QueryError": QueryError, "CapabilityError": CapabilityError}.get(kind, IsolationError)(what)
            for name, value in said.pop("notes").items():
                view.note(str(name), float(value))
            return said

    def _read(self, view: View, attribute: str) -> tuple[str, Any]:
        try:
            return "value", _private_copy(view._read(attribute))
        except CapabilityError as error:
            return "refused", str(error)


def _private_copy(value: Any) -> Any:
    """A tensor or array apart from what it was cut from: pickling a slice would send the whole along."""
    if hasattr(value, "untyped_storage"):
        return value.detach().clone()
    return value.copy() if hasattr(value, "dtype") and hasattr(value, "copy") else value
