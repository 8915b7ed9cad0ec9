"""Writing a new plugin, as one file or as a package that can be installed and passes its own tests."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from labelbench_plus import __version__
from labelbench_plus.faults import did_you_mean
from labelbench_plus.plugins import registry
from labelbench_plus.scaffold.kinds import PLURAL, Kind, License, Task

NAME = re.compile(r"[a-z][a-z0-9_]*")


class ScaffoldError(Exception):
    """Nothing was written. The message says why, and what would be right."""


@dataclass(frozen=True)
class Created:
    """The files that were written, and what to type next."""

    files: tuple[Path, ...]
    next_commands: tuple[str, ...]


def new_file(kind: Kind, name: str, folder: Path, family: str | None = None, task: Task = "classification") -> Created:
    """Write one file with a working plugin.

    Parameters
    ----------
    folder: where. If it is a checkout of LabelBench Plus, the file goes to its place in the tree.
    family: the subfolder of the kind's folder in the tree ("uncertainty").
    task: of a problem.

    Raises
    ------
    ScaffoldError
        A name that cannot be used or is taken, or a file that is there already.
    """
    check_name(kind, name)
    template = _template(kind, task)
    home = folder / "labelbench_plus" / PLURAL[kind]
    in_tree = home.is_dir()
    if family is not None and not (in_tree and (home / family).is_dir()):
        there = sorted(path.parent.name for path in home.glob("[a-z]*/__init__.py"))
        hint = did_you_mean(family, there)
        raise ScaffoldError(
            f"--family {family}: no such folder in {home}; there are {', '.join(there) or 'none'}{hint}"
        )
    file = (home / family if family else home) / f"{name}.py" if in_tree else folder / f"{name}.py"
    _write({file: _render(template, name, kind=kind, task=task)})
    if in_tree:
        check = f"lbp check {name}"
        steps = (check, f"python -m pytest tests/testing/test_built_in.py -k {name}", _try(kind, name, None, task))
    else:
        steps = (f"lbp check {file}", f"lbp check {file} --json", _try(kind, name, file, task))
    return Created((file,), steps)


def new_package(
    kind: Kind, name: str, folder: Path, license_name: License, author: str, task: Task = "classification"
) -> Created:
    """Write a package with an entry point, a test that uses the conformance kit, a README and a CI file.

    It is the folder `folder`/NAME, with dashes for underscores.

    Raises
    ------
    ScaffoldError
        A name that cannot be used or is taken, or a folder that is there already.
    """
    check_name(kind, name)
    if name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        raise ScaffoldError(f"{name!r} is the name of a Python module already; a package of that name would hide it")
    root = folder / name.replace("_", "-")
    if root.exists():
        raise ScaffoldError(f"{root} is there already; choose another name or folder")
    values = {"kind": kind, "task": task, "license": license_name, "author": author, "distribution": root.name}
    plain = _render(_template(kind, task), name, **values)
    files = {
        root / "pyproject.toml": _render("pyproject", name, **values),
        root / "README.md": _render("readme", name, **values),
        root / "src" / name / "__init__.py": f'"""{_class_name(name)}, a {kind} for LabelBench Plus."""\n',
        root / "src" / name / "plugin.py": plain,
        root / "tests" / "test_conformance.py": _render("test", name, **values),
        root / ".github" / "workflows" / "test.yml": _render("ci", name, **values),
        root / ".gitignore": "__pycache__/\n*.egg-info/\nbuild/\ndist/\n.venv/\n",
    }
    if license_name != "none":
        files[root / "LICENSE"] = _render(license_name.lower(), name, **values)
    _write(files)
    return Created(
        tuple(files),
        (f"pip install -e '{root}[test]'", f"python -m pytest {root / 'tests'}", _try(kind, name, None, task)),
    )


def check_name(kind: Kind, name: str) -> None:
    """Refuse a name that cannot be a Python module or that a plugin has.

    Raises
    ------
    ScaffoldError
        The message says why.
    """
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ScaffoldError(f"{name!r} cannot be a name: a letter, then letters, digits and '_', all small")
    if entry := registry(PLURAL[kind]).entries().get(name):
        raise ScaffoldError(f"{kind} {name!r} is taken by {entry.origin} ({entry.target}); choose another name")


def _template(kind: Kind, task: Task) -> str:
    if task == "classification":
        return kind
    if kind != "problem":
        raise ScaffoldError(f"--task {task} is for problems; change the {kind} that is written without it")
    return f"{kind}_of_{task}"


def _try(kind: Kind, name: str, file: Path | None, task: Task) -> str:
    """A command that has the new plugin compete."""
    plugin = f" --plugin {file}" if file else ""
    overrides = " ".join(f"'{override}'" if "[" in override else override for override in in_the_demo(kind, name, task))
    return f"lbp run digits {overrides}{plugin}"


def in_the_demo(kind: Kind, name: str, task: Task = "classification") -> tuple[str, ...]:
    """What has the suite `digits` use a plugin."""
    if task == "regression":
        return (f"problems=[{name}]", "trainers=[ridge]", "strategies=[random, k_center]", "seeds=0..1")
    return {
        "strategy": (f"strategies=[random, margin, {name}]",),
        "trainer": (f"trainers.0.name={name}",),
        "problem": (f"problems=[{name}]", "seeds=0..1"),
        "dataset": (f"problems.0.dataset={name}", "problems.0.encoder=identity"),
        "metric": (f"problems.0.metrics=[{name}, accuracy]",),
        "condition": (f"problems.0.conditions=[{name}]",),
        "combiner": (
            "problems=[{name: weighting, policies: table}]",
            f"trainers=[{{name: weight_posterior, combiner: {name}}}]",
            "strategies=[random, bald]",
            "seeds=0..1",
        ),
        "synthesiser": (
            "problems.0.dataset={name: with_views, dataset: {name: spatial_scenes, pool: 400}, "
            f"synthesiser: {name}}}",
            "seeds=0..1",
        ),
        "annotator": (f"problems.0.annotator={name}", "seeds=0..1"),
        "network": (f"trainers=[{{name: finetune, network: {name}, augment: null, steps: 50}}]", "seeds=0..1"),
        "augmentation": (
            f"trainers=[{{name: fixmatch, network: perceptron, augment: {name}, steps: 50}}]",
            "seeds=0..1",
        ),
    }[kind]


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_") if part)


def _render(template: str, name: str, **values: str) -> str:
    environment = Environment(
        loader=PackageLoader("labelbench_plus.scaffold"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    version = ".".join(__version__.split(".")[:2])
    kind: Kind = values["kind"]  # type: ignore[assignment]
    task: Task = values["task"]  # type: ignore[assignment]
    return environment.get_template(f"{template}.j2").render(
        name=name,
        cls=_class_name(name),
        plural=PLURAL[kind],
        needed=version,
        tried=_try(kind, name, None, task),
        **values,
    )


def _write(files: dict[Path, str]) -> None:
    if there := [file for file in files if file.exists()]:
        raise ScaffoldError(f"{there[0]} is there already; choose another name or folder")
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
