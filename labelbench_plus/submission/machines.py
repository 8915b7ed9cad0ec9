"""When two computations of a run must agree to the last bit: same code, versions and machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FINGERPRINT = ("code", "python", "packages", "system", "cpu", "cpu_kind", "threads", "device", "cuda")


def same_machine(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two manifests are of the same code, versions and machine, so that runs come out to the last bit."""
    return one["code"]["commit"] is not None and all(one.get(name) == other.get(name) for name in FINGERPRINT)
