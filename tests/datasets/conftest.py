"""What the tests of data sets share: a machine on which no data lie, and pictures that can be told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, `$LBP_DATA`; the cache folder is another, empty one."""
    from labelbench_plus.datasets import _files

    monkeypatch.setenv("LBP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LBP_DATA", str(tmp_path / "data"))
    _files._fingerprint.cache_clear()
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def picture(number: int) -> np.ndarray:
    """(5, 4 + number % 3, 3) uint8, other pixels for every number."""
    return np.random.default_rng(number).integers(256, size=(5, 4 + number % 3, 3), dtype=np.uint8)


def save_picture(file: Path, number: int) -> None:
    """Write a picture that comes back to the bit, whatever the file is called."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(number)).save(file, "PNG")
