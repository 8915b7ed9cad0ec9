"""Fine-tuning by TRL: the same as by the loop of this package, in processes of its own."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from labelbench_plus.seeding import Streams
from labelbench_plus.trainers import trainers
from tests.trainers.language.test_sft import ANSWERS, DATA, PROMPTS, Kept

needs_trl = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="pip install --no-deps trl")
FIELDS = {"epochs": 2, "batch": 5, "rank": 2, "warmup": 0.0}


@pytest.mark.slow  # a process that imports TRL takes ten CPU seconds
@needs_trl
def test_it_comes_to_what_sft_comes_to():
    mine, theirs = trainers.build({"name": "sft", **FIELDS}), trainers.build({"name": "trl_sft", **FIELDS})
    kept = Kept()
    one = mine.fit(DATA, Streams(0), None)
    other = theirs.fit_with_checkpoint(DATA, Streams(0), None, kept)
    assert other.notes["loss"] == pytest.approx(one.notes["loss"], abs=1e-4)
    assert other.notes["steps"] == one.notes["steps"] == 2
    for name, weight in one.learned.state().items():
        torch.testing.assert_close(weight, other.learned.state()[name], rtol=0, atol=1e-4)
    restored = theirs.restore(DATA, Streams(0), kept)
    assert torch.equal(restored.log_probabilities(PROMPTS, ANSWERS), other.log_probabilities(PROMPTS, ANSWERS))


@pytest.mark.slow  # a process that imports TRL takes ten CPU seconds
@needs_trl
def test_what_fails_there_is_told_here():
    trainer = trainers.build({"name": "trl_sft", **FIELDS, "launch": "/nowhere/accelerate.yaml"})
    with pytest.raises(RuntimeError, match=r"/nowhere/accelerate\.yaml"):
        trainer.fit(DATA, Streams(0), None)


def test_what_cannot_be_is_refused():
    with pytest.raises(Exception, match="cannot be divided among 2 processes"):
        trainers.build({"name": "trl_sft", "batch": 5, "processes": 2})
    with pytest.raises(Exception, match="four_bit goes with tune: lora"):
        trainers.build({"name": "trl_sft", "four_bit": True, "tune": "full"})
    if importlib.util.find_spec("trl") is not None:
        for fields in ({"four_bit": True}, {"processes": 2}):
            with pytest.raises(ValueError, match="CUDA devices, and this runs on cpu"):
                trainers.build({"name": "trl_sft", **fields}).fit(DATA, Streams(0), None)
