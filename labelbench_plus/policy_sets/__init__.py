"""Policy sets: one file each. A policy set is a reference with rewards, and policies tuned to one of them each."""

from labelbench_plus.contracts.policy_sets import (
    Bits,
    Fit,
    Fitted,
    Given,
    Learner,
    OpenPolicySet,
    Outcome,
    Pairs,
    PolicySet,
    policy_sets,
)

__all__ = [
    "Bits",
    "Fit",
    "Fitted",
    "Given",
    "Learner",
    "OpenPolicySet",
    "Outcome",
    "Pairs",
    "PolicySet",
    "policy_sets",
]
