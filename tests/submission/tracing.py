"""What a process and its children open, run, start and connect to, seen by an audit hook that Python loads at start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HOOK = """
import json, os, sys

_file = os.open(os.environ["LBP_TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_seen = set()
_starts = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.system", "pty.spawn")
_net = ("connect", "bind", "sendto", "sendmsg", "getaddrinfo", "gethostbyname")


def _hook(event, args):
    if event == "open":
        what = args[0]
    elif event in ("os.listdir", "os.scandir"):
        event, what = "open", args[0]
    elif event == "exec":
        what = getattr(args[0], "co_filename", "")
    elif event in _starts or event.removeprefix("socket.") in _net:
        what = args[0] if event == "subprocess.Popen" else args
    else:
        return
    line = json.dumps([event, str(what)])
    if line not in _seen:
        _seen.add(line)
        os.write(_file, line.encode() + b"\\n")


sys.addaudithook(_hook)
"""


def traced(
    arguments: list[str], folder: Path, cwd: Path | None = None
) -> tuple[subprocess.CompletedProcess[str], list[tuple[str, str]]]:
    """Run `lbp` in `cwd`: what came of it, and each (event, what) once a process. `folder` takes the hook's files."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(HOOK)
    trace = folder / "trace"
    trace.unlink(missing_ok=True)
    home = str(Path(__file__).parents[2])
    environment = {**os.environ, "LBP_TRACE": str(trace), "PYTHONPATH": os.pathsep.join((str(site), home))}
    command = [sys.executable, "-P", "-c", "from labelbench_plus.cli import main; main()", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300, cwd=cwd)
    return done, [tuple(json.loads(line)) for line in trace.read_text().splitlines()]


def opened(events: list[tuple[str, str]]) -> Iterator[Path]:
    """Files and folders that were opened, by their paths."""
    for event, what in events:
        if event == "open" and not what.isdecimal():
            yield Path(what)


def started(events: list[tuple[str, str]]) -> list[str]:
    return [what for event, what in events if event not in ("open", "exec") and not event.startswith("socket.")]


def connected(events: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(event, what) for event, what in events if event.startswith("socket.")]
