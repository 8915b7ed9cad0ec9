"""How bad plugins are made: each is wrong in one way, and says which check must find it, and no other."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from labelbench_plus.plugins import Registry


def bad_of(registry: Registry[Any]) -> Callable[[str], Callable[[type], type]]:
    """A decorator for bad plugins of a kind: it registers a class under its own name, and keeps what must catch it."""

    def bad(caught_by: str) -> Callable[[type], type]:
        def keep(cls: type) -> type:
            cls.caught_by = caught_by  # type: ignore[attr-defined]
            return registry.register(f"bad_{registry.kind.replace(' ', '_')}_{cls.__name__.lower()}")(
                dataclass(frozen=True)(cls)
            )

        return keep

    return bad


def usual_faults(registry: Registry[Any], base: type, method: str) -> None:
    """Make those faults that a plugin of any kind can have of a good one: `method` is what it is called by."""
    good, module = getattr(base, method), sys.modules[base.__module__]

    def spoilt(name: str, caught_by: str, first: Callable[[], Any] | None = None, **body: Any) -> None:
        def call(self: Any, *arguments: Any) -> Any:
            first()
            return good(self, *arguments)

        own = {"__module__": module.__name__, "__qualname__": name, "__doc__": f"{name}, on purpose.", **body}
        cls = type(name, (base,), own if first is None else {**own, method: call})
        setattr(module, name, bad_of(registry)(caught_by)(cls))

    spoilt("NoDocstring", "declaration", __doc__=None)
    spoilt("GlobalNumPy", "global_random", np.random.random)
    spoilt("SeedsTorch", "global_random", lambda: torch.manual_seed(0))
    spoilt("DoublePrecision", "global_settings", lambda: torch.set_default_dtype(torch.float64))
    spoilt(
        "ChangesItsFields",
        "hyperparameters",
        __annotations__={"power": float},
        power=1.0,
        __post_init__=lambda self: object.__setattr__(self, "power", 2 * self.power),
    )
    spoilt("HoldsALock", "pickles", __post_init__=lambda self: object.__setattr__(self, "_lock", threading.Lock()))
