"""Annotators: one file each. An annotator answers the questions that a problem's budget is spent on."""

from labelbench_plus.contracts.annotators import Annotator, Asked, Desk, Scorer, Wanted, annotators, listed, unlisted

__all__ = [
    "Annotator",
    "Asked",
    "Desk",
    "Scorer",
    "Wanted",
    "annotators",
    "listed",
    "unlisted",
]
