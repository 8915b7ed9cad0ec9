"""Every question the kit asks of a strategy goes through here, and every answer is held to the whole contract.

A rule that is broken only now and then (in the seventh round, with two classes) is thereby found by whichever check
happens to meet it, and counts against the rule's own check.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator

from labelbench_plus import questions
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.oracle import QueryError, is_paid
from labelbench_plus.plugins import is_built_in
from labelbench_plus.testing.report import Failure
from labelbench_plus.view import CapabilityError, View
from labelbench_plus.warm_up import warm_up

CODE_SUFFIXES = (".py", ".pyc", ".so", ".pth", ".zip", "METADATA", "entry_points.txt", "RECORD")
SYSTEM = ("/proc/", "/sys/", "/dev/")
NEW = os.O_CREAT | os.O_EXCL
OUTSIDE = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
OBJECTS = ("gc.get_objects", "gc.get_referrers", "gc.get_referents")


class _Ear:
    """Hears what the interpreter reports while somebody listens. An audit hook cannot be taken off, so there is one."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] | None = None
        self.own: set[str] = set()  # files made while choosing: scratch space, and nobody else's
        self.installed = False

    @contextmanager
    def listening(self) -> Iterator[list[tuple[str, str]]]:
        if not self.installed:
            sys.addaudithook(self._hear)
            self.installed = True
        outer, self.events = self.events, []
        self.own.clear()
        try:
            yield self.events
        finally:
            self.events = outer

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.events is None:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes):
                self._hear_open(os.fsdecode(path), flags)
        elif event in OUTSIDE:
            self.events.append(("outside", event))
        elif event in OBJECTS:
            self.events.append(("objects", event))

    def _hear_open(self, path: str, flags: int) -> None:
        if flags & os.O_TMPFILE == os.O_TMPFILE or flags & NEW == NEW:
            self.own.add(path)
        elif path not in self.own and not path.endswith(CODE_SUFFIXES) and not path.startswith(SYSTEM):
            if os.path.isdir(path):  # how tempfile makes a file without a name
                return
            assert self.events is not None
            self.events.append(("file", path))


EAR = _Ear()


@contextmanager
def watched() -> Iterator[None]:
    """See to it that the body leaves the process as it was.

    Raises
    ------
    Failure
        A global generator moved, or a setting was changed; what can be put back is put back.
    """
    randomness, settings = _global_random(), _global_settings()
    try:
        yield
    finally:
        moved = [name for name, state in _global_random().items() if state != randomness[name]]
        changed = [name for name, value in _global_settings().items() if value != settings[name]]
        _restore(settings)
    if moved:
        raise Failure("global_random", f"it drew from or seeded {', '.join(moved)}")
    if changed:
        raise Failure("global_settings", f"it changed {', '.join(changed)}")


@contextmanager
def undone() -> Iterator[None]:
    """Put the process's settings and global generators back after the body, whatever it did to them."""
    settings = _global_settings()
    states = np.random.get_state(), torch.get_rng_state(), random.getstate()  # noqa: NPY002
    try:
        yield
    finally:
        _restore(settings)
        np.random.set_state(states[0])  # noqa: NPY002
        torch.set_rng_state(states[1])
        random.setstate(states[2])


@dataclass(frozen=True)
class Answer:
    """What a strategy chose: `items` in its order, something that can be compared with ==. `drew`: it used its rng."""

    items: Any
    drew: bool


Judge = Callable[[View, Any, int], Any]
"""(view, answer, n) -> the choice as something comparable; raises Failure."""


def ask(strategy: Strategy, view: View, n: int, rng: Generator, judge: Judge, twin: View) -> Answer:
    """Have a strategy choose, and hold it to every rule that can be seen in one answer.

    Parameters
    ----------
    judge: of the answer itself.
    twin: a view of the same that the strategy does not get.

    Raises
    ------
    Failure
        Under the id of the rule that was broken. What the strategy itself raises is passed on unchanged.
    """
    stream = str(rng.bit_generator.state)
    warm_up(strategy)  # as a run does: what is imported on first use is nothing that choosing does
    with contextlib.suppress(Exception):  # the strategy will hear of it
        for attribute, (capability, _) in twin._providers.items():
            if capability in strategy.needs:
                getattr(twin, attribute)  # what its problem opens to compute it is not the strategy's doing
    try:
        with watched(), EAR.listening() as events:
            chosen = strategy.select(view, n, rng)
    except CapabilityError as error:
        raise Failure("capabilities", str(error)) from error
    for kind, what in events:
        if kind == "objects":
            raise Failure("blind", f"it searched the interpreter's objects ({what}) while choosing")
        raise Failure("files", f"while choosing it {'opened ' if kind == 'file' else 'called '}{what}")
    by_labels = questions.of(strategy.query).uses_hidden_labels(chosen)
    if by_labels and not (strategy.uses_hidden_labels and is_built_in(strategy)):
        raise Failure("blind", "it leaves the choice to a draw by classes, which uses labels that were not bought")
    if written := _written(view, twin):
        raise Failure("mutation", f"it changed {', '.join(f'view.{name}' for name in written)}")
    return Answer(judge(view, chosen, n), str(rng.bit_generator.state) != stream)


def judge_pool(view: Any, chosen: Any, n: int) -> tuple[int, ...]:
    """The pool indices of an answer."""
    array = chosen.detach().cpu().numpy() if hasattr(chosen, "detach") else np.asarray(chosen)
    if array.ndim != 1 or not (np.issubdtype(array.dtype, np.integer) or array.size == 0):
        raise Failure("integers", f"expected a vector of integers, got shape {array.shape} of {array.dtype}")
    if len(array) != n:
        raise Failure("count", f"asked for {n} of {len(view.candidates)}, it gave {len(array)}")
    items = tuple(array.tolist())
    if len(set(items)) != n:
        twice = sorted({item for item in items if items.count(item) > 1})
        raise Failure("distinct", f"asked for {n}, it gave {twice[:3]} more than once")
    if strangers := set(items) - set(view.candidates.tolist()):
        bought = strangers & set(view.labelled.tolist())
        which = "already bought" if bought else "in no pool"
        raise Failure("unlabelled", f"it gave {sorted(bought or strangers)[:3]}, which are {which}")
    return items


def judge_by_oracle(oracle: Any, ledger: Ledger, money: float) -> Judge:
    """A judge that has a problem's oracle answer, at the expense of a copy of the ledger; a paid one only sell."""

    def judge(view: View, chosen: Any, n: int) -> Any:
        copy = Ledger(list(ledger.purchases))
        try:
            if is_paid(oracle):
                items, _ = oracle.sells(chosen, money, copy)
                return tuple(map(tuple, np.atleast_2d(items).tolist())), (), ()
            oracle.answer(chosen, money, copy)
        except QueryError as error:
            raise Failure("accepted", str(error)) from error
        bought = copy.purchases[-1]
        counts = () if bought.counts is None else tuple(bought.counts.tolist())
        got = tuple(map(str, bought.answers.tolist()))
        return tuple(map(tuple, np.atleast_2d(bought.items).tolist())), counts, got

    return judge


def _global_random() -> dict[str, Any]:
    numpy_state = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return {
        "numpy's global generator": (numpy_state["key"].tobytes(), numpy_state["pos"]),
        "torch's global generator": torch.get_rng_state().numpy().tobytes(),
        "Python's random": random.getstate(),
    }


def _global_settings() -> dict[str, Any]:
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "torch's number of threads": torch.get_num_threads(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's deterministic mode": torch.are_deterministic_algorithms_enabled(),
        "numpy's error handling": np.geterr(),
        "the working directory": os.getcwd(),
        "the environment": _environment(),
    }


def _environment() -> dict[str, str]:
    """All variables but those that OpenMP's users set when they are imported."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KMP_")}


def _restore(settings: dict[str, Any]) -> None:
    """Undo the changes that would disturb everybody after this strategy."""
    if torch.get_default_dtype() != settings["torch's default dtype"]:
        torch.set_default_dtype(settings["torch's default dtype"])
    if torch.get_num_threads() != settings["torch's number of threads"]:
        torch.set_num_threads(settings["torch's number of threads"])
    torch.set_grad_enabled(settings["torch's gradient mode"])
    torch.use_deterministic_algorithms(settings["torch's deterministic mode"])
    np.seterr(**settings["numpy's error handling"])
    os.chdir(settings["the working directory"])
    for name in set(_environment()) - set(settings["the environment"]):
        del os.environ[name]
    os.environ.update(settings["the environment"])


def _written(view: View, twin: View) -> list[str]:
    """Names of what a view no longer shows as its twin does. NumPy writes to a tensor unnoticed, so all is compared."""
    public = {name: value for name, value in vars(twin).items() if not name.startswith("_") and name != "notes"}
    read = {name: value for name, (value, _) in view._computed.items() if name not in public}
    changed = {name for name, value in public.items() if not same(getattr(view, name, None), value)}
    changed |= {name for name, value in read.items() if not _equal(value, getattr(twin, name))}
    return sorted({*changed, *view.changed()})


def same(left: Any, right: Any) -> bool:
    """Whether two structures of dataclasses, tuples, dicts, tensors and arrays hold the same values."""
    if dataclasses.is_dataclass(left) and type(left) is type(right):
        return all(same(getattr(left, part.name), getattr(right, part.name)) for part in dataclasses.fields(left))
    if isinstance(left, tuple | list) and type(left) is type(right):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return _equal(left, right)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return left.shape == right.shape and left.dtype == right.dtype and torch.equal(_bits(left), _bits(right))
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
    if isinstance(left, np.ndarray | torch.Tensor) or isinstance(right, np.ndarray | torch.Tensor):
        return False
    return type(left) is type(right) and (left is right or not hasattr(type(left), "__eq__") or bool(left == right))


def _bits(values: torch.Tensor) -> torch.Tensor:
    """The tensor with NaN made comparable."""
    return values.nan_to_num(nan=-7.0) if values.is_floating_point() else values
