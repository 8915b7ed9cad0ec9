"""Augmentations: one file each. An augmentation changes inputs in ways that keep their class."""

from labelbench_plus.contracts.augmentations import Augmentation, augmentations

__all__ = [
    "Augmentation",
    "augmentations",
]
