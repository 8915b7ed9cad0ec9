"""`lbp env`: what a bug report needs."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from labelbench_plus import __version__
from labelbench_plus.commands.common import Json
from labelbench_plus.plugins import BUILT_IN, kinds, registry
from labelbench_plus.shown import say

DISTRIBUTION = "labelbench-plus"
SLURM_SECONDS = 5


def env(as_json: Json = False) -> None:
    """Print versions, devices, SLURM, paths and third-party plugins: paste it into a bug report.

    Examples:
      lbp env --json
      lbp env
    """
    found = _found()
    if as_json:
        say(json.dumps(found, indent=1))
        return
    for part, lines in found.items():
        say(f"{part}:")
        for name, value in lines.items():
            say(f"  {name}: {value if value not in (None, '') else 'none'}")


def _found() -> dict[str, dict[str, Any]]:
    import torch

    from labelbench_plus.store.artefacts import default_cache_dir
    from labelbench_plus.store.manifest import PACKAGE, code_identity, cpu_model

    code = code_identity()
    return {
        "labelbench-plus": {
            "version": __version__,
            "commit": code["commit"],
            "uncommitted changes": "yes" if code["dirty"] else "no",
            "runs from": str(PACKAGE),
        },
        "system": {
            "system": platform.platform(),
            "python": f"{platform.python_version()}, {sys.executable}",
            "cpu": cpu_model(),
            "cuda": torch.version.cuda,
            "devices": ", ".join(map(torch.cuda.get_device_name, range(torch.cuda.device_count()))),
            "torchvision": _torchvision(),
            "slurm": _slurm(),
            "cache": str(Path(default_cache_dir())),
        },
        "packages": _packages(),
        "plugins of others": _others_plugins(),
    }


def _packages() -> dict[str, str]:
    """What this package can use and is installed, by name: what it requires, and what its extras name."""
    requirements = importlib.metadata.requires(DISTRIBUTION) or ()
    wanted = sorted({re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in requirements})
    versions = {}
    for name in wanted:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _torchvision() -> str:
    from labelbench_plus._torchvision_compat import lacks_extension

    return (
        "its C++ extension cannot load here: nms and detection do not work, all else does"
        if lacks_extension()
        else "ok"
    )


def _slurm() -> str | None:
    if shutil.which("sbatch") is None:
        return None
    try:
        done = subprocess.run(
            ["sbatch", "--version"], capture_output=True, text=True, check=True, timeout=SLURM_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return "sbatch is installed, and does not answer: no cluster is set up here"
    return done.stdout.strip()


def _others_plugins() -> dict[str, str]:
    """Where each plugin comes from that is not built in."""
    return {
        f"{kind} {entry.name}": entry.origin
        for kind in kinds()
        for entry in (*registry(kind).entries().values(), *registry(kind).refused)
        if entry.origin not in (BUILT_IN, f"{DISTRIBUTION} {__version__}")
    }
