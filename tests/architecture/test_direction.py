"""Dependencies point one way: DESIGN §7, read off the source of every module."""

from __future__ import annotations

from functools import cache

import pytest

from tests.architecture.imports import KINDS, PACKAGE, Import, imports, modules, ours

# From the bottom up: a module may import from its own layer and from those before it. `x` is the module or the
# package's own `__init__`, `x.*` everything in the package; the longer name wins.
#
# DESIGN writes "cli → launch → loop → (problems, strategies, trainers) → algorithms". This says the same and more: the
# contracts (the base classes in each kind's `__init__`) lie *below* the plugins, and loop, store, launch, sweep and
# leaderboard know the contracts only (`test_nobody_names_a_plugin`).
LAYERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("fast primitives", ("algorithms.*",)),
    (
        "core",
        (
            *("_torchvision_compat", "plugins", "seeding", "budget", "measure", "oracle", "view"),
            *("store", "store.atomic"),
            *("data.image_files", "data.texts"),  # the contract of data sets is written in them
        ),
    ),
    (
        "contracts: the base class of each kind of plugin",
        KINDS,
    ),
    ("what a run is", ("spec", "suite")),
    ("what the plugins of a family share", ("data.*", "data_selection.*", "pretrained.*", "source_tasks.*")),
    ("plugins", tuple(f"{kind}.*" for kind in KINDS)),
    ("runs on disk", ("store.*",)),
    ("the loop", ("loop",)),
    ("carrying runs out, mirroring them", ("launch.*", "tracking.*")),
    (
        "what a person asks for",
        ("api", "sweep.*", "leaderboard.*", "importers.*", "submission.*", "testing.*", "scaffold.*", "adapters.*"),
    ),
    ("the command line", ("cli",)),
    ("the public names, looked up when asked for", ("",)),
)

# Modules that lie elsewhere than the rest of their folder, and why that is right.
PLACED: dict[str, tuple[str, str]] = {
    "importers.plain_pickle": (
        "what the plugins of a family share",
        "files of data sets can be pickles, too",
    ),
    "data_selection.commands": (
        "what a person asks for",
        "a selection can run with a sweep's profile",
    ),
    "tracking.commands": ("what a person asks for", "`lbp wandb push` mirrors whole sweeps"),
    "tracking.push": ("what a person asks for", "`lbp wandb push` mirrors whole sweeps"),
}

# The modules and rooms that may import a plugin by its module, and why a name in a suite would not do.
MAY_NAME_A_PLUGIN: dict[str, str] = {
    "data_selection.commands": "one pool's shards can be scored by jobs of a cluster, and of no other launcher",
    "testing": "what a plugin under test is handed is what the problem of classification hands out",
}


@cache
def layer_of(module: str) -> int:
    """The number of the layer whose longest pattern fits."""
    short = module.removeprefix(PACKAGE).removeprefix(".")
    titles = [title for title, _ in LAYERS]
    if short in PLACED:
        return titles.index(PLACED[short][0])
    fitting = [
        (pattern == short, len(pattern), index)
        for index, (_, patterns) in enumerate(LAYERS)
        for pattern in patterns
        if pattern == short or (pattern.endswith(".*") and f"{short}.".startswith(pattern[:-1]))
    ]
    assert fitting, f"{module} is in no layer: say in LAYERS where it belongs"
    return max(fitting)[2]


def own_imports() -> list[Import]:
    return [found for found in imports() if ours(found.imported)]


def test_every_module_has_a_place_and_every_place_a_module():
    for module in modules():
        layer_of(module)
    gone = [name for name in PLACED if f"{PACKAGE}.{name}" not in modules()]
    assert not gone, f"PLACED names modules that are gone: {gone}"


def test_imports_point_down():
    wrong = [
        f"{found.importer} ({LAYERS[layer_of(found.importer)][0]}) imports {found.imported} "
        f"({LAYERS[layer_of(found.imported)][0]}){' inside a function' if found.lazily else ''}"
        for found in own_imports()
        if found.imported != PACKAGE and layer_of(found.imported) > layer_of(found.importer)
    ]
    assert not wrong, "\n".join(wrong)


def test_algorithms_import_nothing_of_ours_but_each_other():
    home = f"{PACKAGE}.algorithms"
    wrong = [
        found for found in own_imports() if found.importer.startswith(home) and not found.imported.startswith(home)
    ]
    assert not wrong


def test_nobody_imports_the_command_line():
    assert not [found for found in own_imports() if found.imported == f"{PACKAGE}.cli"]


def test_nobody_names_a_plugin():
    """A plugin is found by its name. Plugins of a kind may build on each other; nobody else knows that one exists."""
    wrong = []
    for found in own_imports():
        kind, _, rest = found.imported.removeprefix(f"{PACKAGE}.").partition(".")
        importer = found.importer.removeprefix(f"{PACKAGE}.")
        private = rest.split(".")[-1].startswith("_")
        room = importer.partition(".")[0]
        named = kind in KINDS and rest and not private and room not in KINDS
        if named and not {importer, room} & set(MAY_NAME_A_PLUGIN):
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
