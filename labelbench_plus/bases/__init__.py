"""Bases: one file each. A base is a causal language model as somebody pretrained it, by name."""

from labelbench_plus.contracts.bases import Base, Precision, bases

__all__ = [
    "Base",
    "Precision",
    "bases",
]
