"""Modules of the folders can be imported without naming the folder, as when all lay in one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from labelbench_plus import algorithms

MOVED = sorted((file.parent.name, file.stem) for file in Path(algorithms.__path__[0]).glob("*/*.py"))
MOVED = [(folder, name) for folder, name in MOVED if name != "__init__"]

WAYS = """
import sys
import labelbench_plus.algorithms
assert not {"torch", "numpy"} & set(sys.modules)
import labelbench_plus.algorithms.greedy_design
from labelbench_plus.algorithms import logistic_regression
from labelbench_plus.algorithms.greedy_design import d_optimal
from labelbench_plus.algorithms.design import greedy_design as home
from labelbench_plus.algorithms.learners import logistic_regression as other_home
assert labelbench_plus.algorithms.greedy_design is home, "the same module"
assert home.__name__ == home.__spec__.name == "labelbench_plus.algorithms.design.greedy_design"
assert d_optimal is home.d_optimal
assert logistic_regression is other_home
"""


def test_every_way_of_importing_gives_the_same_module_and_loads_nothing_before_it_is_asked_for():
    done = subprocess.run([sys.executable, "-c", WAYS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_name_is_used_twice():
    flat = {file.stem for file in Path(algorithms.__path__[0]).glob("*.py")}
    names = [name for _, name in MOVED]
    assert len(set(names)) == len(names) > 20
    assert not flat & set(names)


def test_what_is_not_there_is_still_missing():
    with pytest.raises(ModuleNotFoundError, match=r"algorithms\.nothing"):
        import labelbench_plus.algorithms.nothing  # noqa: F401
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from labelbench_plus.algorithms import nothing  # noqa: F401
