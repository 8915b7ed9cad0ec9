"""The name that `probcover` had until it was called like its strategy: what was imported from here still can be."""

from labelbench_plus.algorithms.probcover import Coverage, purity_delta
from labelbench_plus.algorithms.probcover import probcover as prob_cover

__all__ = ["Coverage", "prob_cover", "purity_delta"]
