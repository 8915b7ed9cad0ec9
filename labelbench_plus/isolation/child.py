"""The other side of `isolation`: a process that describes third-party strategies and lets strategies choose.

It is confined before this module is imported (`start`).
"""

from __future__ import annotations

import contextlib
import importlib
import pickle
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from labelbench_plus import questions
from labelbench_plus.faults import worded
from labelbench_plus.isolation.wire import Wire
from labelbench_plus.measure import Meter
from labelbench_plus.oracle import QueryError
from labelbench_plus.plugins import PluginError, describe, label, load_plugin_file, registry
from labelbench_plus.steps import select_here
from labelbench_plus.view import CapabilityError, View
from labelbench_plus.warm_up import warm_up

MOST_FAULTS = 20


def answer(wire: Wire, files: Sequence[Path], threads: int) -> None:
    """Answer questions until the other side is gone.

    Parameters
    ----------
    files: given with `--plugin`; loaded when the first question is about a third-party strategy.
    """
    torch.set_num_threads(threads)
    loaded = False
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            question = pickle.loads(wire.receive_bytes())
            try:
                if question["strange"] and not loaded:
                    for file in files:
                        load_plugin_file(file)
                    loaded = True
                (_report if "describe" in question else _choose)(wire, question)
            except (BrokenPipeError, ConnectionResetError, EOFError):
                raise
            except (QueryError, CapabilityError, PluginError) as error:
                wire.send(error=type(error).__name__, message=_short(str(error)))
            except Exception as error:
                traceback.print_exc()
                wire.send(error="Exception", message=_short(f"{type(error).__name__}: {error}"))


def _report(wire: Wire, question: Mapping[str, Any]) -> None:
    """Say what a strategy is: the data that the other side needs, instead of the class."""
    found = registry("strategies")
    try:
        strategy = found.build(question["describe"])
    except ValidationError as error:
        faults = error.errors(include_url=False)[:MOST_FAULTS]
        wire.send(faults=[[list(fault["loc"]), _short(worded(fault))] for fault in faults])
        return
    except PydanticCustomError as error:
        wire.send(faults=[[[], _short(str(error))]])
        return
    wire.send(
        described=describe(strategy),
        semantic=describe(strategy, semantic_only=True),
        label=label(strategy),
        title=strategy.title,
        query=strategy.query,
        needs=sorted(strategy.needs),
        uses_hidden_labels=strategy.uses_hidden_labels,
        knows_truth=strategy.knows_truth,
        origin=found.entries()[strategy.name].origin,
    )


def _choose(wire: Wire, question: Mapping[str, Any]) -> None:
    view = _view(question, partial(_read, wire))
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
    wire.send(notes=view.notes, **questions.of(strategy.query).to_wire(chosen))


def _view(question: Mapping[str, Any], read: Callable[[str], Any]) -> View:
    """The view as it is on the other side, but that what it computes is asked for there."""
    module, _, name = question["view"].partition(":")
    view: View = object.__new__(getattr(importlib.import_module(module), name))
    providers = {name: (capability, partial(read, name)) for name, capability in question["offers"].items()}
    View.__init__(view, question["needs"], providers)
    vars(view).update(question["state"])
    view._show(**{name: question["state"][name] for name in question["watched"]})
    return view


def _read(wire: Wire, attribute: str) -> Any:
    wire.send(read=attribute)
    kind, value = pickle.loads(wire.receive_bytes())
    if kind == "refused":
        raise CapabilityError(value)
    return value


def _generator(state: dict[str, Any]) -> np.random.Generator:
    bits = getattr(np.random, state["bit_generator"])()
    bits.state = state
    return np.random.Generator(bits)


def _short(text: str) -> str:
    return text if len(text) <= 4000 else f"{text[:4000]} …"
