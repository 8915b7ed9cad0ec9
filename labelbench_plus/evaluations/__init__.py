"""Evaluations: one file each. An evaluation says how good a language model's answers to a test set are."""

from labelbench_plus.contracts.evaluations import Evaluation, Sitting, evaluations

__all__ = [
    "Evaluation",
    "Sitting",
    "evaluations",
]
