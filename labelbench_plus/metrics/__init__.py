"""Metrics: one file each. A metric scores what a model predicts against true labels."""

from labelbench_plus.contracts.metrics import Metric, check_metrics, metrics, score_all

__all__ = [
    "Metric",
    "check_metrics",
    "metrics",
    "score_all",
]
