"""Python processes that need not load torch again: forks of one that has, in the place of new ones.

Loading torch, scipy and scikit-learn takes two seconds of CPU, and the tests start hundreds of processes. Under the
fixture `warm_starts` (tests/conftest.py) those that this process starts, by `subprocess` or by `multiprocessing`, are
forked from one that has loaded them. What is started is none the wiser: it is this process's child, with the command,
folder, environment, path and open files that were asked for; its `sys.modules` has what a new process's has, and
`import torch` puts into it what has been loaded before. This package is never loaded beforehand: it is read anew.

What differs: the seed of hashes is the same for all that one process starts, `/proc` shows another command, and a
submodule that was loaded beforehand can be read from its package without being imported. Each kind of process is
therefore started as a user would start it in some test too; and so is whatever is asked for here in a way that is not
understood.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.machinery
import io
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import threading
import time
import types
from pathlib import Path
from typing import Any

# In this order, so that what is small does not bring what is large.
LOADED = (
    *("typing_extensions", "pydantic", "yaml", "click", "rich.console", "rich.table", "typer", "psutil"),
    *("packaging.version", "numpy", "numpy.random", "threadpoolctl", "joblib"),
    *("scipy.sparse", "scipy.special", "scipy.optimize", "scipy.stats", "scipy.spatial", "scipy.ndimage"),
    *("sklearn.base", "sklearn.datasets", "sklearn.linear_model", "sklearn.metrics"),
    *("sympy", "torch", "torch.nn.functional"),
)
OURS = "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"  # heeded here
READ_AT_START = "PYTHON", "OMP_", "MKL_", "OPENBLAS_NUM", "LD_", "MALLOC_", "CUDA_", "LANG", "LC_"  # otherwise
COERCED = "LC_CTYPE", "C.UTF-8"  # which Python sets itself where no locale is set
LONGEST = 100_000
BECOMES_PARENT = 36  # PR_SET_CHILD_SUBREAPER


class Starter:
    """Starts processes in the place of `_posixsubprocess.fork_exec`, which `fork_exec` is."""

    def __init__(self, fork_exec: Any) -> None:
        self._fork_exec, self._lock, self._pid = fork_exec, threading.Lock(), os.getpid()
        self._server: socket.socket | None = None
        self._environment = _of_start(dict(os.environ))
        self.started = 0

    def __call__(self, *given: Any) -> int:
        request, descriptors = self._request(*given)
        if request is None or os.getpid() != self._pid:  # a fork's children would be ours
            return int(self._fork_exec(*given))
        with self._lock:
            if self._server is None:
                self._server = self._serve()
            _adopt(True)
            try:
                socket.send_fds(self._server, [json.dumps(request).encode()], descriptors)
                self.started += 1
                return int(self._server.recv(100))
            finally:
                _adopt(False)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            os.waitpid(self._process, 0)

    def _serve(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        command = [sys.executable, "-P", __file__, str(theirs.fileno())]
        read, write = os.pipe()
        files = [-1, -1, -1, -1, -1, -1, read, write]
        settings = [environment_list(environment), *files, True, False, -1, None, None, None, -1, None, False]
        with theirs:
            self._process = self._fork_exec(
                [os.fsencode(part) for part in command],
                (os.fsencode(sys.executable),),
                True,
                tuple(sorted((theirs.fileno(), write))),
                None,
                *settings,
            )
        os.close(write)
        os.close(read)
        return ours

    def _request(
        self,
        arguments: Any,
        executables: Any,
        close: bool,
        passed: tuple[int, ...],
        folder: Any,
        environment: Any,
        *given: Any,
    ) -> tuple[dict[str, Any] | None, list[int]]:
        """What the server is asked for, and the files that go with it; no request where it cannot be done."""
        files, (_, report) = given[:6], given[6:8]
        session, group, *identity = given[9:14]
        command = [os.fsdecode(part) for part in arguments]
        if environment is None:
            wanted = dict(os.environ)
        else:
            wanted = dict(os.fsdecode(entry).split("=", 1) for entry in environment)
        if (
            not close
            or command[0] != sys.executable
            or given[14] not in (None, -1)  # umask; and what is called before the start
            or given[15] is not None
            or identity != [None, None, None]
            or group != -1
            or _of_start(wanted) != self._environment
            or any(
                (Path(entry) / f"{name}customize.py").exists()
                for entry in wanted.get("PYTHONPATH", "").split(os.pathsep)
                for name in ("site", "user")
            )
            or (asked := _asked(command[1:])) is None
        ):
            return None, []
        ends = {0: files[0], 1: files[3], 2: files[5]}
        at = {name: number if number >= 0 else name for name, number in ends.items()}
        at |= {number: number for number in passed if number != report}
        request = {
            **asked,
            "parent": os.getpid(),
            "at": list(at),
            "folder": os.fsdecode(folder) if folder is not None else os.getcwd(),
            "environment": wanted,
            "session": bool(session),
            "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        }
        return (request, list(at.values())) if len(json.dumps(request)) < LONGEST else (None, [])


def environment_list(environment: dict[str, str]) -> list[bytes]:
    return [os.fsencode(f"{name}={value}") for name, value in environment.items()]


def _of_start(environment: dict[str, str]) -> dict[str, str]:
    """What is read of an environment when Python or a library starts."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(READ_AT_START) and name not in OURS and (name, value) != COERCED
    }


def _asked(words: list[str]) -> dict[str, Any] | None:
    """A command of Python's, taken apart; None for what is not understood."""
    flags = set()
    while words and words[0] in ("-B", "-P", "-u"):
        flags.add(words.pop(0))
    if len(words) > 1 and words[0] in ("-c", "-m"):
        kind, what, *rest = words
        if what.startswith("from multiprocessing.resource_tracker"):
            return None  # it loads nothing
    elif words and not words[0].startswith("-"):
        kind, what, *rest = "", *words
    else:
        return None
    return {"kind": kind, "what": what, "arguments": rest, "flags": sorted(flags)}


def _adopt(children: bool) -> None:
    """Whether a process whose parent ends becomes this one's child, if it comes from here."""
    ctypes.CDLL(None).prctl(BECOMES_PARENT, int(children), 0, 0, 0)


class Thawing:
    """Finds what was loaded before the fork, and puts it into `sys.modules`, with what came with it."""

    def __init__(self, bundles: dict[str, dict[str, types.ModuleType]]) -> None:
        self._bundles = bundles
        self._where = {name: key for key, modules in bundles.items() for name in modules}
        for name in self._where:
            sys.modules.pop(name, None)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self) if name in self._where else None  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = self._bundles[self._where[spec.name]][spec.name]
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        ours = module.__spec__
        assert ours is not None
        module.__spec__ = ours.loader_state
        key, top = self._where[ours.name], ours.name.partition(".")[0]
        for each, other in self._bundles[key].items():
            if top in (key.partition(".")[0], each.partition(".")[0]):
                sys.modules.setdefault(each, other)


def _load() -> dict[str, dict[str, types.ModuleType]]:
    """Import everything: the modules that came with each."""
    bundles: dict[str, dict[str, types.ModuleType]] = {}
    for name in LOADED:
        before = set(sys.modules)
        importlib.import_module(name)
        bundles[name] = {each: module for each, module in sys.modules.items() if each not in before}
    return bundles


def _serve(server: socket.socket) -> dict[str, Any]:
    """Fork for each request; in the fork, return it."""
    while True:
        message, received, _, _ = socket.recv_fds(server, 2 * LONGEST, 64)
        if not message:
            raise SystemExit
        read, write = os.pipe()
        between = os.fork()
        if not between:
            pid = os.fork()
            if pid:
                os.write(write, str(pid).encode())
                os._exit(0)
            request: dict[str, Any] = json.loads(message)
            while os.getppid() != request["parent"]:  # once the process between has ended
                time.sleep(0.0002)
            server.detach()  # or the object would close whatever has its number next
            _open(request["at"], received)
            return request
        os.waitpid(between, 0)
        server.send(os.read(read, 100))
        for each in (read, write, *received):
            os.close(each)


def _open(numbers: list[int], received: list[int]) -> None:
    """Have the received files open under these numbers, and no others."""
    import fcntl

    high = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 800) for each in received]
    os.closerange(0, 800)
    for number, each in zip(numbers, high, strict=True):
        os.dup2(each, number)
        os.close(each)


def _become(request: dict[str, Any], path: list[str]) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, request["blocked"])  # not what was blocked when the first one started
    if request["session"]:
        os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if not os.environ.keys() & {"LC_ALL", "LC_CTYPE", "LANG"}:
        os.environ.update([COERCED])
    kind, what = request["kind"], request["what"]
    first = {"-c": "", "-m": os.getcwd(), "": str(Path(what).parent)}[kind]
    named = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [*([] if "-P" in request["flags"] else [first]), *named, *path]
    sys.path_importer_cache.clear()
    sys.argv = [kind or what, *request["arguments"]]
    sys.orig_argv = [sys.executable, *([kind] if kind else []), what, *request["arguments"]]
    sys.dont_write_bytecode = "-B" in request["flags"] or bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    if "-u" in request["flags"] or os.environ.get("PYTHONUNBUFFERED"):
        sys.stdout, sys.stderr = _unbuffered(sys.stdout), _unbuffered(sys.stderr)
    tempfile.tempdir = None
    sys.modules["numpy"].random.seed()  # drawn from the system at every start


def _unbuffered(stream: Any) -> io.TextIOWrapper:
    raw = open(stream.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115 it lasts as long as the process
    return io.TextIOWrapper(raw, stream.encoding, stream.errors, newline="\n", write_through=True)  # type: ignore


def _run(request: dict[str, Any]) -> None:
    kind, what = request["kind"], request["what"]
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    if kind == "-m":
        runpy._run_module_as_main(what)  # type: ignore[attr-defined] what Python calls
    elif kind == "-c":
        exec(compile(what, "<string>", "exec"), module.__dict__)
    else:
        module.__file__ = what
        exec(compile(Path(what).read_bytes(), what, "exec"), module.__dict__)


def main() -> None:
    path = list(sys.path)
    bundles = _load()
    gc.collect()
    gc.freeze()
    request = _serve(socket.socket(fileno=int(sys.argv[1])))
    _become(request, path)
    sys.meta_path.insert(0, Thawing(bundles))  # type: ignore[arg-type]
    _run(request)


if __name__ == "__main__":
    main()
