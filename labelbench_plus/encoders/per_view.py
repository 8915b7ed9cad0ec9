"""One encoder for every square of a strip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.inputs.image_files import is_images
from labelbench_plus.inputs.layouts import squares_of
from labelbench_plus.plugins import From


@encoders.register("per_view")
@dataclass(frozen=True)
class PerView(Encoder):
    """Another encoder's features of each square, side by side: (n, v·d).

    For the strips of the data set `with_views`. Of a single square they are the other encoder's. One that looks at the
    pool (`pca`) is fitted on all squares.

    Parameters
    ----------
    encoder: of one square.

    Example
    -------
    encoder: {name: per_view, encoder: {name: pca, dimensions: 16}}
    """

    title = "One encoder for all views"
    takes = frozenset({"images in memory"})

    encoder: Annotated[Encoder, From("encoders")]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"encoder": "pixels"}

    @property
    def stored(self) -> Literal["float32", "float16"]:  # type: ignore[override]
        return self.encoder.stored

    @property
    def centred(self) -> bool:  # type: ignore[override]
        return self.encoder.centred

    def fit(self, pool_inputs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Fit the other encoder on every square of the pool.

        Raises
        ------
        ValueError
            The inputs are no strips of squares, or none that the other encoder takes.
        """
        encode = self.encoder.fit(_squares(pool_inputs)[0])

        def encode_all(inputs: np.ndarray) -> np.ndarray:
            squares, views = _squares(inputs)
            found = encode(squares)
            return found.reshape(len(inputs), views * found.shape[1])

        return encode_all

    def side(self) -> int | None:
        return self.encoder.side()

    def fingerprint(self) -> str:
        return self.encoder.fingerprint()


def _squares(inputs: np.ndarray) -> tuple[np.ndarray, int]:
    """All squares of all strips, one after the other, and how many a strip has."""
    if not is_images(inputs):
        raise ValueError(f"encoder 'per_view' takes strips of squares in memory, got {type(inputs).__name__}")
    grey = inputs.ndim == 3
    squares = squares_of(inputs[..., None] if grey else inputs)
    flat = squares.reshape(-1, *squares.shape[2:])
    return (flat[..., 0] if grey else flat), squares.shape[1]
