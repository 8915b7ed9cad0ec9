"""AUBC, area under the budget curve: the mean height of a learning curve over its budgets.

The trapezoid area under the metric on the declared budget grid, divided by the range of budgets, so a curve that stays
at c has AUBC c. Runs off the grid are left out, never interpolated. The log-budget variant puts budgets on a
logarithmic axis first, so each doubling counts the same. These two and the final value can rank differently, so all
three are shown. Source: AUBC of Zhan et al., "A Comparative Survey: Benchmarking for Pool-based Active Learning" (IJCAI
2021), with the area divided by the range so that problems share one scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def area_under_budget_curve(budgets: ArrayLike, values: ArrayLike) -> float:
    """Mean height of a learning curve over its budgets: the trapezoid area divided by the range of budgets.

    `budgets`: (r,) finite, strictly increasing, in the unit of the budget (labels or money). `values`: (r,)
    finite metric values at those budgets. The result is in the unit of the metric; a single budget (one-shot selection)
    gives the value there, the limit of a shrinking range. ValueError on other shapes, non-finite numbers or budgets
    that do not increase.
    """
    return float(areas_under_budget_curves(budgets, np.asarray(values, dtype=np.float64)[None])[0])


def areas_under_budget_curves(budgets: ArrayLike, curves: ArrayLike) -> NDArray[np.float64]:
    """`area_under_budget_curve` of each of (m, r) curves: (m,)."""
    x, y = _curves(budgets, curves)
    return y[:, 0] if len(x) == 1 else np.asarray(np.trapezoid(y, x) / (x[-1] - x[0]))


def areas_under_log_budget_curves(budgets: ArrayLike, curves: ArrayLike) -> NDArray[np.float64]:
    """The same mean heights with budgets on a logarithmic axis, so that each doubling counts alike.

    As `areas_under_budget_curves` with log(budgets) for budgets (the base cancels). ValueError also where a
    budget is not above zero.
    """
    x, y = _curves(budgets, curves)
    if x[0] <= 0:
        raise ValueError(f"budgets on a log axis must be above zero, got {x[0]:g} as the first")
    return areas_under_budget_curves(np.log(x), y)


def _curves(budgets: ArrayLike, curves: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(budgets, dtype=np.float64), np.ascontiguousarray(curves, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape[1:] or len(x) == 0:
        raise ValueError(f"budgets and values must be lists of one length ≥ 1, got {x.shape} and {y.shape[1:]}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("budgets and values must be finite")
    if not (np.diff(x) > 0).all():
        raise ValueError(f"budgets must increase strictly, got {_listed(x)}")
    return x, y


def _listed(values: Sequence[float] | NDArray[np.float64], most: int = 12) -> str:
    shown = ", ".join(f"{v:g}" for v in values[:most])
    return shown + (", …" if len(values) > most else "")
