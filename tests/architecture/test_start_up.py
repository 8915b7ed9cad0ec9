"""`lbp --help` must answer at once, and so must reading a suite: nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from labelbench_plus import load_suite
from labelbench_plus.running.job import Where, carry_out, local_jobs
from tests.architecture.imports import KINDS
from tests.architecture.test_files import plugin_files

HEAVY = (
    "PIL",
    "jinja2",
    "labelbench_plus.store.packs",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "scipy.optimize",
    "scipy.stats",
    "sklearn",
    "submitit",
    "timm",
    "torch",
    "torchvision",
    "transformers",
    "wandb",
)

BOARD = {"jinja2", "numpy", "pandas", "pyarrow", "scipy"}
MAY_LOAD = (
    ("--help", set(), 0),
    ("sweep --help", set(), 0),
    ("list strategies", set(), 0),
    ("run {suite} strategies=[margn] --out {folder}/out", {"numpy"}, 2),
    ("config show {suite}", {"numpy"}, 0),
    ("config hash {suite}", {"numpy"}, 0),
    ("cache list", {"numpy"}, 0),
    ("new strategy mine --into {folder}", {"numpy", "jinja2"}, 0),
    ("run {suite} --out {folder}/out", BOARD, 0),
    ("leaderboard {suite} --out {folder}/out", BOARD, 0),
    ("show {run} --out {folder}/out", BOARD, 0),
    ("publish {suite} {folder}/published --out {folder}/out", BOARD, 0),
    ("compare margin random {folder}/published", BOARD, 0),
)
"""Commands from the lightest to the heaviest, of what is above what each may load, and how it exits. The suite's runs
are done. Nothing here needs torch, and of SciPy boards need the special functions alone."""

PROBE = """
import contextlib, io, sys
from labelbench_plus.cli import main
for command, allowed, expected in {commands!r}:
    sys.argv, said = ["lbp", *command.split()], io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    assert code == expected, f"lbp {{command}}: exit {{code}}\\n{{said.getvalue()}}"
    loaded = sorted(set({heavy!r}) & set(sys.modules) - allowed)
    assert not loaded, f"lbp {{command}} loads {{loaded}}"
"""


def probe(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_commands_load_what_they_need_and_no_more(suite_file, tmp_path):
    path = suite_file(("rounds: 3", "rounds: 1"), ("seeds: 0..1", "seeds: [0]"))
    runs = load_suite(path).runs()
    for job in local_jobs(runs, Where.here(tmp_path / "out"), 1):
        assert carry_out(job, lambda rounds: None) == "finished"
    known = {"suite": path, "folder": tmp_path, "run": runs[0].id}
    commands = [(command.format_map(known), allowed, code) for command, allowed, code in MAY_LOAD]
    probe(PROBE.format(commands=commands, heavy=HEAVY))


def test_a_selection_of_pairs_loads_no_pandas(tmp_path):
    """Arrow loads it where an array is handed to it, or a data set is opened: a fifth of a second a process."""
    file = tmp_path / "pairs.npy"
    np.save(file, np.eye(20, dtype=np.float32))
    pool = f"{{name: pair_arrays, images: {file}, texts: {file}, targets: [{file}]}}"
    (tmp_path / "selection.yaml").write_text(f"pool: {pool}\nstrategy: vas\nfraction: 0.3\n")
    command = f"pairs select {tmp_path}/selection.yaml --out {tmp_path}/out --jobs 1"
    probe(PROBE.format(commands=[(command, {"jinja2", "numpy", "pyarrow", "torch"}, 0)], heavy=HEAVY))


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
