"""The one error for what is not on this machine."""

from __future__ import annotations


def not_here(what: str, why: str, *ways: str) -> FileNotFoundError:
    """Prompts that are nowhere, with every way to get them."""
    numbered = "; ".join(f"({number}) {way}" for number, way in enumerate(ways, start=1))
    return FileNotFoundError(f"{what} are not on this machine ({why}). Ways to get them: {numbered}")
