"""Strategies in a separate process, which never receives a hidden label.

A suite with `isolate: process` has every choice made here, and what a third-party strategy *is* (its description, what
it needs) is found out here too: where the labels are, none of its code is imported. It is no part of a run's identity:
the same view and the same random stream give the same choice, and the run's files are the same to the byte.

What is guaranteed, by what, and what is not:

* Without isolation, against honest mistakes: views hold private copies of what was declared; no attribute, closure or
  container of theirs leads to the oracle (`check_problem` tests that), and writing to them changes nobody else's data.
  Not against malice: a strategy runs in the process that holds the labels, and Python hides nothing from code that
  wants to see (stack frames, the garbage collector, files).
* With it, also against malice. The child is a new interpreter that is sent the strategy's description, the public
  attributes of the view, and, when it asks, the tensors it declared. What comes back is numbers and text of bounded
  size, depth, number and time, which are read without unpickling (`wire`). A built-in strategy never chooses in a child
  in which third-party code ran.
* Before it loads anything, the child gives up what it does not need (`confine`). Landlock (Linux ≥ 5.13) leaves it the
  reading of installed code and of the plugin's file, and the writing of a scratch folder: no run, no cache, no data on
  disk, no /dev/shm, no other process's memory. seccomp leaves it a list of system calls in which there is no socket, no
  new process or program, no shared memory or queue by name, no tracing, no signal to anybody else (`calls`). It has no
  privilege, no terminal, and goes when its parent does. Under `isolate: process` it does not start without both.
* Not covered: what runs beside the labels, which is everything but strategies (trainers, encoders, networks, metrics,
  conditions, data sets, problems), whoever wrote it; what an installed package does when Python starts (`.pth` files);
  how much memory and CPU time is used up within the time limit; the names, sizes and times of files, which can be asked
  for by path; what a kernel's or a GPU driver's fault gives away; and, on a GPU, whatever its driver's calls allow.
* Never guaranteed: that a strategy does not know the data. Data sets that come inside installed packages
  (scikit-learn's digits) stay readable, and a published data set's labels can be shipped in a plugin. Against that
  only data that the author has never seen help.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from labelbench_plus import questions
from labelbench_plus.contracts.capabilities import HIDDEN
from labelbench_plus.isolation.output import Output, plain
from labelbench_plus.isolation.reported import Reported, check_kind, foreign
from labelbench_plus.isolation.wire import Malformed, Wire
from labelbench_plus.oracle import QueryError
from labelbench_plus.plugins import Plugin, PluginError, describe, is_built_in, registry
from labelbench_plus.suite import Isolation
from labelbench_plus.view import CapabilityError, View

if TYPE_CHECKING:
    from numpy.random import Generator

    from labelbench_plus.contracts.strategies import Strategy

PASSED_ON = ("PATH", "LANG", "LC_ALL", "PYTHONHASHSEED", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
GATE = {"_needs", "_providers", "_computed"}  # what every view keeps for itself
START = "from labelbench_plus.isolation.start import main; main({descriptor})"
START_SECONDS = 300.0  # a file server may be slow
MOST_NOTES, NOTE = 100, re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
MOST_BYTES, BYTES_A_UNIT = 2**30, 64  # of an answer: room for wrong ones, which are distinguished by what they are
ERRORS = {"QueryError": QueryError, "CapabilityError": CapabilityError, "PluginError": PluginError}


class IsolationError(Exception):
    """A strategy cannot choose in a separate process, or died there. The message says why."""


class Cell:
    """A child process in which strategies are described and choose. It lasts until the `with` ends.

    Parameters
    ----------
    plugin_files: given with `--plugin`; loaded in the child, when it is first asked about a third-party strategy.
    hidden: folders that the child must not read even where packages lie above them (runs, caches).
    terms: how far it must be confined, and how long it may take to answer.
    device: "cuda" leaves the child the GPU.
    read_first: have the child read all that the strategy declared before it measures what choosing takes.

    Attributes
    ----------
    held: what confines the child, once it runs: `landlock`, its version or 0, `seccomp`, and what is `missing`.
    """

    def __init__(
        self,
        plugin_files: Sequence[Path] = (),
        hidden: Sequence[Path] = (),
        terms: Isolation | None = None,
        *,
        device: str = "cpu",
        read_first: bool = False,
    ) -> None:
        self._files, self._hidden, self._device = tuple(plugin_files), tuple(hidden), device
        self._terms = terms or Isolation(kind="best_effort")
        self._read_first = read_first
        self._process: subprocess.Popen[bytes] | None = None
        self._strange = False  # whether third-party code ran in the child
        self.held: dict[str, Any] = {}

    def __enter__(self) -> Cell:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def foreign(self, kind: str, name: str) -> bool:
        """Whether a plugin's code may not run in this process; see `plugins.Strangers`."""
        return foreign(kind, name)

    def report(self, kind: str, value: Mapping[str, Any]) -> Plugin:
        """The child's description of a third-party strategy.

        Raises
        ------
        PydanticCustomError, pydantic.ValidationError
            As `Registry.build`; also where the child says what is no report.
        PluginError
            A plugin file cannot be loaded.
        IsolationError
            The child cannot be confined as far as it must be.
        """
        name = value["name"]
        check_kind(kind, name, self._files)
        entry = registry(kind).entries().get(name)
        installed = entry is not None and not entry.origin.startswith("local ")
        origin = re.escape(entry.origin) if entry is not None and installed else _local(self._files)
        self.start()
        try:
            said = self._asked({"describe": dict(value)}, strange=True)
            if said.keys() == {"faults"}:
                _raise_faults(name, said["faults"])
            return Reported.of(said, name, origin)
        except Malformed as error:
            self.close()
            raise _fault(f"strategy {name!r} cannot be described: its process sent {error}") from error
        except (QueryError, CapabilityError, IsolationError) as error:
            raise _fault(f"strategy {name!r} cannot be described: {error}") from error

    def select(self, strategy: Strategy, view: View, n: int, rng: Generator) -> Any:
        """Let the child choose. The view gets the strategy's notes, as if it had chosen here.

        Besides, the view gets notes of the seconds and the memory that choosing took in the child, what it waited for
        the view's tensors included.

        Raises
        ------
        QueryError, CapabilityError
            As in this process; a QueryError too where the answer is none, or does not come in time.
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
                f"strategy {strategy.name!r} is told {', '.join(told)} and cannot be isolated; remove `isolate`"
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
        longest = min(MOST_BYTES, 2**20 + BYTES_A_UNIT * n)
        try:
            said = self._asked(question, strange=not is_built_in(strategy), view=view, longest=longest)
            notes = _notes(said.pop("notes", None))
        except Malformed as error:
            self.close()
            raise QueryError(f"expected an answer, but its process sent {error}") from error
        try:
            chosen = kind.from_wire(said, rng)
        except QueryError:
            self.close()
            raise
        for name, value in notes.items():
            view.note(name, value)
        return chosen

    def start(self) -> None:
        """Start the child now rather than at the first choice, so that the start does not count as selection time.

        Raises
        ------
        IsolationError
            It cannot be confined as far as it must be.
        """
        if self._process is not None:
            return
        torch = sys.modules.get("torch")  # where it is not loaded, nothing is chosen either
        threads = torch.get_num_threads() if torch is not None else 1
        self._scratch = tempfile.mkdtemp(prefix="lbp-cell-")
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        path = [str(Path(entry).resolve()) for entry in sys.path if entry]
        environment |= {"PYTHONPATH": os.pathsep.join(path), "TMPDIR": self._scratch, "OMP_NUM_THREADS": str(threads)}
        ours, theirs = socket.socketpair()
        self._output = Output()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-u", "-c", START.format(descriptor=theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self._output.end,
                stderr=self._output.end,
                env=environment,
                cwd=self._scratch,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # it shares no terminal with anybody
            )
        self._output.relay()
        self._wire, self._strange = Wire(ours.detach()), False
        setup = {
            "parent": os.getpid(),
            "files": [str(file.resolve()) for file in self._files],
            "hidden": [str(folder.resolve()) for folder in self._hidden],
            "scratch": self._scratch,
            "device": self._device,
            "threads": threads,
        }
        self._wire.left = START_SECONDS
        try:
            self._wire.send_bytes(json.dumps(setup).encode())
            self.held = self._wire.receive()["held"]
        except (EOFError, OSError, Malformed) as error:
            raise self._dead() from error
        if self._terms.kind == "process" and self.held["missing"]:
            self.close()
            raise IsolationError(
                f"isolate: process needs Landlock (Linux 5.13 or later) and seccomp, but {self.held['missing']}; run "
                "it on another machine, or write `isolate: best_effort`, under which results say what was missing"
            )

    def close(self) -> None:
        """End the child at once. The next question starts another one."""
        if self._process is None:
            return
        self._process.kill()  # it has nothing to put in order, and is not asked
        self._process.wait()
        self._wire.close()
        self._output.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._process = None

    def kill(self) -> None:
        """End the child at once, whatever it is doing."""
        if self._process is not None:
            self._process.kill()

    def _asked(
        self, question: dict[str, Any], *, strange: bool, view: View | None = None, longest: int = 2**20
    ) -> dict[str, Any]:
        """The child's answer, once it has read of the view what it wants to read. A child that fails is ended."""
        if self._process is not None and (self._process.poll() is not None or (self._strange and not strange)):
            self.close()
        self.start()
        self._strange = self._strange or strange
        self._wire.left = self._terms.seconds
        unread = set(view._providers) if view is not None else set()
        if self._wire.has_more():
            raise Malformed("more than it was asked for")
        self._say({**question, "strange": strange})
        while True:
            said = self._heard(longest)
            if said.keys() == {"read"} and view is not None:
                if not isinstance(said["read"], str) or said["read"] not in unread:
                    raise Malformed("a request for something missing, or read before")
                unread.remove(said["read"])
                self._say(_read(view, said["read"]))
            elif said.keys() == {"error", "message"}:
                raise ERRORS.get(str(said["error"]), IsolationError)(plain(str(said["message"])))
            else:
                return said

    def _say(self, what: Any) -> None:
        content = pickle.dumps(what)
        with self._listening():
            self._wire.send_bytes(content)

    def _heard(self, longest: int) -> dict[str, Any]:
        with self._listening():
            return self._wire.receive(longest)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Tells a child that takes too long from one that is gone."""
        try:
            yield
        except TimeoutError as error:
            self.close()
            raise QueryError(
                f"expected an answer within {self._terms.seconds:g} s, and ended its process; "
                "`isolate: {kind: process, seconds: …}` gives it longer"
            ) from error
        except (EOFError, OSError) as error:
            raise self._dead() from error

    def _dead(self) -> IsolationError:
        """What became of a child that hung up."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        code = self._process.poll()
        self.close()
        how = f"died (exit code {code})" if code is not None else "hung up, and was ended"
        return IsolationError(f"the process it ran in {how}")


def _local(files: Sequence[Path]) -> str:
    """What the registry says of plugins of these files, as a pattern."""
    return rf"local \(({'|'.join(re.escape(file.name) for file in files)}):[\w.<>]{{1,200}}\), unversioned"


def _read(view: View, attribute: str) -> tuple[str, Any]:
    try:
        return "value", _private_copy(view._read(attribute))
    except CapabilityError as error:
        return "refused", str(error)


def _notes(said: Any) -> dict[str, float]:
    """The notes of a choice.

    Raises
    ------
    Malformed
        They are no finite numbers by name, or too many.
    """
    if not isinstance(said, dict) or len(said) > MOST_NOTES:
        raise Malformed(f"no notes, or more than {MOST_NOTES}")
    for name, value in said.items():
        if not NOTE.fullmatch(name):
            raise Malformed("a note without a proper name")
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > sys.float_info.max:
            raise Malformed("a note that is no finite number")
    return {name: float(value) for name, value in said.items()}


def _raise_faults(name: str, faults: Any) -> NoReturn:
    """Raise what the child found wrong with what a suite says of a strategy, at its place."""
    if not isinstance(faults, list) or not 0 < len(faults) <= 100:
        raise Malformed("no faults, or too many")
    found: list[InitErrorDetails] = []
    for fault in faults:
        if not isinstance(fault, list) or list(map(type, fault)) != [list, str]:
            raise Malformed("a fault without place and words")
        if not all(type(part) in (int, str) for part in fault[0]):
            raise Malformed("a fault without a place")
        place = tuple(plain(part) if isinstance(part, str) else part for part in fault[0])
        found.append(InitErrorDetails(type=_fault(plain(fault[1])), loc=place, input=None))
    if not found[0]["loc"]:
        raise _fault(plain(faults[0][1]))
    raise ValidationError.from_exception_data(name, found)


def _fault(what: str) -> PydanticCustomError:
    return PydanticCustomError("plugin", "{what}", {"what": what})


def _private_copy(value: Any) -> Any:
    """A tensor or array apart from what it was cut from: pickling a slice would send the whole along."""
    if hasattr(value, "untyped_storage"):
        return value.detach().clone()
    return value.copy() if hasattr(value, "dtype") and hasattr(value, "copy") else value
