import dataclasses
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from annotated_types import Ge, Le
from pydantic import ValidationError

from labelbench_plus.plugins import Infra, PluginError, Since, describe, kinds, label, load_plugin_file, registry
from labelbench_plus.strategies import PoolStrategy, Strategy, strategies


@pytest.fixture
def scratch():
    """A registry whose additions are forgotten after the test."""
    before = set(strategies._local)
    yield strategies
    for name in set(strategies._local) - before:
        del strategies._local[name], strategies._classes[name]


def test_names_are_known_without_importing_the_plugins():
    code = (
        "import sys; from labelbench_plus.plugins import registry;"
        "print(list(registry('strategies').entries())); print('torch' in sys.modules)"
    )
    names, torch_imported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "'margin'" in names
    assert torch_imported == "False"


def test_a_kind_is_a_contract_with_a_room_of_its_name_and_none_is_imported_to_find_out():
    code = (
        "import sys; from labelbench_plus.plugins import kinds; print(kinds());"
        "print('labelbench_plus.contracts' in sys.modules)"
    )
    found, imported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert found == str(kinds())
    assert imported == "False"
    assert kinds()[0] == "problems"
    assert {"strategies", "pair_pools", "launchers"} < set(kinds())
    assert "classifier" not in kinds()
    assert {registry(kind).group for kind in kinds()} == {f"labelbench_plus.{kind}" for kind in kinds()}


@pytest.mark.parametrize("kind", kinds())
def test_every_built_in_loads_and_says_what_it_is(kind):
    found = registry(kind)
    assert found.entries()
    for name in found.entries():
        cls = found.load(name)
        assert cls.name == name
        assert cls.__doc__ and not cls.__doc__.startswith(cls.__name__ + "("), f"{name} has no docstring"


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(PluginError, match=r"unknown strategy 'margn'; did you mean 'margin'"):
        strategies.load("margn")


def test_a_taken_name_is_refused_and_both_sides_are_named(scratch):
    with pytest.raises(
        PluginError, match=r"test_plugins.py:.*Mine.*already taken by built in \(labelbench_plus.*margin\)"
    ):

        @scratch.register("margin")
        @dataclass(frozen=True)
        class Mine(PoolStrategy):
            """Not margin."""

    @scratch.register("fresh")
    @dataclass(frozen=True)
    class Fresh(PoolStrategy):
        """First."""

    with pytest.raises(PluginError, match=r"'fresh' is defined twice: .*Fresh and .*Again"):

        @scratch.register("fresh")
        @dataclass(frozen=True)
        class Again(PoolStrategy):
            """Second."""


def test_what_cannot_be_a_plugin_is_refused(scratch):
    class Bare(PoolStrategy):
        """Not a dataclass."""

    with pytest.raises(PluginError, match="frozen=True"):
        scratch.register("bare")(Bare)
    with pytest.raises(PluginError, match="must derive from Strategy"):
        scratch.register("alien")(dataclass(frozen=True)(type("Alien", (), {})))
    with pytest.raises(PluginError, match="must be made of a-z"):
        scratch.register("Bad Name")(dataclass(frozen=True)(Bare))


def test_a_plugin_file_registers_and_a_broken_one_says_where(scratch, tmp_path: Path):
    good = tmp_path / "good.py"
    good.write_text(
        "from dataclasses import dataclass\n"
        "from labelbench_plus.strategies import PoolStrategy, strategies\n"
        "@strategies.register('from_file')\n@dataclass(frozen=True)\nclass FromFile(PoolStrategy):\n    'Doc.'\n"
    )
    load_plugin_file(good)
    load_plugin_file(good)
    assert "unversioned" in strategies.entries()["from_file"].origin
    bad = tmp_path / "bad.py"
    bad.write_text("import no_such_module_at_all\n")
    with pytest.raises(PluginError, match=r"bad.py: ModuleNotFoundError: .*no_such_module_at_all"):
        load_plugin_file(bad)
    with pytest.raises(PluginError, match="no such Python file"):
        load_plugin_file(tmp_path / "absent.py")


def test_hyperparameters_are_validated_and_described(scratch):
    @scratch.register("tuned")
    @dataclass(frozen=True)
    class Tuned(PoolStrategy):
        """Has hyperparameters."""

        power: float = 1.0
        cache: Annotated[Path | None, Infra()] = None

    built = strategies.build({"name": "tuned", "power": 2, "cache": "/tmp/x"})
    assert built == Tuned(power=2.0, cache=Path("/tmp/x"))
    assert label(built) == "tuned(power=2.0, cache=x)"
    assert strategies.build(describe(built)) == built
    assert "cache" not in describe(built, semantic_only=True)
    with pytest.raises(ValidationError, match=r"unknown hyperparameter of 'tuned'; did you mean 'power'\?"):
        strategies.build({"name": "tuned", "pwer": 2})
    with pytest.raises(ValidationError, match="valid number"):
        strategies.build({"name": "tuned", "power": "high"})


def test_a_field_added_later_is_silent_at_its_default(scratch):
    """Ids and configs of what was published before it stay what they are, to the byte."""

    @scratch.register("grown")
    @dataclass(frozen=True)
    class Grown(scratch.base):
        """Has learned something."""

        size: int = 3
        margin: Annotated[float, Since("0.2")] = 0.5
        parts: Annotated[tuple[int, ...], Since("0.2")] = dataclasses.field(default_factory=tuple)

    published = {"name": "grown", "version": 1, "size": 3}
    for semantic_only in (False, True):
        assert describe(Grown(), semantic_only=semantic_only) == published
        assert describe(Grown(margin=0.75, parts=(1,)), semantic_only=semantic_only) == {
            **published, "margin": 0.75, "parts": [1],
        }  # fmt: skip
    assert scratch.build(published) == scratch.build("grown") == Grown()
    assert scratch.build({**published, "margin": 0.5}) == Grown()
    assert scratch.build({**published, "margin": 0.75}).margin == 0.75
    assert label(Grown(margin=0.75)) == "grown(margin=0.75)"


def test_a_field_added_later_may_have_a_better_default_than_what_was_done_before(scratch):
    """What was published keeps its id, its config and its label; who asks anew gets the better one."""

    @scratch.register("bettered")
    @dataclass(frozen=True)
    class Bettered(scratch.base):
        """Has learned something."""

        size: int = 3
        margin: Annotated[float, Since("0.2", before=0.0)] = 0.5

    published = {"name": "bettered", "version": 1, "size": 3}
    assert describe(Bettered(margin=0.0), semantic_only=True) == describe(Bettered(margin=0.0)) == published
    assert describe(Bettered()) == {**published, "margin": 0.5}
    assert label(Bettered(margin=0.0)) == "bettered" and label(Bettered()) == "bettered(margin=0.5)"
    assert scratch.build("bettered") == scratch.build({"name": "bettered", "size": 3}) == Bettered()
    assert scratch.build(published) == Bettered(margin=0.0)
    for margin in (0.0, 0.25, 0.5):
        assert scratch.build(describe(Bettered(margin=margin))) == Bettered(margin=margin)


def test_whole_numbers_have_an_end(scratch):
    @scratch.register("long")
    @dataclass(frozen=True)
    class Long(scratch.base):
        """Takes its time."""

        epochs: Annotated[int, Ge(1)] = 3
        hidden: tuple[int, ...] = (2, 2)
        world_seed: int = 0
        pairs: Annotated[int, Ge(1), Le(10**12)] = 3

    with pytest.raises(ValidationError, match=r"epochs\n.*must be at most 1,000,000,000 \(got 100000000000000\)"):
        scratch.build({"name": "long", "epochs": 10**14})
    with pytest.raises(ValidationError, match="hidden"):
        scratch.build({"name": "long", "hidden": [4, 10**14]})
    with pytest.raises(ValidationError, match=r"world_seed\n.*must be at most 9,223,372,036,854,775,807"):
        scratch.build({"name": "long", "world_seed": 2**63})
    assert scratch.build({"name": "long", "epochs": 10**9, "world_seed": 2**62}).epochs == 10**9
    assert scratch.build({"name": "long", "pairs": 10**12}).pairs == 10**12
    with pytest.raises(ValidationError, match="less than or equal to"):
        scratch.build({"name": "long", "pairs": 10**13})


def test_a_result_of_another_version_is_not_taken_for_this_one():
    with pytest.raises(Exception, match="version 99 was requested, version 1 is installed"):
        strategies.build({"name": "margin", "version": 99})


INSTALLED = """
[labelbench_plus.strategies]
works = plugin_works:Works
broken = plugin_broken:Broken
margin = plugin_works:Works
"""


@pytest.fixture
def third_party(tmp_path: Path) -> Path:
    """A folder on the path that looks like an installed distribution with three entry points."""
    (tmp_path / "plugin_works.py").write_text(
        "from dataclasses import dataclass\n"
        "from labelbench_plus.strategies import PoolStrategy\n"
        "@dataclass(frozen=True)\nclass Works(PoolStrategy):\n    'A stranger.'\n"
    )
    (tmp_path / "plugin_broken.py").write_text("import not_installed_anywhere\n")
    info = tmp_path / "stranger-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(INSTALLED)
    return tmp_path


def test_installed_plugins_are_found_and_a_broken_one_harms_only_itself(third_party: Path):
    def lbp(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = "from labelbench_plus.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(third_party), "PATH": ""},
            check=False,
        )

    listed = lbp("list", "strategies")
    assert listed.returncode == 0
    assert "works" in listed.stdout
    assert "stranger 1.2" in listed.stdout
    assert "REFUSED: stranger 1.2 (plugin_works:Works) wants a built-in's name" in listed.stdout
    verified = lbp("list", "strategies", "--verify")
    assert verified.returncode == 1
    assert "A stranger." in verified.stdout
    assert "BROKEN: strategy 'broken' is broken: stranger 1.2 (plugin_broken:Broken)" in verified.stdout
    assert "not_installed_anywhere" in verified.stdout


def test_the_base_class_is_what_a_stranger_derives_from():
    assert issubclass(PoolStrategy, Strategy)
