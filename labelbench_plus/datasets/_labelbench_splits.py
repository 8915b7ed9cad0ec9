"""The parts into which LabelBench divides what comes without them: the same indices, from the same generators.

NumPy promises that `RandomState` keeps its streams; torch's `randperm` on the CPU has kept its own so far, and a test
would notice.
"""

from __future__ import annotations

import numpy as np

SEED = 42


def halves(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Validation and test part of n test examples; the test part is the larger one of an odd number."""
    order = np.random.RandomState(SEED).permutation(n)
    return order[: n // 2], order[n // 2 :]


def eighty_ten_ten(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pool, validation and test part of n examples; the last one is rounded up."""
    order = np.random.RandomState(SEED).permutation(n)
    first, second = n - n // 5, n - -(-n // 10)
    return order[:first], order[first:second], order[second:]


def parts(*sizes: int) -> tuple[np.ndarray, ...]:
    """Parts of these sizes of as many examples, as torch's `random_split` makes them."""
    import torch

    order = torch.randperm(sum(sizes), generator=torch.Generator().manual_seed(SEED)).numpy()
    return tuple(np.split(order, np.cumsum(sizes)[:-1]))


def quarter_and_rest(n: int) -> tuple[np.ndarray, ...]:
    """Validation and test part, 1 : 3, of n validation examples."""
    return parts(n // 4, n - n // 4)
