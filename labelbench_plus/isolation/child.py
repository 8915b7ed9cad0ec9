"""The other side of `isolation`: a process that chooses what it is told to, from what it is shown."""

from __future__ import annotations

import contextlib
import importlib
import pickle
import sys
import traceback
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

import labelbench_plus
from labelbench_plus import questions
from labelbench_plus.isolation.confine import confine
from labelbench_plus.isolation.wire import send
from labelbench_plus.measure import Meter
from labelbench_plus.oracle import QueryError
from labelbench_plus.plugins import load_plugin_file, registry
from labelbench_plus.steps import select_here
from labelbench_plus.view import CapabilityError, View
from labelbench_plus.warm_up import warm_up


def main(descriptor: int) -> None:
    """Answer questions until the other side is gone."""
    connection = Connection(descriptor)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        setup = pickle.loads(connection.recv_bytes())
        torch.set_num_threads(setup["threads"])
        held = _confined(setup)
        for file in setup["files"]:
            load_plugin_file(Path(file))
        send(connection, confinement=held)
        while True:
            _answer(connection, pickle.loads(connection.recv_bytes()))


def _confined(setup: dict[str, Any]) -> str:
    """Confine this process before any line of a stranger's runs."""
    hidden = [Path(folder) for folder in setup["hidden"]]
    code = [Path(entry) for entry in sys.path if entry] + [Path(sys.prefix), Path(sys.base_prefix)]
    code += [Path(labelbench_plus.__file__).parent, *map(Path, setup["files"])]
    readable = [place for place in code if not any(folder.is_relative_to(place.resolve()) for folder in hidden)]
    return confine(readable, Path(setup["scratch"]))


def _answer(connection: Connection, question: dict[str, Any]) -> None:
    view = _view(question, partial(_read, connection))
    try:
        strategy = registry("strategies").build(question["strategy"])
        warm_up(strategy)
        for name, (capability, _) in view._providers.items() if question["read_first"] else ():
            if capability in strategy.needs:
                view._read(name)
        with Meter() as meter:
            chosen = select_here(strategy, view, question["n"], _generator(question["rng"]))
        view.note("isolated_seconds", meter.seconds)
        if meter.peak_bytes is not None:
            view.note("isolated_peak_bytes", meter.peak_bytes)
        send(connection, notes=view.notes, **questions.of(strategy.query).to_wire(chosen))
    except (QueryError, CapabilityError) as error:
        kind = QueryError if isinstance(error, QueryError) else CapabilityError
        send(connection, error=kind.__name__, message=str(error))
    except (BrokenPipeError, ConnectionResetError, EOFError):
        raise
    except Exception as error:
        traceback.print_exc()
        send(connection, error=type(error).__name__, message=f"{type(error).__name__}: {error}")


def _view(question: dict[str, Any], read: Callable[[str], Any]) -> View:
    """The view as it is on the other side, but that what it computes is asked for there."""
    module, _, name = question["view"].partition(":")
    view: View = object.__new__(getattr(importlib.import_module(module), name))
    providers = {name: (capability, partial(read, name)) for name, capability in question["offers"].items()}
    View.__init__(view, question["needs"], providers)
    vars(view).update(question["state"])
    view._show(**{name: question["state"][name] for name in question["watched"]})
    return view


def _read(connection: Connection, attribute: str) -> Any:
    send(connection, read=attribute)
    kind, value = pickle.loads(connection.recv_bytes())
    if kind == "refused":
        raise CapabilityError(value)
    return value


def _generator(state: dict[str, Any]) -> np.random.Generator:
    bits = getattr(np.random, state["bit_generator"])()
    bits.state = state
    return np.random.Generator(bits)
