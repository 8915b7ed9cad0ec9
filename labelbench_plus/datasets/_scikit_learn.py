"""Files with data that scikit-learn ships."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def shipped(name: str) -> Path | None:
    """Where a file of scikit-learn's data is, found without importing it; None if this version has it elsewhere.

    Raises
    ------
    FileNotFoundError
        scikit-learn is not installed.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None:
        raise FileNotFoundError(f"{name} is part of scikit-learn: pip install scikit-learn")
    for folder in spec.submodule_search_locations or []:
        if (file := Path(folder, "datasets", "data", name)).is_file():
            return file
    return None
