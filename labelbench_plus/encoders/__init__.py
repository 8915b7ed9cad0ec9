"""Encoders: one file each. An encoder turns a data set's inputs into the frozen features everything else sees."""

from labelbench_plus.contracts.encoders import Encoder, encoders

__all__ = [
    "Encoder",
    "encoders",
]
