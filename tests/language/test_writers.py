"""Writing by vLLM, as it is asked and as its answers are read. The package itself needs a GPU, and is stood in for."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch

from labelbench_plus.language import writers
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.base import OpenBase
from labelbench_plus.language.decoding import Decoding
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.writers import writer
from tests.language.tiny import PLAIN, model, tiny

# Signatures and checks as of vLLM 0.33: what is unknown there fails here.
PACKAGE = """
import json, os
from pathlib import Path
from types import SimpleNamespace

HERE = Path(os.environ["STAND_IN"])
print("what it prints disturbs nobody")


class SamplingParams:
    def __init__(self, *, temperature=1.0, top_p=1.0, seed=None, stop=None, stop_token_ids=None, ignore_eos=False,
                 max_tokens=16):
        assert 0 <= temperature <= 2 and 0 < top_p <= 1 and max_tokens >= 1
        self.__dict__.update(locals())


class LLM:
    def __init__(self, model, *, dtype="auto", gpu_memory_utilization=0.92, enable_lora=False, max_lora_rank=16):
        assert max_lora_rank in (1, 8, 16, 32, 64, 128, 256, 320, 512)
        self.options = {name: value for name, value in locals().items() if name != "self"}

    def generate(self, prompts, sampling_params=None, *, use_tqdm=True, lora_request=None):
        if (HERE / "broken").exists():
            raise RuntimeError("out of memory")
        kept = [{name: value for name, value in vars(each).items() if name != "self"} for each in sampling_params]
        adapter = None if lora_request is None else [lora_request.lora_name, os.listdir(lora_request.lora_path)]
        asked = {"options": self.options, "prompts": prompts, "sampling": kept, "adapter": adapter}
        asked["devices"] = os.environ.get("CUDA_VISIBLE_DEVICES")
        (HERE / "asked").write_text(json.dumps(asked))
        said = json.loads((HERE / "said").read_text())
        return [SimpleNamespace(outputs=[SimpleNamespace(**each)]) for each in said]
"""
LORA = """
class LoRARequest:
    def __init__(self, lora_name, lora_int_id, lora_path=""):
        assert lora_int_id > 0 and lora_path
        self.lora_name, self.lora_path = lora_name, lora_path
"""


@pytest.fixture
def vllm(tmp_path, monkeypatch):
    """What stands in for the package: what is asked of it is kept in a folder, where what it answers lies too."""
    package = tmp_path / "vllm"
    (package / "lora").mkdir(parents=True)
    (package / "__init__.py").write_text(PACKAGE)
    (package / "lora" / "__init__.py").write_text("")
    (package / "lora" / "request.py").write_text(LORA)
    monkeypatch.setenv("STAND_IN", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def said(text, reason, stop_reason=None, end=()):
    ids = [*tiny().tokenizer(text, add_special_tokens=False).input_ids, *end]
    return {"token_ids": ids, "finish_reason": reason, "stop_reason": stop_reason}


def test_prompts_and_sampling_are_handed_on_and_answers_read_back(vllm):
    form = model().format
    adapter = Adapter.drawn(tiny(), 12, 4.0, torch.Generator().manual_seed(0))
    end = form.end
    answers = [said(" up?\nAnswer:", "stop", "\nAnswer:"), said(" left", "stop", end, [end]), said(" on", "length")]
    (vllm / "said").write_text(json.dumps(answers))
    with writer(LanguageModel(tiny(), PLAIN, adapter), "vllm") as write:
        decoding = Decoding(12, 1.0, 0.9, stop=("\nAnswer:",))
        found = write([form.opening()] * 3, decoding, [np.random.default_rng(seed) for seed in range(3)], None)
        asked = json.loads((vllm / "asked").read_text())
        greedy = write([form.opening()] * 3, Decoding(5), None, 7)
    assert asked["options"] == {
        "model": str(tiny().plugin.path()),
        "dtype": "float32",
        "gpu_memory_utilization": 0.92,
        "enable_lora": True,
        "max_lora_rank": 16,
    }
    assert asked["prompts"] == [{"prompt_token_ids": form.opening()}] * 3
    assert asked["adapter"][0] == "generator" and "adapter_config.json" in asked["adapter"][1]
    seeds = [int(np.random.default_rng(seed).integers(2**31)) for seed in range(3)]
    told = {"temperature": 1.0, "top_p": 0.9, "stop": ["\nAnswer:"], "stop_token_ids": [end], "ignore_eos": True}
    assert asked["sampling"] == [{**told, "max_tokens": 12, "seed": seed} for seed in seeds]
    assert found.texts == ("up?", "left", "on")
    assert found.ended.tolist() == [True, True, False] and found.stopped.tolist() == [True, False, False]
    (first, *_) = json.loads((vllm / "asked").read_text())["sampling"]
    assert (first["seed"], first["temperature"], first["stop"], first["stop_token_ids"]) == (None, 0.0, [], [7])
    assert not greedy.stopped.any()


def test_it_takes_what_is_free_of_the_gpu_that_the_base_lies_on(vllm, monkeypatch):
    (vllm / "said").write_text(json.dumps([said(" up", "length")]))
    base = tiny()
    monkeypatch.setattr(base, "device", torch.device("cuda", 1))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (60, 80) if device.index == 1 else (0, 80))
    for visible, expected in (("3,5", "5"), ("", "1")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        with writer(LanguageModel(base, PLAIN), "vllm") as write:
            write([[5]], Decoding(4), None, None)
        asked = json.loads((vllm / "asked").read_text())
        assert asked["devices"] == expected and asked["adapter"] is None
        assert asked["options"]["gpu_memory_utilization"] == 0.675


def test_a_process_that_fails_says_why(vllm):
    (vllm / "broken").touch()
    with pytest.raises(RuntimeError, match=r"(?s)vLLM's process failed \(1\): .*out of memory"):  # noqa: SIM117
        with writer(model(), "vllm") as write:
            write([[5]], Decoding(4), None, None)


def test_what_cannot_write_is_refused(vllm, monkeypatch):
    whole = LanguageModel(tiny(), PLAIN, torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="backend: vllm writes with a base and an adapter"), writer(whole, "vllm"):
        pass
    wide = LanguageModel(tiny(), PLAIN, Adapter(513, 1.0, {}))
    with pytest.raises(ValueError, match="a rank up to 512, got rank: 513"), writer(wide, "vllm"):
        pass
    monkeypatch.setattr(writers.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(writers.sys.modules, "vllm", None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'labelbench-plus\[vllm\]'"), writer(model(), "vllm"):
        pass


def test_what_the_base_cannot_read_is_refused():
    assert isinstance(tiny(), OpenBase) and tiny().context == 128
    with (
        writer(model(), "transformers") as write,
        pytest.raises(ValueError, match="lower prompt_tokens or answer_tokens"),
    ):
        write([[5] * 100], Decoding(40), None, None)
