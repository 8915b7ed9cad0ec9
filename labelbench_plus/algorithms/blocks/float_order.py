"""The order of floating point numbers, by way of integers."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.detached import detached


@detached
def stable_order(values: Tensor) -> Tensor:
    """(n,) int64 positions of the numbers of a (n,) tensor, ascending; equal ones, −0 and 0 too, in their order.

    The same as `values.argsort(stable=True)` of float32 or float64 without NaN, several times faster: integers are
    sorted by radix.
    """
    integers = torch.int64 if values.dtype == torch.float64 else torch.int32
    bits = (values + 0.0).view(integers)  # -0 becomes 0
    # Flipping the lower bits of negative numbers turns the order of the bits into that of the numbers.
    bits ^= (bits >> (8 * bits.itemsize - 1)) & torch.iinfo(integers).max
    return bits.argsort(stable=True)
