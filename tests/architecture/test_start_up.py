"""`lbp --help` must answer at once, and so must reading a suite: nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.imports import KINDS
from tests.architecture.test_files import plugin_files

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


IMPORT_PLUGINS = """
import importlib, sys, traceback

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise RuntimeError("torch is imported")

sys.meta_path.insert(0, Refuse())
culprits = {{}}
for module in {modules}:
    try:
        importlib.import_module(module)
    except RuntimeError as error:
        lines = [frame for frame in traceback.extract_tb(error.__traceback__) if "labelbench_plus" in frame.filename]
        culprits[module] = f"{{lines[-1].filename}}:{{lines[-1].lineno}}"
assert not culprits, "\\n".join(f"{{module}} loads torch at {{place}}" for module, place in culprits.items())
"""


def test_importing_a_built_in_plugin_loads_no_torch():
    """A suite names many plugins, and is to be read, checked and hashed in an instant: torch alone takes seconds."""
    probe(IMPORT_PLUGINS.format(modules=[module for kind in KINDS for module in plugin_files(kind)]))
