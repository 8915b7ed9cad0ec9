"""A process gives up what it does not need before it loads anything: files, system calls, privileges.

Threads that are there already would keep what is given up. So this is done while there is one thread, before NumPy
and torch are imported, and checked by trying.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from labelbench_plus.isolation.calls import restrict_calls
from labelbench_plus.isolation.landlock import IOCTL, LIST, READ, SCRATCH, WRITE, restrict_files

LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/etc/ld.so.cache")
FACTS = (
    "/sys/devices/system",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    *(f"/proc/self/{name}" for name in ("auxv", "cgroup", "cmdline", "maps", "stat", "statm", "status", "task")),
)
WRITABLE = ("/dev/null", "/dev/zero", "/proc/self/clear_refs")
RANDOM = ("/dev/random", "/dev/urandom")
GPU = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-caps", "nvidia[0-9]*", "kfd", "dri")
GPU_FACTS = ("/proc/driver/nvidia", "/sys/bus/pci/devices", "/sys/class/kfd", "/sys/class/drm", "/sys/module/nvidia")
CODE = (".py", ".dist-info", ".egg-info")
MOST_FILES, LARGEST_FILE = 1024, 2**30
CAPABILITIES_3 = 0x20080522


def confine(readable: Iterable[Path], scratch: Path, device: str = "cpu") -> dict[str, Any]:
    """Restrict this process to reading some places, writing to one folder, and the calls of `calls`.

    Parameters
    ----------
    device: "cuda" leaves it the GPU's devices too.

    Returns
    -------
    What holds from now on: `landlock`, its version (0: files are open to it); `seccomp`, whether system calls are
    listed; `missing`, why what does not hold does not.
    """
    if sys.platform != "linux":
        return {"landlock": 0, "seccomp": False, "missing": f"{sys.platform} has neither Landlock nor seccomp"}
    if (threads := len(os.listdir("/proc/self/task"))) != 1:
        return {"landlock": 0, "seccomp": False, "missing": f"{threads} threads run already"}
    _limit()
    landlock, no_landlock = restrict_files(_places(readable, scratch, device))
    _drop_capabilities()
    no_seccomp = restrict_calls(device)
    if landlock and _opens("/etc/passwd"):
        landlock, no_landlock = 0, "Landlock says that it holds, and /etc/passwd can be opened"
    if not no_seccomp and _reaches_out():
        no_seccomp = "seccomp says that it holds, and a socket can be made"
    missing = "; ".join(filter(None, (no_landlock, no_seccomp)))
    return {"landlock": landlock, "seccomp": not no_seccomp, "missing": missing}


def _places(readable: Iterable[Path], scratch: Path, device: str) -> Iterator[tuple[Path, int]]:
    for place in {*readable, *map(Path, LIBRARIES), *map(Path, FACTS)}:
        yield place, READ | LIST
    for place in map(Path, RANDOM):
        yield place, READ
    for place in map(Path, WRITABLE):
        yield place, READ | WRITE
    yield scratch, SCRATCH
    if device != "cpu":
        for place in (each for pattern in GPU for each in Path("/dev").glob(pattern)):
            yield place, READ | WRITE | LIST | IOCTL
        for place in map(Path, GPU_FACTS):
            yield place, READ | LIST


def code_places(path: Sequence[str], hidden: Sequence[Path]) -> list[Path]:
    """The code that such a process may read: what is installed, and packages and modules on the path.

    Of an entry of the path that is no place of installed packages (a checkout, the folder of a script) only what can
    be imported is meant: data may lie beside it. A place above one of `hidden` is none.
    """
    installed = [root / name for root in map(Path, (sys.prefix, sys.base_prefix)) for name in ("lib", "lib64")]
    found = [*installed, Path(sys.prefix) / "pyvenv.cfg", Path(__file__).parents[1]]
    found += [Path(entry) for entry in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if entry]
    for entry in map(Path, path):
        if entry.name in ("site-packages", "dist-packages") or entry.is_file():
            found.append(entry)
        elif entry.is_dir() and not any(entry.is_relative_to(place) for place in installed):
            found += [part for part in entry.iterdir() if part.suffix in CODE or (part / "__init__.py").is_file()]
    return [place for place in found if not any(folder.is_relative_to(place.resolve()) for folder in hidden)]


def _limit() -> None:
    import resource

    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_NOFILE, MOST_FILES),
    ):
        _, hard = resource.getrlimit(what)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (value, value))


def _drop_capabilities() -> None:
    """Whoever is root is root without privileges."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_3, 0)
    libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))


def _opens(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY))
    except PermissionError:
        return False
    except OSError:
        return os.path.exists(path)
    return True


def _reaches_out() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except PermissionError:
        return False
    except OSError:
        return True
    return True
