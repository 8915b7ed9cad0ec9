"""Combiners: one file each. A combiner answers for a weighting of objectives, from policies tuned to one each."""

from labelbench_plus.contracts.combiners import (
    SHOWN,
    Combiner,
    Listed,
    Live,
    Parameters,
    Policies,
    Response,
    Rewards,
    Rule,
    Samples,
    Step,
    combiners,
)

__all__ = [
    "SHOWN",
    "Combiner",
    "Listed",
    "Live",
    "Parameters",
    "Policies",
    "Response",
    "Rewards",
    "Rule",
    "Samples",
    "Step",
    "combiners",
]
