"""Encoders: one file each. An encoder turns a data set's inputs into the frozen features everything else sees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labelbench_plus.plugins import Plugin, Registry


class Encoder(Plugin):
    """How inputs become features."""

    def fit(self, pool_inputs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function from inputs (n, ...) to features (n, d) float32.

        Only the pool's *inputs* may be looked at (PCA does): no label, no validation or test example.
        """
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Hash of what the encoder is made of beyond its hyperparameters (its weights); empty if nothing."""
        return ""


encoders = Registry("encoder", Encoder, __name__)
