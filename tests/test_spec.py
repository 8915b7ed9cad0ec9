import dataclasses
import json
from pathlib import Path

import pytest

from labelbench_plus.plugins import registry
from labelbench_plus.spec import PROTOCOL, RunSpec, canonical, incompatibilities
from labelbench_plus.suite import Suite, SuiteError, load_suite

GOLDEN = json.loads((Path(__file__).parent / "golden_ids.json").read_text())


@pytest.fixture
def spec(suite_file) -> RunSpec:
    return load_suite(suite_file()).runs()[1]


@pytest.mark.parametrize("name", GOLDEN)
def test_published_ids_never_move(name):
    """If this fails, every result on disk or on a leaderboard loses its run. Change an id only on purpose."""
    suite = load_suite(Path(__file__).parent.parent / "benchmarks" / "suites" / f"{name}.yaml")
    found = {str(run): run.id for run in suite.runs() if run.seed == suite.seeds[0]}
    assert found == GOLDEN[name]


def test_a_spec_survives_being_written_down(spec):
    again = RunSpec.from_json(json.loads(canonical(spec.as_json())))
    assert again == spec
    assert again.id == spec.id


@pytest.mark.parametrize("change", [{"seed": 9}, {"amounts": (20.0, 10.0)}, {"initial": None}])
def test_the_id_changes_with_everything_that_matters(spec, change):
    assert dataclasses.replace(spec, **change).id != spec.id


def test_the_id_changes_with_versions_and_data_but_not_with_where_things_are(spec, monkeypatch):
    before = spec.id
    with monkeypatch.context() as patch:
        patch.setattr(type(spec.strategy), "version", 2)
        assert dataclasses.replace(spec).id != before
    with monkeypatch.context() as patch:
        patch.setattr(type(spec.problem), "fingerprint", lambda self: "other data")
        assert dataclasses.replace(spec).id != before
    fashion = registry("datasets").load("fashion_mnist")
    monkeypatch.setattr(fashion, "fingerprint", lambda self: "the same")
    here, there = (
        dataclasses.replace(spec, problem=dataclasses.replace(spec.problem, dataset=fashion(root=Path(root))))
        for root in ("/here", "/there")
    )
    assert here.id == there.id
    assert here.as_json() != there.as_json()  # a worker must be told the place all the same


def test_another_protocol_is_refused(spec):
    with pytest.raises(ValueError, match=f"follows protocol 99; this version follows {PROTOCOL}"):
        RunSpec.from_json({**spec.as_json(), "protocol": 99})


def test_canonical_json_is_one_text_a_value():
    assert canonical({"b": 1.0, "a": [True, None, "é"]}) == '{"a":[true,null,"é"],"b":1.0}'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"x": float("nan")})


def test_every_mismatch_has_its_reason(spec):
    assert incompatibilities(spec) == []
    entropy = registry("strategies").build("entropy")
    (reason,) = incompatibilities(dataclasses.replace(spec, initial=None, strategy=entropy))
    assert "needs probabilities; no model exists in the first round" in reason
    (reason,) = incompatibilities(dataclasses.replace(spec, amounts=(5000.0,)))
    assert "more than the whole pool's price" in reason
    one_shot = dataclasses.replace(
        spec, initial=None, strategy=registry("strategies").build("k_center"), amounts=(9.0,)
    )
    assert incompatibilities(one_shot) == []


def test_early_stopping_needs_validation_labels(spec, monkeypatch):
    early = registry("trainers").build({"name": "finetune", "network": "linear", "augment": None, "patience": 1})
    assert incompatibilities(dataclasses.replace(spec, trainer=early)) == []
    monkeypatch.setattr(type(spec.problem), "validation_labels", lambda problem: 0)
    (reason,) = incompatibilities(dataclasses.replace(spec, trainer=early))
    assert "reads validation labels, of which problem 'classification' has none" in reason


@pytest.mark.parametrize("trainer", ["finetune", "ensemble", "v_pet"])
def test_what_changes_the_class_may_not_be_mirrored(suite_file, trainer):
    wrapped = {
        "finetune": "{{name: finetune, network: linear, augment: {augment}}}",
        "ensemble": "{{name: ensemble, of: {{name: finetune, network: linear, augment: {augment}}}}}",
        "v_pet": "{{name: v_pet, network: linear, augment: noise, teachers: [mlp, {{name: finetune, network: linear, "
        "augment: {augment}}}]}}",
    }[trainer]
    with pytest.raises(SuiteError) as refused:
        load_suite(suite_file(("[logistic_regression]", f"[{wrapped.format(augment='images')}]")))
    assert str(refused.value).endswith(
        f"trainer '{trainer}' mirrors images, which changes their class in problem 'classification' on digits: "
        "write flip: false"
    )
    for harmless in ("{name: images, flip: false}", "noise", "null"):
        load_suite(suite_file(("[logistic_regression]", f"[{wrapped.format(augment=harmless)}]")))


def test_mirrored_clothes_are_clothes():
    known = registry("datasets")
    changed = {name for name in known.entries() if known.load(name).mirror_keeps_class is False}
    assert {"digits", "svhn", "kuzushiji49"} <= changed and not {"fashion_mnist", "cifar10", "imagenet"} & changed
    mosaics = known.build({"name": "mosaics", "dataset": "digits"})
    assert not mosaics.mirror_keeps_class and known.build({"name": "mosaics", "dataset": "cifar10"}).mirror_keeps_class


def test_no_field_of_a_run_can_be_left_out_of_its_identity_by_accident(spec):
    fields = {field.name for field in dataclasses.fields(RunSpec)}
    with_proxy = dataclasses.replace(spec, proxy=registry("trainers").build("mlp"))
    assert set(with_proxy.as_json(semantic_only=True)) == fields | {"protocol"}
    assert set(spec.as_json(semantic_only=True)) == fields - {"proxy"} | {"protocol"}  # as before there were proxies
    # Of a suite's fields, these alone say how things are shown or started; every other one is in its runs' identity.
    shown = {"suite", "title", "baseline", "launch", "isolate"}
    of_a_run = {"problems", "trainers", "proxy", "strategies", "initial", "budget", "seeds"}
    assert set(Suite.model_fields) - shown == of_a_run
