"""`lbp new`: what it writes works as it is."""

from __future__ import annotations

import os
import site
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.plugins import load_plugin_file, registry
from labelbench_plus.scaffold.create import ScaffoldError, in_the_demo, new_file, new_package
from labelbench_plus.scaffold.kinds import PLURAL, Kind
from labelbench_plus.suite import load_suite
from labelbench_plus.testing.kit import check_plugin

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_file_passes_its_checks_as_it_is_and_has_a_place_in_the_demo(kind, tmp_path):
    name = f"fresh_{kind}"
    created = new_file(kind, name, tmp_path)
    assert created.files == (tmp_path / f"{name}.py",)
    assert created.next_commands[0] == f"lbp check {tmp_path / name}.py"
    load_plugin_file(created.files[0])
    found = registry(PLURAL[kind])
    try:
        report = check_plugin(PLURAL[kind], name, quick=True)
        assert report.passed, str(report)
        demo = load_suite(ROOT / "benchmarks" / "suites" / "digits.yaml", in_the_demo(kind, name))
        assert name in str(demo.runs()[-1].as_json())
    finally:
        del found._local[name], found._classes[name]


def test_a_problem_can_be_of_regression(tmp_path):
    created = new_file("problem", "fresh_springs", tmp_path, task="regression")
    assert "'problems=[fresh_springs]' 'trainers=[ridge]'" in created.next_commands[-1]
    load_plugin_file(created.files[0])
    try:
        report = check_plugin("problems", "fresh_springs", quick=True)
        assert report.passed, str(report)
        demo = in_the_demo("problem", "fresh_springs", "regression")
        assert len(load_suite(ROOT / "benchmarks" / "suites" / "digits.yaml", demo).runs()) == 4
    finally:
        del registry("problems")._local["fresh_springs"], registry("problems")._classes["fresh_springs"]
    with pytest.raises(ScaffoldError, match="--task regression is for problems"):
        new_file("metric", "fresh_metric", tmp_path, task="regression")


def test_packages_install_and_pass_their_tests_in_a_fresh_environment(tmp_path):
    """Without a network: torch and the rest are seen through this environment's folder, nothing is downloaded."""
    packages = [
        new_package(kind, f"brand_new_{kind}", tmp_path, license_name, "A. Author").files[0].parent
        for kind, license_name in (
            ("strategy", "MIT"),
            ("trainer", "BSD-3-Clause"),
            ("problem", "none"),
            ("metric", "MIT"),
        )
    ]
    environment = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    (folder,) = environment.glob("lib/python*/site-packages")
    ours = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (folder / "borrowed.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in ours))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    install = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", *packages]
    done = subprocess.run(install, capture_output=True, text=True, check=False, env=clean)
    if done.returncode and "setuptools" in done.stderr and "No module named" in done.stderr:
        pytest.skip(f"packages cannot be built without a network here: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    listed = subprocess.run(
        [python, "-c", "from labelbench_plus.cli import main; main()", "list", "strategies"],
        capture_output=True, text=True, check=True, env=clean, cwd=tmp_path,
    )  # fmt: skip
    assert "brand_new_strategy from brand-new-strategy 0.1.0, from a folder" in [
        " ".join(line.split()) for line in listed.stdout.splitlines()
    ]
    tests = [str(package / "tests" / "test_conformance.py") for package in packages]
    tested = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *tests],
        capture_output=True, text=True, check=False, env=clean, cwd=tmp_path,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout[-3000:]
    assert "passed" in tested.stdout
    assert "failed" not in tested.stdout


def test_a_package_is_complete(tmp_path):
    created = new_package("strategy", "whole_thing", tmp_path, "MIT", "Ada Lovelace")
    root = tmp_path / "whole-thing"
    there = {str(file.relative_to(root)) for file in created.files}
    assert there >= {
        "pyproject.toml", "README.md", "LICENSE", "src/whole_thing/plugin.py", "tests/test_conformance.py",
        ".github/workflows/test.yml",
    }  # fmt: skip
    assert "Copyright (c) Ada Lovelace" in (root / "LICENSE").read_text()
    assert 'whole_thing = "whole_thing.plugin:WholeThing"' in (root / "pyproject.toml").read_text()
    assert not any("{{" in file.read_text() for file in created.files)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("My-Strategy", "cannot be a name"),
        ("2fast", "cannot be a name"),
        ("lambda", "cannot be a name"),
        ("margin", r"strategy 'margin' is taken by built in \(labelbench_plus.strategies.uncertainty.margin\)"),
        ("json", "is the name of a Python module already"),
    ],
)
def test_bad_and_taken_names_are_refused(name, says, tmp_path):
    with pytest.raises(ScaffoldError, match=says):
        new_package("strategy", name, tmp_path, "MIT", "x")
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(ScaffoldError, match="is there already"):
        new_package("strategy", "mine", tmp_path, "MIT", "x")
    (tmp_path / "yours.py").write_text("kept")
    with pytest.raises(ScaffoldError, match="is there already"):
        new_file("strategy", "yours", tmp_path)
    assert (tmp_path / "yours.py").read_text() == "kept"


def test_in_a_checkout_the_file_goes_to_its_place(tmp_path):
    family = tmp_path / "labelbench_plus" / "strategies" / "uncertainty"
    family.mkdir(parents=True)
    (family / "__init__.py").touch()
    created = new_file("strategy", "tidy", tmp_path, "uncertainty")
    assert created.files == (family / "tidy.py",)
    assert created.next_commands[0] == "lbp check tidy"
    with pytest.raises(ScaffoldError, match="there are uncertainty"):
        new_file("strategy", "tidier", tmp_path, "geometry")


def test_the_command_says_what_to_type_next(tmp_path):
    done = CliRunner().invoke(app, ["new", "strategy", "told", "--into", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert f"wrote {tmp_path / 'told.py'}" in done.output
    assert done.output.split("next:")[1].count("lbp ") == 3
    assert CliRunner().invoke(app, ["new", "strategy", "told", "--into", str(tmp_path)]).exit_code == 2
