"""The tutorial for a cluster, carried out on one: what the tests of other machines leave out of it."""

import subprocess
import sys

import pytest

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "tutorials" / "sweep.md"

pytestmark = pytest.mark.usefixtures("cluster")


def test_the_first_sweep_goes_as_its_page_says(tmp_path):
    assert [block for block in blocks(PAGE.read_text(encoding="utf-8")) if block.verb == "slurm"]
    command = [sys.executable, "-m", "tests.docs.carry_out", PAGE, "--in", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-6000:]
    assert (tmp_path / "first_sweep.csv").exists()
    there, here = (
        {path.parent.name: path.read_bytes() for path in (tmp_path / out / "runs").glob("*/result.json")}
        for out in ("outputs", "rehearsal")
    )
    assert there == here and len(here) == 12
