"""Everything that the documentation shows works. A file of its own: it takes longest of all, and so begins first."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.docs.pages import ROOT, written


def test_every_command_and_every_block_of_code_works_and_every_notebook_runs_from_top_to_bottom():
    """All in one process, a fork each, so that torch is imported once."""
    pytest.importorskip("material", reason="the documentation needs mkdocs-material: pip install '.[dev]'")
    notebooks = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
    command = [sys.executable, "-m", "tests.docs.carry_out", *map(str, [*written(), *notebooks])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-6000:]
