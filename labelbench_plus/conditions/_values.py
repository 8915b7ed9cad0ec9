"""What conditions on real values share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labelbench_plus.conditions import Setting


def deviation(setting: Setting) -> float:
    """The standard deviation of the pool's true labels."""
    return float(setting.pool.labels.astype(np.float64).std())


def with_noise(setting: Setting, noise: np.ndarray) -> Setting:
    """The setting with noise (n,) added to its answers, which stay of their dtype. Where it is 0, to the bit.

    Raises
    ------
    ValueError
        An answer is too large for the dtype.
    """
    with np.errstate(over="ignore"):
        answers = (setting.answers.astype(np.float64) + noise).astype(setting.answers.dtype)
    if len(wrong := np.flatnonzero(~np.isfinite(answers))):
        raise ValueError(f"noise of {noise[wrong[0]]:g} makes an answer too large for {answers.dtype}")
    return replace(setting, answers=answers)
