"""Encoders: one file each. An encoder turns a data set's inputs into the frozen features that everything else sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from labelbench_plus.inputs.forms import Form
from labelbench_plus.plugins import Plugin, Registry


class Encoder(Plugin):
    """How inputs become features.

    Attributes
    ----------
    stored: the type in which the cache keeps the scaled features. They are read as float32 either way.
    takes: the forms of inputs that it accepts, so that others are refused before any work; None if undeclared.
    centred: whether features are shifted by the pool's mean. False where zero has a meaning: a threshold, or an answer
        with even odds. They are scaled by one number either way.
    scores_options: whether the first K features are scores of the K classes, the model's own answer having the largest.
    """

    stored: ClassVar[Literal["float32", "float16"]] = "float32"
    takes: ClassVar[frozenset[Form] | None] = None
    centred: ClassVar[bool] = True
    scores_options: ClassVar[bool] = False

    def fit(self, pool_inputs: Any) -> Callable[[Any], np.ndarray]:
        """Return the function from inputs to features (n, d) float32.

        Only the pool's *inputs* may be looked at (PCA does): no label, no validation or test example.

        Parameters
        ----------
        pool_inputs: n of them in one of the forms that `datasets.Split` lists: an array (n, ...), `ImageFiles`, or
            `Texts`. An encoder annotates the forms that it accepts.

        Returns
        -------
        A function of inputs of the same form, called with up to some thousands at a time, possibly none. The features
        of an input do not depend on the others in the call.

        Raises
        ------
        ValueError
            It does not accept such inputs.
        """
        raise NotImplementedError

    def side(self) -> int | None:
        """Side of the squares to which it resizes images; None if it does not resize, or takes no images."""
        return None

    def fingerprint(self) -> str:
        """Hash of what the encoder consists of beyond its hyperparameters (its weights); empty if nothing."""
        return ""


encoders = Registry("encoder", Encoder, "labelbench_plus.encoders")
