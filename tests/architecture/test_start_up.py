"""`lbp --help` must answer at once: nothing heavy is imported before a command needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "jinja2",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "submitit",
    "timm",
    "torch",
    "torchvision",
    "transformers",
    "wandb",
)

PROBE = f"""
import sys
sys.argv = ["lbp", *{{arguments}}]
from labelbench_plus.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
loaded = sorted(set({HEAVY!r}) & set(sys.modules))
assert not loaded, f"loaded: {{{{loaded}}}}"
"""


def probe(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("arguments", [["--help"], ["sweep", "--help"]], ids=" ".join)
def test_help_loads_nothing_heavy(arguments):
    probe(PROBE.format(arguments=arguments))


def test_importing_the_package_loads_nothing_heavy():
    probe(f"import sys, labelbench_plus\nassert not set({HEAVY!r}) & set(sys.modules)")
