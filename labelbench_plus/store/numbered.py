"""Files that differ by a number, and are ordered by it: `0000.json`, `0001.json` … `10000.json`.

Other names are ignored: a copy made by a program that synchronises folders, say, is neither a round nor an attempt.
"""

from __future__ import annotations

import re
from typing import TypeVar

from labelbench_plus.store import told
from labelbench_plus.store.readable import Readable

R = TypeVar("R", bound=Readable)

NUMBER = r"(\d{4}|[1-9]\d{4,})"
"""As `file_name` writes it: four digits at least, and no zeros before more of them."""


def file_name(number: int, suffix: str = ".json") -> str:
    """The name of the file with a number."""
    return f"{number:04d}{suffix}"


def numbered(folder: R, suffix: str = ".json") -> dict[int, R]:
    """The numbered files of a folder in numerical order; none if the folder does not exist.

    A file that has the suffix and no number's name is left out, and named in a warning once.
    """
    try:
        paths = list(folder.iterdir())
    except FileNotFoundError:
        return {}
    pattern, found = re.compile(NUMBER + re.escape(suffix), re.ASCII), {}
    for path in paths:
        if match := pattern.fullmatch(name := path.name):
            found[int(match[1])] = path
        elif name.endswith(suffix) and not name.startswith("."):
            told.once(path, f"its name is none of those that {folder.name} has")
    return dict(sorted(found.items()))
