"""What other projects expect of a pool, read off a view."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.random import Generator

from labelbench_plus._torchvision_compat import prepare
from labelbench_plus.view import PoolView


class AdapterError(ValueError):
    """A strategy of another project cannot be adapted. The message says why."""


def whole_pool(view: PoolView, name: str) -> np.ndarray:
    """(N, ...) float64 what the view says of all items under `name`, bought or not, by pool index."""
    parts = getattr(view, name).double().cpu().numpy(), getattr(view, f"labelled_{name}").double().cpu().numpy()
    rows = np.empty((len(parts[0]) + len(parts[1]), *parts[0].shape[1:]))
    rows[view.candidates.cpu().numpy()], rows[view.labelled.cpu().numpy()] = parts
    return rows


def load(module: str, name: str, package: str) -> Any:
    """The attribute `name` of a module.

    Raises
    ------
    AdapterError
        No such module or attribute; `package` is what to install.
    """
    prepare()
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise AdapterError(f"{module} cannot be imported ({error}); install {package}") from error
    except AttributeError as error:
        raise AdapterError(f"{module} has no {name!r}") from error


def arguments(text: str) -> dict[str, Any]:
    """The arguments written as a JSON object.

    Raises
    ------
    AdapterError
        Something else is written there.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise AdapterError(f"arguments {text!r} are not JSON: {error}") from error
    if not isinstance(found, dict):
        raise AdapterError(f'arguments {text!r} must be an object, e.g. \'{{"method": "entropy"}}\'')
    return found


@contextmanager
def global_generator(rng: Generator) -> Iterator[None]:
    """NumPy's global generator seeded from `rng`, for code that draws from it, and put back afterwards."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(int(rng.integers(2**32)))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
