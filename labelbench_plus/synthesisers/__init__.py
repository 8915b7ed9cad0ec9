"""Synthesisers: one file each. A synthesiser makes views of what photographs show, from where nobody stood."""

from labelbench_plus.contracts.synthesisers import Photographs, Synthesiser, synthesisers

__all__ = [
    "Photographs",
    "Synthesiser",
    "synthesisers",
]
