"""Where a run comes from: code, versions, hardware. Written before round 0, so that a result can be judged by itself.

Manifests are published; which host and command line computed a run is in its attempts, which are not.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from labelbench_plus.plugins import with_parts
from labelbench_plus.spec import VALIDATION, RunSpec
from labelbench_plus.store.origins import origins
from labelbench_plus.store.others_code import changed, code_of_run

PACKAGE = Path(__file__).resolve().parents[1]
SNAPSHOT = "snapshot.json"  # in a copy of the package made for jobs: what `code_identity` said of the original
PACKAGES = (
    "labelbench-plus",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "transformers",
)
# Of /proc/cpuinfo: libraries choose kernels, and the blocks in which they sum, by these.
CPU_KIND = ("vendor_id", "cpu family", "model", "stepping", "cache size", "CPU implementer", "CPU part")
FLAGS = ("flags", "Features")
COMPUTING = ("sse", "fma", "f16c", "avx", "amx", "asimd", "sve", "bf16", "i8mm")


def manifest(
    spec: RunSpec,
    device: str,
    selection: Mapping[str, str] | None = None,
    isolation: Mapping[str, Any] | None = None,
    plugin_files: Sequence[Path] = (),
) -> dict[str, Any]:
    """Everything a reader needs to judge or repeat a run, as plain JSON values.

    Parameters
    ----------
    selection: of a run with a proxy, which `run` chose its labels, and the `head` of that run: the hash of its last
        round, which stands for all it bought.
    isolation: of a run whose strategies chose in a process of their own, what confined that
        (`isolation.suites.as_manifest`).
    plugin_files: given with --plugin.
    """
    others = others_code_of(spec, plugin_files)
    return {
        "run": spec.id,
        "identity": spec.identity,
        "plugins": origins(spec),
        "validation_labels": spec.validation_labels,
        **({"beside": spec.beside} if spec.beside.keys() - {VALIDATION} else {}),
        **({"selection": dict(selection)} if selection is not None else {}),
        **({"isolation": dict(isolation)} if isolation is not None else {}),
        **({"others_code": others} if others else {}),
        **({"settled": settled} if (settled := _settled(spec, device)) else {}),
        **machine(device),
    }


def _settled(spec: RunSpec, device: str) -> dict[str, str]:
    """What plugins of a run decided by themselves on this machine: `{"causal arithmetic": "bfloat16"}`."""
    found: dict[str, str] = {}
    for plugin in (spec.problem, spec.trainer, spec.proxy):
        for part in with_parts(plugin) if plugin is not None else ():
            found |= {f"{part.name} {what}": value for what, value in part.settled(device).items()}
    return found


def others_code_of(spec: RunSpec, plugin_files: Sequence[Path]) -> dict[str, str]:
    """Hashes by name of what a run's plugins come from; empty where all of them come with this package."""
    plugins = (spec.problem, spec.trainer, spec.strategy, spec.initial, spec.proxy)
    return code_of_run([each for each in plugins if each is not None], plugin_files)


class CodeDiffers(Exception):
    """A run was started with other third-party code than there is now."""


def check_others_code(begun: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Refuse to continue a run under code that differs from its manifest but has the same name and version.

    Raises
    ------
    CodeDiffers
        A plugin file, a package with plugins or a checkout was changed since.
    """
    if different := changed(begun.get("others_code", {}), now.get("others_code", {})):
        raise CodeDiffers(
            f"{folder}: started with an earlier {', '.join(different)}: its rounds would mix two methods under "
            "one name; restore it, or raise its plugin's `version` (or remove the folder) to start over"
        )


@cache
def machine(device: str) -> dict[str, Any]:
    """Code, versions and hardware of this process."""
    import torch

    deterministic = device == "cpu" or torch.are_deterministic_algorithms_enabled()
    return {
        "code": code_identity(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "system": platform.platform(),
        "cpu": cpu_model(),
        "cpu_kind": cpu_kind(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "cuda": torch.version.cuda if device.startswith("cuda") else None,
        "determinism": "bitwise on this machine and these versions" if deterministic else "seeded",
    }


def code_identity() -> dict[str, Any]:
    """The commit this package runs from, and a hash of uncommitted changes; nulls when not run from a checkout."""
    folder = PACKAGE
    if (folder / SNAPSHOT).is_file():
        original: dict[str, Any] = json.loads((folder / SNAPSHOT).read_bytes())
        return original

    def git(*arguments: str) -> bytes | None:
        try:
            done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=True, timeout=20)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout

    commit, tracked = git("rev-parse", "HEAD"), git("ls-files", "--error-unmatch", "__init__.py")
    if commit is None or tracked is None:  # an installed copy inside somebody else's repository is not its code
        return {"commit": None, "dirty": None}
    changes = git("diff", "HEAD", "--", ".") or b""
    return {
        "commit": commit.decode().strip(),
        "dirty": hashlib.sha256(changes).hexdigest()[:16] if changes else None,
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def cpu_model() -> str:
    return about.get("model name", "unknown") if (about := _cpuinfo()) else platform.processor()


def cpu_kind() -> str:
    """What of a processor decides which kernels compute, and so the last bit: one name, as of a virtual machine, may
    stand for many. A hash of what it is and has, after what torch takes of that.
    """
    import torch

    about = _cpuinfo()
    able = sorted(each for name in FLAGS for each in about.get(name, "").split() if each.startswith(COMPUTING))
    said = json.dumps([[about.get(name) for name in CPU_KIND], able, platform.machine()])
    return f"{torch.backends.cpu.get_cpu_capability()} {hashlib.sha256(said.encode()).hexdigest()[:8]}"


@cache
def _cpuinfo() -> dict[str, str]:
    """What the system says of its first processor; nothing where it has no such file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
