"""Writing by vLLM, as it is asked and as its answers are read. The package itself needs a GPU, and is stood in for."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.base import OpenBase
from labelbench_plus.language.decoding import Decoding
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.writers import writer
from tests.language.tiny import PLAIN, model, tiny


@pytest.fixture
def vllm(monkeypatch):
    """What stands in for the package: everything asked of it is kept, and it answers what it is told to."""
    package, lora = ModuleType("vllm"), ModuleType("vllm.lora.request")
    package.asked, package.said = [], []

    class LLM:
        def __init__(self, **options):
            package.options = options

        def generate(self, prompts, sampling, lora_request, use_tqdm):
            package.asked.append((prompts, sampling, lora_request))
            return [SimpleNamespace(outputs=[said]) for said in package.said]

    package.LLM, package.SamplingParams = LLM, lambda **fields: SimpleNamespace(**fields)
    lora.LoRARequest = lambda *arguments: arguments
    for name, module in (("vllm", package), ("vllm.lora", ModuleType("vllm.lora")), ("vllm.lora.request", lora)):
        monkeypatch.setitem(sys.modules, name, module)
    return package


def said(text, reason, stop_reason=None, end=()):
    ids = (*tiny().tokenizer(text, add_special_tokens=False).input_ids, *end)
    return SimpleNamespace(token_ids=ids, finish_reason=reason, stop_reason=stop_reason)


def test_prompts_and_sampling_are_handed_on_and_answers_read_back(vllm, tmp_path):
    form = model().format
    adapter = Adapter.drawn(tiny(), 2, 4.0, torch.Generator().manual_seed(0))
    end = form.end
    with writer(LanguageModel(tiny(), PLAIN, adapter), "vllm") as write:
        assert vllm.options["model"] == str(tiny().plugin.path()) and vllm.options["enable_lora"]
        vllm.said = [
            said(" up?\nAnswer:", "stop", "\nAnswer:"),
            said(" left", "stop", end, (end,)),
            said(" on and on", "length"),
        ]
        decoding = Decoding(12, 1.0, 0.9, stop=("\nAnswer:",))
        found = write([form.opening()] * 3, decoding, [np.random.default_rng(seed) for seed in range(3)], None)
    ((prompts, sampling, request),) = vllm.asked
    assert prompts == [{"prompt_token_ids": form.opening()}] * 3 and request[:2] == ("generator", 1)
    assert [each.seed for each in sampling] == [int(np.random.default_rng(seed).integers(2**31)) for seed in range(3)]
    of_first = {name: value for name, value in vars(sampling[0]).items() if name != "seed"}
    expected = {"max_tokens": 12, "temperature": 1.0, "top_p": 0.9, "stop": ["\nAnswer:"], "stop_token_ids": [end]}
    assert of_first == expected
    assert found.texts == ("up?", "left", "on and on")
    assert found.ended.tolist() == [True, True, False] and found.stopped.tolist() == [True, False, False]


def test_what_cannot_write_is_refused(vllm, monkeypatch):
    whole = LanguageModel(tiny(), PLAIN, torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="backend: vllm writes with a base and an adapter"), writer(whole, "vllm"):
        pass
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'labelbench-plus\[vllm\]'"), writer(model(), "vllm"):
        pass


def test_what_the_base_cannot_read_is_refused():
    assert isinstance(tiny(), OpenBase) and tiny().context == 128
    with (
        writer(model(), "transformers") as write,
        pytest.raises(ValueError, match="lower prompt_tokens or answer_tokens"),
    ):
        write([[5] * 100], Decoding(40), None, None)
