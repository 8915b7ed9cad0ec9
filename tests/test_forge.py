"""What a forge reads is of the form it expects, and calls what the project has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from labelbench_plus import __version__
from labelbench_plus.inputs.plain_yaml import load_yaml
from tests.files import faults

ROOT = Path(__file__).parents[1]
FORGE = ROOT / ".github"
SCHEMAS = {
    "github-workflows": sorted(FORGE.glob("workflows/*.yml")),
    "github-issue-forms": [file for file in sorted(FORGE.glob("ISSUE_TEMPLATE/*.yml")) if file.stem != "config"],
    "github-issue-config": [FORGE / "ISSUE_TEMPLATE" / "config.yml"],
    "dependabot": [FORGE / "dependabot.yml"],
    "citation-file-format": [ROOT / "CITATION.cff"],
}
LARGE = {"results/regression/curves.csv", "results/regression/runs.jsonl.gz"}
"""Published before there was a limit: they keep their bytes."""


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_forge_can_read_its_files(schema):
    pytest.importorskip("check_jsonschema", reason="schemas are in check-jsonschema: pip install '.[dev]'")
    assert SCHEMAS[schema]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *SCHEMAS[schema]]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_workflows_call_targets_that_are_there():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for file in SCHEMAS["github-workflows"]:
        text = file.read_text()
        called = set(re.findall(r"run: make ([\w-]+)", text))
        assert called <= targets, f"{file.name}: the Makefile has no {called - targets}"
        steps = [step for job in load_yaml(text)[0]["jobs"].values() for step in job["steps"]]
        for step in steps:
            assert "uses" in step or re.search(r"make|\.ci/run", step["run"]), f"{file.name}: {step}: call a target"


def test_the_citation_is_of_this_version():
    assert load_yaml((ROOT / "CITATION.cff").read_text())[0]["version"] == __version__


def test_files_are_of_a_readable_size_and_end_in_a_newline():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout: which files are committed is not known")
    files = [ROOT / name for name in listed.stdout.split("\0") if name and name not in LARGE]
    assert not faults(file for file in files if file.is_file())


def test_what_is_wrong_with_a_file_is_named(tmp_path):
    (tmp_path / "open.txt").write_text("no end")
    (tmp_path / "trailing.txt").write_text("end\n\n")
    (tmp_path / "well.txt").write_text("end\n")
    with open(tmp_path / "large.bin", "wb") as file:
        file.truncate(26 * 2**20)
    found = "\n".join(faults(sorted(tmp_path.iterdir())))
    assert "open.txt: does not end in a newline" in found
    assert "trailing.txt: ends in empty lines" in found
    assert "large.bin: 26 MiB, more than 25" in found
    assert "well.txt" not in found
