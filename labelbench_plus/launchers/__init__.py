"""Launchers: one file each. A launcher carries runs to where they are computed, and tells what became of them."""

from labelbench_plus.contracts.launchers import (
    CLOCK,
    SPAN,
    UNITS,
    Batch,
    Duration,
    Launcher,
    Limits,
    Listed,
    Listing,
    Pack,
    SchedulerError,
    SubmissionUnclear,
    launchers,
    seconds,
)

__all__ = [
    "CLOCK",
    "SPAN",
    "UNITS",
    "Batch",
    "Duration",
    "Launcher",
    "Limits",
    "Listed",
    "Listing",
    "Pack",
    "SchedulerError",
    "SubmissionUnclear",
    "launchers",
    "seconds",
]
