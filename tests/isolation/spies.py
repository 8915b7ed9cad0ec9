"""Strategies that look for what they were not given. Each answers [1] if it found a way, else [0]."""

import gc
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from labelbench_plus.strategies import PoolStrategy, strategies


def an_oracle(things):
    return any(type(thing).__name__ == "PoolOracle" for thing in things)


def from_frames():
    frame, seen = sys._getframe(), []
    while frame is not None:
        seen += [*frame.f_locals.values()]
        seen += [getattr(value, "oracle", None) for value in frame.f_locals.values()]
        frame = frame.f_back
    return an_oracle(seen)


def from_parent():
    with open(f"/proc/{os.getppid()}/mem", "rb") as memory:
        return memory is not None


def from_connection():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
    return True


@strategies.register("spy")
@dataclass(frozen=True)
class Spy(PoolStrategy):
    """Tries one route."""

    needs = frozenset({"features"})

    route: str
    path: str = ""

    def select(self, view, n, rng):
        tries = {
            "objects": lambda: an_oracle(gc.get_objects()),
            "frames": from_frames,
            "environment": lambda: "LBP_CACHE" in os.environ or "HOME" in os.environ,
            "file": lambda: bool(Path(self.path).read_bytes()),
            "parent": from_parent,
            "start": lambda: subprocess.run(["/bin/true"], check=True) is not None,
            "connect": from_connection,
            "signal": lambda: os.kill(os.getppid(), signal.SIGCONT) is None,
        }
        try:
            return torch.tensor([int(tries[self.route]())])
        except OSError:
            return torch.tensor([0])


@strategies.register("spy_notes")
@dataclass(frozen=True)
class Notes(PoolStrategy):
    """Notes a number."""

    def select(self, view, n, rng):
        view.note("gap", 0.25)
        return view.candidates[:n]


@strategies.register("spy_undeclared")
@dataclass(frozen=True)
class Undeclared(PoolStrategy):
    """Reads what it did not declare."""

    def select(self, view, n, rng):
        return view.candidates[view.probabilities[:, 0].topk(n).indices]


@strategies.register("spy_writes")
@dataclass(frozen=True)
class Writes(PoolStrategy):
    """Writes to its view."""

    def select(self, view, n, rng):
        view.candidates.add_(1)
        return view.candidates[:n]


@strategies.register("spy_returns")
@dataclass(frozen=True)
class Returns(PoolStrategy):
    """Returns no query."""

    what: Literal["none", "error", "exit"]

    def select(self, view, n, rng):
        if self.what == "exit":
            os._exit(3)
        return 1 / 0 if self.what == "error" else None
