"""What comes with the package to be run by name: `digits` stands for benchmarks/suites/digits.yaml.

A wheel holds these files in the package (setup.py puts them there); a checkout keeps them under benchmarks/.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from labelbench_plus.faults import did_you_mean

PACKAGE = Path(__file__).parent
KINDS = ("suites", "selections")


@cache
def shipped(kind: str) -> dict[str, Path]:
    """The files of a kind by name, sorted; empty where the package came without them.

    Parameters
    ----------
    kind: one of `KINDS`.
    """
    homes = (PACKAGE / "shipped_files" / kind, PACKAGE.parent / "benchmarks" / kind)
    found = next((home for home in homes if home.is_dir()), None)
    return {file.stem: file for file in sorted(found.glob("*.yaml"))} if found else {}


def by_name(kind: str, said: Path | str) -> Path:
    """The shipped file that is meant by a bare name, and any path as it is. A file that is there comes first.

    Parameters
    ----------
    kind: one of `KINDS`.
    """
    path = Path(said)
    return shipped(kind).get(path.name, path) if _is_name(path) and not path.is_file() else path


def unknown(kind: str, said: Path) -> str:
    """What to say of a file that is not there, with the shipped one that may have been meant."""
    names = shipped(kind)
    nearest = did_you_mean(said.stem, names)
    if _is_name(said):
        all_of_them = f" ({', '.join(names)})"
        return f"neither a file nor one of the shipped {kind}{nearest or all_of_them}"
    return f"no such file{nearest}"


def _is_name(path: Path) -> bool:
    return not path.suffix and len(path.parts) == 1


def title(file: Path) -> str:
    """What a suite file calls itself, or the first words of its comment."""
    lines = file.read_text(encoding="utf-8").splitlines()
    for line in lines:
        if line.startswith("title:"):
            return line.removeprefix("title:").strip().strip("\"'")
    return next((line.removeprefix("#").strip() for line in lines if line.startswith("#")), "")
