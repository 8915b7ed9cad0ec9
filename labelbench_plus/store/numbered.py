"""Files that differ by a number, and are ordered by it: `0000.json`, `0001.json` … `10000.json`.

Other names are ignored: a copy made by a program that synchronises folders, say, is neither a round nor an attempt.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from labelbench_plus.store import told

NUMBER = r"(\d{4}|[1-9]\d{4,})"
"""As `file_name` writes it: four digits at least, and no zeros before more of them."""


def file_name(number: int, suffix: str = ".json") -> str:
    """The name of the file with a number."""
    return f"{number:04d}{suffix}"


def numbered(folder: Path, suffix: str = ".json") -> dict[int, Path]:
    """The numbered files of a folder in numerical order; none if the folder does not exist.

    A file that has the suffix and no number's name is left out, and named in a warning once.
    """
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return {}
    pattern, found = re.compile(NUMBER + re.escape(suffix), re.ASCII), {}
    for name in names:
        if match := pattern.fullmatch(name):
            found[int(match[1])] = folder / name
        elif name.endswith(suffix) and not name.startswith("."):
            told.once(folder / name, f"its name is none of those that {folder.name} has")
    return dict(sorted(found.items()))
