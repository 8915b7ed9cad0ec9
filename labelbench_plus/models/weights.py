"""Files of weights and their hashes, and the global generator that libraries initialise models from."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from labelbench_plus._torchvision_compat import prepare
from labelbench_plus.features.hashing import hash_arrays

if TYPE_CHECKING:
    import torch

PRETRAINED, FILE, SCRATCH, PLUMBING_TEST = "pretrained", "file", "scratch", "random-plumbing-test"


def library(name: str, extra: str) -> ModuleType:
    """An optional package, imported.

    Raises
    ------
    FileNotFoundError
        It is not installed; the message says how to install it.
    """
    prepare()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise FileNotFoundError(
            f"the Python package {name} is not installed; get it with pip install 'labelbench-plus[{extra}]'"
        ) from error


def hash_tensors(state: dict[str, Any]) -> str:
    """SHA-256 of tensors by name, type and shape."""
    import torch

    return hash_arrays(
        {
            f"{name} {tensor.dtype} {tuple(tensor.shape)}": tensor.reshape(-1).view(torch.uint8).numpy()
            for name, tensor in state.items()
        }
    )


@contextmanager
def lent_generator(generator: torch.Generator | None = None) -> Iterator[None]:
    """Lend torch's global generator a state, for libraries that initialise from it, and give the old one back.

    Parameters
    ----------
    generator: one number is drawn from it to seed with; a fixed seed if None.
    """
    import torch

    seed = 0 if generator is None else int(torch.randint(2**62, (), generator=generator))
    before = torch.random.get_rng_state()
    torch.random.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.random.set_rng_state(before)
