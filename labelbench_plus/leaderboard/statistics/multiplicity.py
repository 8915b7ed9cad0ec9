"""Holm's adjustment: p-values are raised so that false alarms stay rare among many tests.

With p(1) ≤ … ≤ p(m), the adjusted p(i) is the largest of min(1, (m − j + 1) · p(j)) over j ≤ i. Calling adjusted
p-values ≤ 0.05 significant keeps the chance of even one false alarm among the m tests at 5 %, whatever the dependence
between them. A test that could not be run still counts in m. Source: Holm, "A Simple Sequentially Rejective Multiple
Test Procedure", Scand. J. Statist. 6 (1979).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjusted p-values, in the order given; rejecting those ≤ α keeps the family error ≤ α.

    `p_values`: (m,) in [0, 1] or NaN. A NaN (a test that could not be made) stays NaN but counts in m: it was asked,
    and cannot be rejected. ValueError outside [0, 1].
    """
    p = np.asarray(p_values, dtype=np.float64)
    known = ~np.isnan(p)
    if p.ndim != 1 or (p[known] < 0).any() or (p[known] > 1).any():
        raise ValueError(f"p-values must be a list of numbers in [0, 1], got {p_values!r}")
    order = np.argsort(np.where(known, p, np.inf), kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]))
    return adjusted
