"""A copy of the code for a sweep's jobs, so that the checkout can be edited while they wait.

OUT/sweeps/<name>/code/<hash>/labelbench_plus/   the package's tracked files as they are now, changes included
                              plugins/           the files given with --plugin
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import labelbench_plus
from labelbench_plus.store.atomic import publish_folder
from labelbench_plus.store.manifest import SNAPSHOT, code_identity


class SnapshotError(Exception):
    """There is nothing to copy; the message says why."""


class Snapshot:
    """The current code; nothing is written before `write`.

    Parameters
    ----------
    folder: the sweep's. plugins: files given with --plugin.

    Raises
    ------
    SnapshotError
        The package does not run from a checkout, or a file of it cannot be read.
    """

    def __init__(self, folder: Path, plugins: Sequence[Path]) -> None:
        package = Path(labelbench_plus.__file__).resolve().parent
        digest = hashlib.sha256()
        self._files: dict[str, bytes] = {}
        try:
            for name in _tracked(package):
                self._files[f"{package.name}/{name}"] = (package / name).read_bytes()
            for number, path in enumerate(plugins):
                self._files[f"plugins/{number}/{path.name}"] = path.read_bytes()
        except OSError as error:
            raise SnapshotError(f"--snapshot: {error.filename} cannot be copied: {error.strerror}") from error
        self._files[f"{package.name}/{SNAPSHOT}"] = json.dumps(code_identity()).encode()
        for name, content in sorted(self._files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        self.path = (folder / "code" / digest.hexdigest()[:16]).absolute()
        self.plugins = [self.path / "plugins" / str(number) / path.name for number, path in enumerate(plugins)]

    def write(self) -> None:
        """Write the copy, unless it exists."""
        if self.path.exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        publish_folder(self.path, self._write_files)

    def _write_files(self, folder: Path) -> None:
        for name, content in self._files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _tracked(package: Path) -> list[str]:
    command = ["git", "-C", str(package), "ls-files", "-z", "--", "."]
    try:
        names = subprocess.run(command, capture_output=True, check=True, timeout=20).stdout.decode().split("\0")
    except (OSError, subprocess.SubprocessError):
        names = []
    found = [name for name in names if name and (package / name).is_file()]
    if "__init__.py" not in found:
        raise SnapshotError(
            f"--snapshot: {package} is not a git checkout; an installed copy does not change while jobs wait, so leave "
            "the option out"
        )
    return found
