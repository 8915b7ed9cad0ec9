"""Every module can be the first that is imported: whatever a script begins with, no circle stands in its way.

`test_direction` finds circles in the source; here Python itself says that there is none. One process imports what our
modules need of other projects, and forks for each of our modules.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.imports import modules

PROBE = """
import importlib, os, sys, traceback

NAMES = {names!r}

def forked(work):
    reading, writing = os.pipe()
    if not (child := os.fork()):
        try:
            said = work()
        except BaseException:
            said = traceback.format_exc()[-2000:]
        with os.fdopen(writing, "w") as file:
            file.write(said)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        said = file.read()
    os.waitpid(child, 0)
    return said

def of_others():
    for name in NAMES:
        importlib.import_module(name)
    return " ".join(name for name in sys.modules if not name.startswith("labelbench_plus"))

for name in forked(of_others).split():
    try:
        importlib.import_module(name)
    except Exception:  # a part of a package that only the whole imports
        pass
assert not [name for name in sys.modules if name.startswith("labelbench_plus")]
failed = {{name: said for name in NAMES if (said := forked(lambda: importlib.import_module(name) and ""))}}
assert not failed, "\\n".join(f"{{name}}: {{said}}" for name, said in failed.items())
"""


def probe(names: list[str], **where: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(names=names)], capture_output=True, text=True, check=False, **where
    )
    return done.stderr if done.returncode else ""


@pytest.mark.slow
def test_every_module_can_be_imported_first():
    names = [name for name in modules() if not name.endswith("__main__")]
    assert len(names) > 500
    assert not probe(names)


def test_a_circle_is_found_from_the_end_where_it_breaks(tmp_path):
    (tmp_path / "first.py").write_text("import second\nfrom second import thing\n")
    (tmp_path / "second.py").write_text("from first import thing\n")
    (tmp_path / "alone.py").write_text("")
    assert "second: Traceback" in probe(["alone", "second"], cwd=str(tmp_path))
    assert not probe(["alone"], cwd=str(tmp_path))
