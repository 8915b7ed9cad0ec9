"""Dependencies point one way: DESIGN §7, read off the source of every module."""

from __future__ import annotations

from functools import cache
from graphlib import TopologicalSorter

import pytest

from tests.architecture.imports import KINDS, PACKAGE, Import, imports, modules, ours

# From the bottom up: a room (a folder or a top-level module of the package) may import from rooms above its own line,
# and from its own. This is DESIGN §7 as a table; there are no exceptions to it.
LAYERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("fast primitives", ("algorithms",)),
    (
        "core",
        (
            "_torchvision_compat",
            "content",
            "reference",
            "faults",
            "entries",
            "marks",
            "plugins",
            "seeding",
            "shipped",
            "shown",
            "start_up",
            "answers",
            "budget",
            "limited",
            "measure",
            "oracle",
            "view",
            "warm_up",
        ),
    ),
    ("forms of inputs", ("inputs",)),
    ("contracts: what a plugin of each kind promises", ("contracts",)),
    ("what a run is", ("spec", "strangers", "suite")),
    ("runs on disk", ("store",)),
    ("from data to features", ("features",)),
    ("what the plugins of a family share", ("answering", "decoding", "language", "models", "pairs", "source_tasks")),
    ("kinds of questions", ("questions",)),
    (
        "plugins that others are built with",
        (
            *("annotators", "augmentations", "bases", "combiners", "conditions", "datasets", "evaluations", "metrics"),
            *("pair_pools", "policy_sets", "prompts", "synthesisers"),
        ),
    ),
    ("networks and encoders", ("encoders", "networks")),
    ("problems", ("problems",)),
    ("strategies and trainers", ("strategies", "trainers")),
    ("the loop", ("steps", "loop")),
    ("strategies in a process of their own, and mirrors", ("isolation", "tracking")),
    ("runs carried out here", ("running",)),
    ("runs handed to others", ("launchers", "sweep")),
    ("results", ("leaderboard", "importers", "submission")),
    ("what a contributor needs", ("testing", "scaffold", "adapters")),
    ("what a script asks for", ("api",)),
    ("the command line", ("commands", "cli", "__main__")),
    ("the public names, looked up when asked for", ("",)),
)


def room(module: str) -> str:
    """The folder or top-level module that a module belongs to; empty for the package itself."""
    return module.removeprefix(PACKAGE).removeprefix(".").partition(".")[0]


@cache
def layer_of(module: str) -> int:
    """The number of the line in which a module's room stands."""
    found = [number for number, (_, rooms) in enumerate(LAYERS) if room(module) in rooms]
    assert found, f"{module}: say in LAYERS where the room {room(module)!r} belongs"
    return found[0]


def own_imports() -> list[Import]:
    return [found for found in imports() if ours(found.imported)]


def test_every_room_has_one_place_and_every_place_a_room():
    named = [each for _, rooms in LAYERS for each in rooms]
    assert sorted(named) == sorted({room(module) for module in modules()})


def test_imports_point_down():
    wrong = [
        f"{found.importer} ({LAYERS[layer_of(found.importer)][0]}) imports {found.imported} "
        f"({LAYERS[layer_of(found.imported)][0]})"
        for found in own_imports()
        if found.imported != PACKAGE and layer_of(found.imported) > layer_of(found.importer)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_rooms_need_each_other():
    """Two rooms of one line may import each other in one direction only: a circle can be read from neither end."""
    arrows: dict[str, set[str]] = {}
    for found in own_imports():
        if PACKAGE not in (found.importer, found.imported) and room(found.importer) != room(found.imported):
            arrows.setdefault(room(found.importer), set()).add(room(found.imported))
    TopologicalSorter(arrows).prepare()  # raises CycleError, which names the circle


def test_algorithms_import_nothing_of_ours_but_each_other():
    home = f"{PACKAGE}.algorithms"
    wrong = [
        found for found in own_imports() if found.importer.startswith(home) and not found.imported.startswith(home)
    ]
    assert not wrong


def test_nobody_imports_the_command_line():
    lifted = [found for found in own_imports() if room(found.imported) in ("cli", "commands")]
    assert not [found for found in lifted if room(found.importer) not in ("cli", "commands", "__main__")]


def test_nobody_names_a_plugin():
    """A plugin is found by its name. Plugins may build on each other; nobody else knows that one exists."""
    wrong = []
    for found in own_imports():
        kind, _, rest = found.imported.removeprefix(f"{PACKAGE}.").partition(".")
        private = rest.split(".")[-1].startswith("_")
        if kind in KINDS and rest and not private and room(found.importer) not in KINDS:
            wrong.append(f"{found.importer} imports {found.imported}")
    assert not wrong, "\n".join(wrong)


def test_no_import_is_cyclic():
    """Not even through imports inside functions, which Python would forgive."""
    edges: dict[str, list[str]] = {module: [] for module in modules()}
    for found in own_imports():
        edges[found.importer].append(found.imported)
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            pytest.fail(" → ".join([*path[path.index(module) :], module]))
        if module not in done:
            for target in edges[module]:
                walk(target, [*path, module])
            done.add(module)

    for module in modules():
        walk(module, [])
