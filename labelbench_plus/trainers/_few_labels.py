"""What scikit-learn says of few labels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def few_labels() -> Iterator[None]:
    """Without its warning that labels may be values: of a few labels every other one may well be of another class."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)
        yield
