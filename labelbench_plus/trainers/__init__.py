"""Trainers: one file each. A trainer turns what was bought, and the unlabelled rest, into a model."""

from labelbench_plus.contracts.trainers import Checkpoint, Trainer, trainers

__all__ = [
    "Checkpoint",
    "Trainer",
    "trainers",
]
