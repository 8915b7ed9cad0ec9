"""Trees as arrays, beside walking down each of them by hand."""

from __future__ import annotations

import pytest
import torch

from labelbench_plus.algorithms.learners import trees as module
from labelbench_plus.algorithms.learners.trees import Trees

# A stump, and a tree that asks twice; the shorter one is filled up with leaves of its own.
TWO = Trees(
    feature=torch.tensor([[0, 0, 0, 0, 0], [1, 0, 0, 0, 0]]),
    threshold=torch.tensor([[0.5, 0, 0, 0, 0], [0.0, 0, 1.0, 0, 0]], dtype=torch.float64),
    left=torch.tensor([[1, 1, 2, 3, 4], [1, 1, 3, 3, 4]]),
    right=torch.tensor([[2, 1, 2, 3, 4], [2, 1, 4, 3, 4]]),
    value=torch.tensor([[0, -1, 1, 0, 0], [0, 10, 0, 20, 30]], dtype=torch.float64),
    depth=2,
)


def by_hand(x: float, y: float) -> tuple[float, float]:
    return (-1 if x <= 0.5 else 1), (10 if y <= 0 else 20 if x <= 1 else 30)


@pytest.mark.parametrize("chunk", [2, 2**21])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_rows_go_down_every_tree(dtype: torch.dtype, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_NODES", chunk)
    rows = [(x, y) for x in (-1.0, 0.5, 0.75, 1.0, 2.0) for y in (-1.0, 0.0, 1.0)]
    found = TWO.predictions(torch.tensor(rows, dtype=dtype))
    assert found.T.tolist() == [list(map(float, by_hand(x, y))) for x, y in rows]
    assert TWO.predictions(torch.empty(0, 2)).shape == (2, 0)
