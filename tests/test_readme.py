"""What the README shows works as it stands there. (tests/docs carries out its commands.)"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_new_strategy_competes(suite_file, tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    plugin = tmp_path / "two_horses.py"
    plugin.write_text(code)
    lbp = [sys.executable, "-c", "from labelbench_plus.cli import main; main()"]
    overrides = ["strategies=[random, margin, two_horses]", "seeds=0..0"]
    command = [
        *lbp,
        "run",
        str(suite_file()),
        *overrides,
        "--plugin",
        str(plugin),
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "two_horses" in done.stdout


@pytest.mark.parametrize("name", re.findall(r"(benchmarks/suites/\w+\.yaml)", README))
def test_the_suites_it_names_are_there(name):
    assert (ROOT / name).is_file()


def test_the_suite_it_shows_is_valid(tmp_path):
    from labelbench_plus.suite import load_suite

    (block,) = re.findall(r"```yaml\n(suite: digits\n.*?)```", README, flags=re.DOTALL)
    path = tmp_path / "suite.yaml"
    path.write_text(block)
    assert len(load_suite(path).runs()) == 25
