"""Data sets: one file each. A data set knows where its examples come from and how they are split, nothing else."""

from labelbench_plus.contracts.datasets import Dataset, Inputs, LabelledData, Split, datasets

__all__ = [
    "Dataset",
    "Inputs",
    "LabelledData",
    "Split",
    "datasets",
]
