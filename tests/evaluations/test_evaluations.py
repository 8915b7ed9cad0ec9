import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from labelbench_plus.contracts.scores import UnusableScore
from labelbench_plus.plugins import registry
from labelbench_plus.prompts import Prompt, TestItem

SUITES = Path(__file__).parents[2] / "benchmarks" / "suites"
TEST = (
    TestItem(Prompt("capital of France?", "capitals"), ("Paris",), ("Rome", "Paris")),
    TestItem(Prompt("capital of Italy?", "capitals"), ("Rome",), ("Rome", "Paris")),
    TestItem(Prompt("6 x 7?", "sums"), ("42", "forty-two"), ("41", "42", "forty")),
)
LIKELY = {"Paris": -1.0, "Rome": -3.0, "41": -4.0, "42": -2.0, "forty": -2.5}


class Told:
    """A model that says what it is told, and finds each answer as likely as the table has it."""

    def log_probabilities(self, prompts, responses):
        assert len(prompts) == len(responses)
        return torch.tensor([LIKELY[text] for text in responses], dtype=torch.float64)

    def response_tokens(self, responses):
        return np.array([len(text) for text in responses])


class Seated:
    def __init__(self, *answers, test=TEST):
        self.model, self.test, self.answers = Told(), test, answers


def build(name, **given):
    return registry("evaluations").build({"name": name, **given})


def test_exact_match_is_averaged_over_tasks():
    scored = build("exact_match").score(Seated("the paris", "Paris", "Forty two"))
    assert scored.scores == {"macro_em": pytest.approx((1 / 2 + 1) / 2)}
    assert scored.details["answers"]["right"] == [True, False, True]
    assert scored.details["answers"]["said"] == ["the paris", "Paris", "Forty two"]


def test_likelihood_is_per_token_of_the_reference():
    scored = build("likelihood").score(Seated())
    assert scored.scores == {"macro_nll": pytest.approx(((1 / 5 + 3 / 4) / 2 + 2 / 2) / 2)}
    assert build("likelihood").primary_metric() == ("macro_nll", False)


@pytest.mark.parametrize(("per_token", "last"), [(True, "forty"), (False, "42")])
def test_multiple_choice_takes_the_likeliest(per_token, last):
    scored = build("multiple_choice", per_token=per_token).score(Seated())
    assert scored.details["choices"]["chosen"] == ["Paris", "Paris", last]
    assert scored.scores == {"macro_choice": pytest.approx((1 / 2 + (last == "42")) / 2)}


def test_choices_must_be_there():
    with pytest.raises(ValueError, match="1 of 4 items of the test set have no choices"):
        build("multiple_choice").check((*TEST, TestItem(Prompt("why?", "sums"), ("because",))))


@pytest.fixture
def folder(tmp_path):
    rows = [{"q": f"{row} plus one?", "choices": ["a", "b"], "gold": row % 2} for row in range(6)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    task = {
        "task": "mine",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "rows.jsonl")}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{q}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    (tmp_path / "mine.yaml").write_text(json.dumps(task))  # JSON is YAML
    return tmp_path


def test_tasks_of_the_harness_without_a_network(folder, no_network):
    pytest.importorskip("lm_eval", reason="needs the package lm_eval (extra lm-eval)")
    from labelbench_plus.language.base import open_base
    from labelbench_plus.language.model import LanguageModel
    from labelbench_plus.language.templates import Template

    base = registry("bases").build({"name": "tiny_llama", "width": 16, "layers": 1, "heads": 2})
    seated = Seated()
    seated.model = LanguageModel(open_base(base), Template("plain"))
    before = random.getstate(), torch.get_rng_state()
    scores = build("lm_eval", tasks=["mine"], folder=str(folder)).score(seated).scores
    assert scores["lm_eval"] == scores["lm_eval.mine"] and 0 <= scores["lm_eval"] <= 1
    assert random.getstate() == before[0] and torch.equal(torch.get_rng_state(), before[1])
    with pytest.raises(UnusableScore, match="no metric 'f1'; it has acc"):
        build("lm_eval", tasks=["mine"], folder=str(folder), metric="f1").score(seated)


def test_a_metric_may_have_a_filter_as_the_harness_names_it(tmp_path, no_network):
    """Of a task with two, as gsm8k has them: what `nomad_gsm8k` asks for is the harness's "metric,filter"."""
    pytest.importorskip("lm_eval", reason="needs the package lm_eval (extra lm-eval)")
    from labelbench_plus.language.base import open_base
    from labelbench_plus.language.model import LanguageModel
    from labelbench_plus.language.templates import Template

    rows = [{"question": f"{row} plus one?", "answer": f"so #### {row + 1}"} for row in range(3)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    of_answer = {"function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"}
    task = {
        "task": "sums",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "rows.jsonl")}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_target": "{{answer}}",
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        "generation_kwargs": {"until": ["Question:"], "max_gen_toks": 4},
        "filter_list": [
            {"name": "strict-match", "filter": [of_answer, {"function": "take_first"}]},
            {"name": "flexible-extract", "filter": [{"function": "take_first"}]},
        ],
    }
    (tmp_path / "sums.yaml").write_text(json.dumps(task))
    suite = YAML(typ="safe").load(SUITES / "nomad_gsm8k.yaml")
    (asked,) = [each for each in suite["problems"][0]["evaluations"] if isinstance(each, dict) and "tasks" in each]
    seated = Seated()
    base = registry("bases").build({"name": "tiny_llama", "width": 16, "layers": 1, "heads": 2, "context": 128})
    seated.model = LanguageModel(open_base(base), Template("plain"))
    scores = build("lm_eval", tasks=["sums"], folder=str(tmp_path), metric=asked["metric"]).score(seated).scores
    assert asked["tasks"] == ["gsm8k"] and 0 <= scores["lm_eval.sums"] <= 1
    with pytest.raises(UnusableScore, match="no metric 'exact_match'; it has exact_match,strict-match"):
        build("lm_eval", tasks=["sums"], folder=str(tmp_path), metric="exact_match").score(seated)


def test_a_missing_harness_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lm_eval", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'labelbench-plus\[lm-eval\]'"):
        build("lm_eval", tasks=["mine"]).score(Seated())
