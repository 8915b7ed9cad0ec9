"""What others may rely on: listed here name by name, so that it changes on purpose only (docs/stability.md)."""

import dataclasses
import importlib
import inspect
import re
import types
from pathlib import Path

import pytest

import labelbench_plus
from labelbench_plus.plugins import kinds, registry

ROOT = Path(__file__).parent.parent

TOP = {
    "RunsFailed",
    "Suite",
    "SuiteError",
    "__version__",
    "learning_curves",
    "load_model",
    "load_plugin_file",
    "load_suite",
    "ranking",
    "run_details",
    "run_suite",
}

# What a plugin of each kind is written against. Launchers are left out: theirs still moves.
CONTRACTS = {
    "combiners": {
        *("SHOWN", "Combiner", "Listed", "Live", "Parameters", "Policies", "Response", "Rewards", "Rule"),
        *("Samples", "Step", "combiners"),
    },
    "conditions": {"OUTLIER", "Condition", "Features", "Part", "Setting", "keep_pool", "with_answers", "conditions"},
    "datasets": {"Dataset", "Inputs", "LabelledData", "Split", "datasets"},
    "encoders": {"Encoder", "encoders"},
    "metrics": {"Metric", "check_metrics", "metrics", "score_all"},
    "pair_pools": {"Evaluation", "Inputs", "OpenPool", "PairPool", "Shard", "Side", "pair_pools"},
    "policy_sets": {
        *("Bits", "Fit", "Fitted", "Given", "Learner", "OpenPolicySet", "Outcome", "Pairs", "PolicySet", "policy_sets"),
    },
    "problems": {
        *("Guard", "Instance", "Place", "Problem", "Scored"),
        *("Series", "SeriesColumn", "ShownScore", "point", "problems"),
    },
    "annotators": {"Annotator", "Asked", "Desk", "Scorer", "Wanted", "annotators", "listed", "unlisted"},
    "evaluations": {"Evaluation", "Sitting", "evaluations"},
    "prompts": {"SEED_LINE", "Demonstration", "Prompt", "PromptData", "PromptSource", "TestItem", "Turn", "prompts"},
    "strategies": {"Cost", "PoolStrategy", "SourceStrategy", "Strategy", "strategies"},
    "trainers": {"Checkpoint", "Trainer", "trainers"},
    "networks": {"Network", "Task", "networks"},
    "augmentations": {"Augmentation", "augmentations"},
    "bases": {"Base", "Precision", "bases"},
    "synthesisers": {"Photographs", "Synthesiser", "synthesisers"},
}

TESTING = {
    "ConformanceError",
    "Outcome",
    "Report",
    "check_annotator",
    "check_augmentation",
    "check_base",
    "check_combiner",
    "check_condition",
    "check_dataset",
    "check_encoder",
    "check_metric",
    "check_network",
    "check_problem",
    "check_strategy",
    "check_synthesiser",
    "check_trainer",
    "make_view",
    "parametrize_checks",
}


def offered_by(module: types.ModuleType) -> dict[str, object]:
    """What a kind's room re-exports: base classes, functions, constants and the registry."""
    return {name: getattr(module, name) for name in module.__all__}


def test_the_package_offers_exactly_this():
    assert set(labelbench_plus.__all__) == TOP
    assert set(dir(labelbench_plus)) == TOP
    for name in TOP:
        assert getattr(labelbench_plus, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        labelbench_plus.nothing  # noqa: B018 the look-up is what is tested


def test_no_kind_of_plugin_is_forgotten():
    assert set(CONTRACTS) == set(kinds()) - {"launchers"}


@pytest.mark.parametrize("kind", CONTRACTS)
def test_a_kind_of_plugin_offers_exactly_this(kind):
    assert set(offered_by(importlib.import_module(f"labelbench_plus.{kind}"))) == CONTRACTS[kind]


def test_the_conformance_kit_offers_exactly_this():
    assert set(importlib.import_module("labelbench_plus.testing").__all__) == TESTING


def public() -> list[tuple[str, object]]:
    found = [(f"labelbench_plus.{name}", getattr(labelbench_plus, name)) for name in sorted(TOP - {"__version__"})]
    for kind in CONTRACTS:
        module = importlib.import_module(f"labelbench_plus.{kind}")
        found += [(f"{module.__name__}.{name}", value) for name, value in offered_by(module).items()]
    kit = importlib.import_module("labelbench_plus.testing")
    return found + [(f"{kit.__name__}.{name}", getattr(kit, name)) for name in sorted(TESTING)]


def test_all_of_it_is_typed_and_documented():
    faults = []
    for name, value in public():
        if not inspect.isclass(value) and not inspect.isfunction(value):  # registries, constants, names of types
            continue
        if not (value.__doc__ or "").strip() or (dataclasses.is_dataclass(value) and value.__doc__.startswith(name)):
            faults.append(f"{name}: no docstring")
        members = [(name, value)] if inspect.isfunction(value) else methods(name, value)
        for where, function in members:
            for parameter in list(inspect.signature(function).parameters.values()):
                if parameter.annotation is inspect.Parameter.empty and parameter.name not in ("self", "cls"):
                    faults.append(f"{where}: parameter {parameter.name} has no type")
            if inspect.signature(function).return_annotation is inspect.Signature.empty:
                faults.append(f"{where}: no return type")
    assert not faults, "\n".join(faults)
    assert (ROOT / "labelbench_plus" / "py.typed").is_file()


def methods(name: str, cls: object) -> list[tuple[str, types.FunctionType]]:
    return [
        (f"{name}.{key}", value)
        for key, value in vars(cls).items()
        if inspect.isfunction(value) and not key.startswith("_")
    ]


def test_the_version_is_semantic_and_the_changelog_knows_it():
    assert re.fullmatch(r"\d+\.\d+\.\d+", labelbench_plus.__version__)
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    if len(headings) > 1:  # nothing has been released before that
        assert headings[1] == labelbench_plus.__version__


@pytest.fixture
def falls_over():
    """The name of a strategy that a test adds. It is forgotten after the test; what was loaded beside it is not."""
    yield "falls_over"
    known = registry("strategies")
    del known._classes["falls_over"], known._local["falls_over"]


def test_a_suite_from_a_script(suite_file, tmp_path, falls_over):
    """A run that fails is told after the others have ended; what is done is not done again."""
    plugin, out = tmp_path / "falls_over.py", tmp_path / "out"
    plugin.write_text(
        "from dataclasses import dataclass\n"
        "from labelbench_plus.strategies import PoolStrategy, strategies\n\n"
        f"@strategies.register('{falls_over}')\n@dataclass(frozen=True)\n"
        "class FallsOver(PoolStrategy):\n    def select(self, view, n, rng):\n        raise ValueError('on purpose')\n"
    )
    labelbench_plus.load_plugin_file(plugin)
    suite = labelbench_plus.load_suite(suite_file(("random, margin", "falls_over, random, margin")), ["seeds=0..0"])
    with pytest.raises(ValueError, match="no run of small"):
        labelbench_plus.ranking(suite, out)
    with pytest.raises(labelbench_plus.RunsFailed, match=r"^[^\n]*falls_over · seed 0: [^\n]*on purpose$"):
        labelbench_plus.run_suite(suite, out, plugin_files=[plugin])

    suite = labelbench_plus.load_suite(suite_file(), ["seeds=0..0"])
    modified = {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*")}
    labelbench_plus.run_suite(suite, out)
    assert modified == {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*")}
    assert list(labelbench_plus.learning_curves(suite, out)["labels"]) == [20, 30, 40] * 2
    assert set(labelbench_plus.ranking(suite, out)["strategy"]) == {"random", "margin"}
