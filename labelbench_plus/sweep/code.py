"""Which code a job runs, so that one that starts hours after its submission can tell whether it is still the same."""

from __future__ import annotations

from typing import Any

from labelbench_plus import __version__
from labelbench_plus.store.manifest import code_identity


def code_version() -> dict[str, Any]:
    """The package's version, and its commit and uncommitted changes when it runs from a checkout."""
    return {"version": __version__, **code_identity()}
