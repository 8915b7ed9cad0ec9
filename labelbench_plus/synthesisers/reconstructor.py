"""A generator that sees the photograph alone: it guesses the scene, and draws it from the other sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, Gt

from labelbench_plus.contracts.networks import Network, networks
from labelbench_plus.plugins import From, label
from labelbench_plus.synthesisers import Photographs, Synthesiser, synthesisers

if TYPE_CHECKING:
    from labelbench_plus.contracts.classifier import Classifier


@synthesisers.register("reconstructor")
@dataclass(frozen=True)
class Reconstructor(Synthesiser):
    """A network reads place, size and form of both objects off the photograph; what it guesses is rendered.

    It is for photographs like those of `spatial_scenes`, ambiguous or not. It has learned on other scenes, half of
    either kind, that were seen from all sides; nobody ever said how their objects are related. That is what its views
    cost, and what is billed beside the budget. What it adds to a photograph it learned there: the network
    `reconstructor` puts the same into a classifier directly, and is what these views are to be compared with.

    Trained once for each size of photographs, and kept in the cache.

    Parameters
    ----------
    scenes: how many it learns from.
    steps: of training, with a batch of 64 scenes.
    learning_rate: at its highest.
    network: what reads photographs.
    """

    title = "Reconstructed views"
    source = "generator"

    scenes: Annotated[int, Ge(64)] = 2_000
    steps: Annotated[int, Ge(1)] = 1_500
    learning_rate: Annotated[float, Gt(0)] = 5e-3
    network: Annotated[Network, From("networks")] = field(
        default_factory=lambda: networks.build({"name": "small_cnn", "width": 8, "cells": 2})
    )

    def __post_init__(self) -> None:
        if self.network.reads != "images":
            raise ValueError(f"network {label(self.network)!r} reads {self.network.reads}, and photographs are images")

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"scenes": 64, "steps": 3, "network": {"name": "small_cnn", "width": 4, "cells": 2}}

    def beside(self) -> Mapping[str, int]:
        return {"pretraining views": self.scenes}

    def views(self, photographs: Photographs, rows: np.ndarray, angles: tuple[float, ...]) -> np.ndarray:
        from labelbench_plus.synthesisers._reconstruction import guessed_views

        side = photographs.images.shape[1]
        return guessed_views(self.trained(side), photographs.images[rows], angles)

    def trained(self, side: int) -> Classifier:
        """The network that has learned to read scenes off photographs of this side; its head gives the guesses."""
        from labelbench_plus.synthesisers._reconstruction import trained

        return trained(self.network, self.scenes, self.steps, self.learning_rate, side)

    def fingerprint(self) -> str:
        return self.network.fingerprint()
