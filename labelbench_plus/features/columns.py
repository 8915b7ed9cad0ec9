"""Columns of a data set: what is public about its items beside their inputs, as views show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Columns = Mapping[str, "Tensor | np.ndarray"]


def columns_of(columns: Mapping[str, np.ndarray], rows: np.ndarray, device: str) -> Columns:
    """Some rows (n,) of each column (N, ...): numbers as tensors on a device, anything else as arrays."""
    import torch

    return {
        name: torch.as_tensor(column[rows], device=device) if column.dtype.kind in "biuf" else column[rows]
        for name, column in columns.items()
    }


def column_providers(
    columns: Columns, candidates: Tensor, labelled: Tensor
) -> dict[str, tuple[str, Callable[[], Any]]]:
    """The functions behind the columns in a view: of the candidates by the column's name, of what was bought too."""
    providers: dict[str, tuple[str, Callable[[], Any]]] = {}
    for name, column in columns.items():
        providers[name] = (name, partial(_rows, column, candidates))
        providers[f"labelled_{name}"] = (name, partial(_rows, column, labelled))
    return providers


def _rows(column: Tensor | np.ndarray, items: Tensor) -> Tensor | np.ndarray:
    return column[items.cpu().numpy()] if isinstance(column, np.ndarray) else column[items]
