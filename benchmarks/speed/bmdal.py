"""bmdal_reg's selection methods on a speed setting, in feature space with the linear kernel."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.case import SpeedSetting

METHODS = {
    "bait": "BaitFeatureSpaceSelectionMethod",
    "fw": "FrankWolfeSelectionMethod",
    "lcmd": "LargestClusterMaxDistSelectionMethod",
    "maxdet": "MaxDetSelectionMethod",
    "maxdist": "MaxDistSelectionMethod",
}


def bmdal(
    method: str, setting: SpeedSetting, *, labelled: bool = True, sigma: float = 0.0, keep: float = 1.0
) -> np.ndarray:
    """Picks of one of `METHODS`; `sigma` is the noise's deviation, `keep` how many are picked for one that is kept."""
    if not hasattr(np, "Inf"):  # version 3.0.2 asks NumPy 2 for a name that only NumPy 1 had
        np.Inf = np.inf  # type: ignore[attr-defined]  # noqa: NPY201
    from bmdal_reg.bmdal import selection
    from bmdal_reg.bmdal.feature_data import TensorFeatureData
    from bmdal_reg.bmdal.feature_maps import IdentityFeatureMap
    from bmdal_reg.bmdal.features import Features

    def linear(rows: Tensor) -> Features:
        return Features(IdentityFeatureMap(n_features=rows.shape[1]), TensorFeatureData(rows)).precompute()

    chosen = getattr(selection, METHODS[method])(
        linear(setting.pool.features),
        linear(setting.pool.labelled),
        sel_with_train=labelled,
        verbosity=0,
        noise_sigma=sigma,
        overselection_factor=keep,
    )
    with torch.no_grad():
        return chosen.select(setting.batch).numpy()
