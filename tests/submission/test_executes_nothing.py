"""A check runs and opens nothing that a submission names, wherever in a config it stands."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import sys
from pathlib import Path

import pytest

from labelbench_plus.plugins import Entry, From, Outside, registry
from labelbench_plus.strangers import PLACES, Allowed, _marks, objections
from labelbench_plus.submission.check import check
from tests.architecture.test_outside import FIELDS, marked
from tests.submission.bundles import lines_of, named, write_lines
from tests.submission.tracing import connected, opened, started, traced

EVIL = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
class X:
    input_types = []
    def __init__(self, *given): pass
    def select(self, trainer, n): return list(range(n))
"""
MARKED = [name for name, (hint, _) in FIELDS.items() if marked(hint)]


@pytest.fixture
def evil(tmp_path) -> Path:
    """A folder beside the submission, with code that leaves a trace when it is run, and data that nobody may open."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "evil.py").write_text(EVIL)
    return folder


def trap(name: str, folder: Path) -> dict:
    """A plugin with one field that leads outside."""
    kind, plugin, field = name.split(".")
    (mark,) = marked(FIELDS[name][0])
    value = mark.only[0] if mark.only else mark.beginning + str(folder / "evil.py")
    if "tuple" in str(FIELDS[name][0]):
        value = [value]
    cls = registry(kind).load(plugin)
    example = json.loads(json.dumps(cls.example() or {}))
    return {"name": plugin, "version": cls.version, **example, field: True if field == "download" else value}


def holders(kind: str) -> list[tuple[str, str, str, bool]]:
    """Where a plugin of a kind may stand in another: kind, name and field, and whether many may."""
    found = []
    for name, (hint, _) in FIELDS.items():
        if any(isinstance(mark, From) and mark.kind == kind for mark in _marks(hint)):
            found.append((*name.split("."), "tuple" in str(hint)))
    return found


def places(kind: str, value: dict, depth: int = 0) -> list[tuple[str, dict]]:
    """Every plugin of a run that has `value` in it, wrappers of wrappers included: (field of a run, plugin)."""
    found = [(place, value) for place, of in PLACES.items() if of == kind]
    if depth < 3:
        for holder, name, field, many in holders(kind):
            outer = {"name": name, "version": registry(holder).load(name).version, field: [value] if many else value}
            found += places(holder, outer, depth + 1)
    return found


@pytest.mark.parametrize("name", MARKED)
def test_every_value_that_leads_outside_is_objected_to_wherever_it_stands(name, evil):
    value = trap(name, evil)
    everywhere = places(name.split(".")[0], value)
    assert everywhere
    for place, plugin in everywhere:
        found = objections({place: plugin}, Allowed())
        mine = [
            each for each in found if each.field.startswith(place) and each.field.endswith(f".{name.split('.')[2]}")
        ]
        assert mine and not any(each.wrong for each in found), (place, plugin)
        assert not objections({place: plugin}, Allowed.of({each.allow for each in found}))


def traps(lines: list[dict], evil: Path) -> list[dict]:
    """One honest run, and runs that lead outside in every way, but for proxies: those would name another run."""
    found = [lines[0]]
    for name in MARKED:
        for place, plugin in places(name.split(".")[0], trap(name, evil))[:8]:
            if place == "proxy":
                continue
            line = copy.deepcopy(lines[0])
            line["config"][place] = line["result"]["identity"][place] = plugin
            named(line)
            found.append(line)
    return found


def strange(events, bundle, evil, tmp_path) -> list[str]:
    """What was opened beyond the submission, the package and what it stands on, the cache, and scratch files."""
    import labelbench_plus

    roots = [sys.prefix, sys.base_prefix, "/usr", "/proc", "/sys", "/dev", str(Path(labelbench_plus.__file__).parent)]
    roots += [str(bundle), os.environ["LBP_CACHE"], str(tmp_path / "site")]
    scratch = {Path("/tmp"), Path("/var/tmp"), *(Path(os.environ[name]) for name in ("TMPDIR",) if name in os.environ)}
    return [
        str(path)
        for path in opened(events)
        if not any(str(path).startswith(root) for root in roots)
        and path.parent not in scratch
        and path not in {*scratch, bundle.parent, Path(labelbench_plus.__file__).parents[1]}
    ] + [what for event, what in events if str(evil) in what]


def test_a_check_opens_nothing_that_a_submission_names(bundle, evil, tmp_path):
    lines = traps(lines_of(bundle), evil)
    assert len(lines) > 100
    write_lines(bundle, lines)
    done, events = traced(["submission", "check", str(bundle), "--seconds", "60", "--json"], tmp_path)
    told = json.loads(done.stdout)
    assert told["told"] == f"{len(lines)} runs, 0 sound"
    assert not [problem for problem in told["problems"] if "could not be checked" in problem["what"]]
    *warnings, last = (warning["what"] for warning in told["warnings"])
    assert len(warnings) == 200 and all("outside the benchmark" in what for what in warnings)
    assert last.endswith("more warnings are not listed")
    assert not (evil / "ran").exists()
    assert not strange(events, bundle, evil, tmp_path)
    assert started(events) == [sys.executable]  # the check's own process
    assert not connected(events)


def hostile_first_set(line: dict, evil: Path) -> None:
    plugin = {"name": "labelbench", "version": 1, "target": "evil:X", "config": "{}"}
    line["config"]["initial"] = {**plugin, "checkout": str(evil)}
    line["result"]["identity"]["initial"] = plugin
    named(line)


def test_what_whoever_checks_allows_is_run_and_nothing_else_is(bundle, evil, tmp_path):
    lines = lines_of(bundle)
    for line in lines:
        hostile_first_set(line, evil)
    write_lines(bundle, lines)
    done, events = traced(["submission", "check", str(bundle)], tmp_path)
    assert done.returncode in (0, 1) and "0 sound" in done.stdout
    assert (
        f"--allow 'strategies.labelbench.checkout={evil}'" in done.stdout.replace('"', "'") or "--allow" in done.stdout
    )
    assert not (evil / "ran").exists() and not strange(events, bundle, evil, tmp_path)
    values = ["strategies.labelbench.target=evil:X", f"strategies.labelbench.checkout={evil}"]
    _, events = traced(
        ["submission", "check", str(bundle), *(part for value in values for part in ("--allow", value))], tmp_path
    )
    assert (evil / "ran").exists() and strange(events, bundle, evil, tmp_path)


def test_modules_that_lie_where_the_check_is_called_are_not_imported(bundle, tmp_path):
    for name in ("json", "torch", "numpy", "labelbench_plus", "sitecustomize_", "gzip"):
        (bundle / f"{name}.py").write_text(EVIL)
    done, events = traced(["submission", "check", "."], tmp_path, cwd=bundle)
    assert done.returncode == 1 and "torch.py: no part of a submission" in done.stderr
    assert not (bundle / "ran").exists()
    assert not [what for event, what in events if event == "exec" and str(bundle) in what]


@pytest.mark.parametrize("part", ["problem", "trainer", "strategy", "initial"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plugin: plugin.update(name=plugin["name"].replace("a", "а")), "names are of a-z, 0-9, _ and -"),
        (lambda plugin: plugin.update(name=plugin["name"] + "\u200b"), "names are of a-z, 0-9, _ and -"),
        (lambda plugin: plugin.update(name=plugin["name"].replace("i", "1").replace("o", "0")), "but looks like"),
        (lambda plugin: plugin.update(version=2), "is of version 1 here, and not 2"),
        (lambda plugin: plugin.update(version=0), "is of version 1 here, and not 0"),
        (lambda plugin: plugin.update(version=True), "is of version 1 here, and not True"),
        (lambda plugin: plugin.update(version="1"), "is of version 1 here, and not '1'"),
        (lambda plugin: plugin.update(version=None), "is of version 1 here, and not None"),
        (lambda plugin: plugin.update(name=["margin"]), "expected a plugin"),
        (lambda plugin: plugin.update(name="../../evil"), "names are of a-z, 0-9, _ and -"),
        (lambda plugin: plugin.update(name="evil:X"), "names are of a-z, 0-9, _ and -"),
    ],
)
def test_names_and_versions_that_no_honest_run_has_are_problems(bundle, place, part, change, message):
    line, *others = lines_of(bundle)
    before = copy.deepcopy(line["config"][part])
    change(line["config"][part])
    if json.dumps(line["config"][part]) == json.dumps(before):
        pytest.skip(f"{before['name']} has no such letter")
    line["result"]["identity"][part] = line["config"][part]
    named(line)
    write_lines(bundle, [line, *others])
    checked = check(bundle, place)
    assert any(message in str(problem) for problem in checked.problems), checked.problems
    assert not checked.sound and not checked.specs


def test_a_version_of_before_cannot_be_built_here_and_is_nobodys_fault(monkeypatch):
    monkeypatch.setattr(registry("strategies").load("margin"), "version", 3)
    (found,) = objections({"strategy": {"name": "margin", "version": 2}}, Allowed())
    assert not found.wrong and "is of version 3 here, and not 2" in found.what
    assert not objections({"strategy": {"name": "margin", "version": 3}}, Allowed())


def test_another_packages_plugin_is_built_only_if_its_package_is_allowed(monkeypatch):
    known = dict(registry("strategies")._installed)
    known["theirs"] = Entry("theirs", "evil-strategies 1.0", "evil_strategies:X")
    monkeypatch.setattr(registry("strategies"), "_installed", known, raising=False)
    config = {"strategy": {"name": "theirs", "version": 1}}
    (found,) = objections(config, Allowed())
    assert "is code of evil-strategies 1.0" in str(found) and found.allow == "evil-strategies" and not found.wrong
    assert "evil_strategies" not in sys.modules
    (found,) = objections(config, Allowed.of(["evil-strategies"]))  # now it is imported, which it cannot be here
    assert "failed to load with ModuleNotFoundError" in found.what


def test_a_field_of_a_plugin_that_nobody_marked_still_leads_outside_if_it_is_a_path():
    @registry("strategies").register("reads_a_file_under_test")
    @dataclasses.dataclass(frozen=True)
    class Reads(registry("strategies").load("random")):
        words: Path | None = None

    try:
        value = {"name": "reads_a_file_under_test", "version": 1, "words": "/etc/passwd"}
        (found,) = objections({"strategy": value}, Allowed())
        assert found.field == "strategy.words" and "leads to files" in found.what
        assert not objections({"strategy": {**value, "words": None}}, Allowed())
    finally:
        registry("strategies")._classes.pop("reads_a_file_under_test")
        registry("strategies")._local.pop("reads_a_file_under_test")


def test_marks_say_which_values_lead_where():
    assert Outside("files").leads("") and Outside("files").leads(".") and Outside("files").leads(0)
    assert not any(Outside("files").leads(value) for value in (None, False, []))
    assert Outside("the network", beginning="hf-hub:").leads("hf-hub:a/b")
    assert not Outside("the network", beginning="hf-hub:").leads("ViT-B-32")
    assert not Outside("code", but=("{}",)).leads("{}") and Outside("code", but=("{}",)).leads("{} ")
