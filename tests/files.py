"""What every committed file is held to: it ends in one newline, and is no larger than a reader wants to fetch.

`python -m tests.files FILE...` names those that are not so; `tests/test_files.py` asks it of all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

LARGEST = 25 * 2**20
BINARY = b"\0"


def faults(files: Iterable[Path]) -> list[str]:
    """What is wrong with each, a line a fault."""
    found = []
    for file in files:
        if file.stat().st_size > LARGEST:
            found.append(f"{file}: {file.stat().st_size / 2**20:.0f} MiB, more than {LARGEST // 2**20}")
            continue
        content = file.read_bytes()
        if not content or BINARY in content[:8192]:
            continue
        if not content.endswith(b"\n"):
            found.append(f"{file}: does not end in a newline")
        elif content.endswith(b"\n\n"):
            found.append(f"{file}: ends in empty lines")
    return found


if __name__ == "__main__":
    told = faults(map(Path, sys.argv[1:]))
    print("\n".join(told))
    sys.exit(bool(told))
