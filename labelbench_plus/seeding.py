"""Random streams that are derived from what they are for, never carried along.

Every draw in a run comes from a generator keyed by (seed, component, round). Adding a component, resuming after a
crash or changing one component's consumption therefore never shifts another's stream, and two strategies compared at
one seed share every stream that does not belong to the strategy itself. Library code uses no global generator.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Streams:
    """The random streams of one run.

    Parameters
    ----------
    seed: the run's seed, a non-negative integer.
    key: what every stream of this object is further keyed by (the round).
    """

    seed: int
    key: tuple[int, ...] = ()

    def round(self, number: int) -> Streams:
        """The streams of one round."""
        return Streams(self.seed, (*self.key, number))

    def rng(self, component: str) -> np.random.Generator:
        """A fresh generator for `component`; asking again gives the same stream from its start."""
        spawn_key = (zlib.crc32(component.encode()), *self.key)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=spawn_key))


def torch_generator(rng: np.random.Generator, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator on `device` seeded by one draw of `rng`."""
    import torch

    return torch.Generator(device).manual_seed(int(rng.integers(2**63)))
