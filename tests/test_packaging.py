"""What is built can be installed anywhere: the source distribution is whole, a wheel needs no checkout beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def built(source: Path, to: Path, kind: str) -> Path:
    """The distribution that setup.py makes of a folder."""
    command = [sys.executable, "setup.py", "-q", kind, "--dist-dir", str(to)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = to.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return file


def copied(to: Path) -> Path:
    """A copy of what is committed here but the published results: other tests write beside it while it is built."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout: which files are committed is not known")
    for name in listed.stdout.split("\0"):
        if name and not re.match("results/[^/]+/", name) and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)
    return to


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    to = tmp_path_factory.mktemp("source")
    with tarfile.open(built(copied(tmp_path_factory.mktemp("copy")), to, "sdist")) as archive:
        archive.extractall(to, filter="data")
    (folder,) = (path for path in to.iterdir() if (path / "setup.py").is_file())
    return folder


@pytest.fixture(scope="module")
def installed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel that was made of the source distribution installs, in a folder of its own."""
    to = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(built(source, tmp_path_factory.mktemp("wheel"), "bdist_wheel")) as archive:
        archive.extractall(to)
    return to


def lbp(installed: Path, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed), "LBP_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "labelbench_plus", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_source_distribution_holds_what_its_tests_need(source):
    for name in ("tests/test_cli.py", "benchmarks/suites/digits.yaml", "docs/start.md", "CHANGELOG.md", "Makefile"):
        assert (source / name).is_file(), name


def test_a_wheel_runs_a_suite_by_name_and_builds_its_page(installed, tmp_path):
    shown = lbp(installed, tmp_path, "env")
    assert re.search(rf"runs from: {re.escape(str(installed))}/", shown)
    assert "digits" in lbp(installed, tmp_path, "list", "suites")
    assert "datacomp_small" in lbp(installed, tmp_path, "list", "selections")
    small = ("seeds=[0]", "budget.rounds=1", "strategies=random")
    said = lbp(installed, tmp_path, "run", "digits", *small)
    assert "1 runs finished" in said
    assert (tmp_path / "outputs" / "leaderboards" / "digits" / "index.html").is_file()
    # What was printed is a suite again.
    (tmp_path / "mine.yaml").write_text(lbp(installed, tmp_path, "suites", "show", "digits"))
    assert "1 done" in lbp(installed, tmp_path, "run", "mine.yaml", *small)


def test_the_metadata_say_what_an_index_shows(installed):
    (file,) = installed.glob("*.dist-info/METADATA")
    about = message_from_string(file.read_text(encoding="utf-8"))
    for field in ("Author", "Summary", "Keywords", "License-Expression", "License-File", "Requires-Python"):
        assert about[field], field
    assert any("3.11" in each for each in about.get_all("Classifier"))
    assert about["Description-Content-Type"] == "text/markdown"
