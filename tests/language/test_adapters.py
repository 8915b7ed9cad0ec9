"""Low-rank changes of one shared base."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from labelbench_plus.language.adapters import Adapter, targets
from labelbench_plus.language.base import open_base
from labelbench_plus.language.model import LanguageModel
from tests.language.tiny import PLAIN, PROMPTS, tiny

ANSWERS = ("one",) * len(PROMPTS)


def moved(top=None, seed=0):
    """An adapter that changes something."""
    adapter = Adapter.drawn(tiny(), 4, 8.0, torch.Generator().manual_seed(seed), top)
    for _, second in adapter.weights.values():
        second.normal_(std=0.1, generator=torch.Generator().manual_seed(seed))
    return adapter


def test_a_base_is_opened_once():
    assert open_base(tiny().plugin) is tiny()


def test_a_new_adapter_changes_nothing():
    adapter = Adapter.drawn(tiny(), 4, 8.0, torch.Generator())
    base = LanguageModel(tiny(), PLAIN)
    assert torch.equal(
        LanguageModel(tiny(), PLAIN, adapter).log_probabilities(PROMPTS, ANSWERS),
        base.log_probabilities(PROMPTS, ANSWERS),
    )


def test_models_on_one_base_do_not_disturb_each_other():
    base, one, other = (LanguageModel(tiny(), PLAIN, each) for each in (None, moved(seed=0), moved(seed=1)))
    before = [each.log_probabilities(PROMPTS, ANSWERS) for each in (base, one, other)]
    after = [each.log_probabilities(PROMPTS, ANSWERS) for each in (base, one, other)]
    assert all(torch.equal(mine, again) for mine, again in zip(before, after, strict=True))
    assert not torch.allclose(before[0], before[1]) and not torch.allclose(before[1], before[2])


def test_an_error_leaves_the_base_as_it_was():
    with pytest.raises(RuntimeError, match="stop"), moved().worn(tiny()):
        raise RuntimeError("stop")
    assert not any(part._forward_hooks for part in tiny().model.modules())


def test_top_layers_alone():
    names = targets(tiny(), 1)
    assert len(names) == 7 and all(".1." in name for name in names)
    with pytest.raises(ValueError, match="give 1 to 2"):
        targets(tiny(), 3)


@pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="peft is not installed")
def test_peft_reads_what_is_saved(tmp_path):
    from peft import PeftModel

    adapter = moved()
    adapter.save(tmp_path, "tiny")
    again = Adapter.load(tmp_path, torch.device("cpu"))
    assert all(torch.equal(weight, again.state()[name]) for name, weight in adapter.state().items())
    plugin = tiny().plugin
    theirs = PeftModel.from_pretrained(plugin.load("cpu", torch.float32), str(tmp_path))
    ids = torch.tensor([LanguageModel(tiny(), PLAIN).format.prompt("Why?")])
    with torch.no_grad(), adapter.worn(tiny()) as mine:
        torch.testing.assert_close(theirs(input_ids=ids).logits, mine(input_ids=ids).logits, rtol=0, atol=1e-5)
