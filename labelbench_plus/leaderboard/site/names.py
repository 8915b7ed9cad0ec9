"""Names of files and anchors: readable, unique, the same whatever else is on the site."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

LONGEST = 80


def slug(name: str) -> str:
    """Lower-case letters, digits and hyphens; a name that loses something by it gets its own eight digits."""
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST].strip("-")
    faithful = re.sub(r"[ _()×·,=.\[\]/-]+", "-", name.lower()).strip("-") == stem
    return stem if stem and faithful else f"{stem or 'x'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def slugs(names: Sequence[str]) -> dict[str, str]:
    """A slug for each name; names that would share one get eight digits each, so that none depends on the order."""
    found = {name: slug(name) for name in names}
    taken: dict[str, int] = {}
    for each in found.values():
        taken[each] = taken.get(each, 0) + 1
    return {
        name: each if taken[each] == 1 else f"{each}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        for name, each in found.items()
    }
