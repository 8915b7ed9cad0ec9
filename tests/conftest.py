"""What all tests share: a small real problem, and a place to compute that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SUITE = """\
suite: small
problems:
  - {name: classification, dataset: digits, encoder: pixels}
trainers: [logistic_regression]
strategies: [random, margin]
budget: {first: 20, batch: 10, rounds: 3}
seeds: 0..1
"""


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Tests neither read nor fill the user's feature cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LBP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def suite_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a suite: the small one on digits, with pieces of its text replaced."""

    def write(*replacements: tuple[str, str]) -> Path:
        text = SUITE
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "suite.yaml"
        path.write_text(text)
        return path

    return write
