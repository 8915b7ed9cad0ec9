"""Augmentations: one file each. An augmentation changes inputs in ways that leave their class as it is."""

from labelbench_plus.contracts.augmentations import Augmentation, augmentations

__all__ = [
    "Augmentation",
    "augmentations",
]
