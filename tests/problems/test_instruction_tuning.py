import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from labelbench_plus.annotators import Annotator
from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.contracts.capabilities import Needs
from labelbench_plus.contracts.prompts import Prompt, PromptData, TestItem
from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language.annotated import AnnotatedOracle
from labelbench_plus.language.gradients import answer_gradients
from labelbench_plus.language.options import Decoding
from labelbench_plus.language.prompt_pool import PromptPool
from labelbench_plus.language.sitting import ModelSitting
from labelbench_plus.language.templates import Template
from labelbench_plus.oracle import AnswersPending, QueryError, StratifiedDraw
from labelbench_plus.plugins import describe, registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec, incompatibilities
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.testing.resume import carry_on

EXAMPLE = registry("problems").load("instruction_tuning").example()
BASE = registry("bases").build(EXAMPLE["base"])


def problem(**changed):
    return registry("problems").build({"name": "instruction_tuning", **EXAMPLE, **changed})


def strategy(given):
    return registry("strategies").build(given)


def opened(tmp_path, **changed):
    return problem(**changed).open(Place(tmp_path), Streams(0))


def bought(items, answers):
    return Ledger([Purchase(np.array(items), np.ones(len(items)), np.array(answers, dtype=object))])


def test_what_a_view_shows(tmp_path):
    instance, ledger = opened(tmp_path), Ledger()
    instance.oracle.answer(np.array([3, 50]), 2.0, ledger)
    unsure = {"token_uncertainty", "mean_token_uncertainty"}
    needs = frozenset({"features", "tasks", "prompt_tokens", "num_classes"} | unsure)
    view = instance.view(needs, ledger, None, 5.0)
    assert view.features.shape == (58, 16) and view.labelled_features.shape == (2, 16)
    whole = torch.cat([view.features, view.labelled_features])
    assert torch.allclose(whole.norm(dim=1), torch.ones(60), atol=1e-5)
    data = problem().prompts.load()
    names = np.array(data.tasks)
    assert names[view.labelled_tasks].tolist() == [data.pool[3].task, data.pool[50].task]
    assert view.num_classes == len(data.tasks)
    lengths = [len(f"Question: {prompt.said}\nAnswer:") for prompt in data.pool]  # tokens are bytes
    assert view.labelled_prompt_tokens.tolist() == [lengths[3], lengths[50]]
    assert (view.mean_token_uncertainty[:, 0] <= view.token_uncertainty[:, 0] + 1e-12).all()
    assert view.answers.tolist() == [data.pool_answers[3], data.pool_answers[50]]


def test_states_are_shifted_before_they_are_scaled(tmp_path):
    pool = PromptPool([f"prompt {row}" for row in range(5)] * 2, BASE, Template("plain"), Decoding(4), tmp_path, "cpu")
    raw = pool.model.hidden(pool.prompts).numpy()
    shifted = raw - raw.mean(axis=0)
    assert np.allclose(pool.features, shifted / np.linalg.norm(shifted, axis=1, keepdims=True), atol=1e-4)
    alike = PromptPool(["same"] * 3, BASE, Template("plain"), Decoding(4), tmp_path, "cpu")
    assert np.abs(alike.features).max() <= 1  # nothing is divided by nothing


@pytest.mark.parametrize("what", ["features", "token_uncertainty"])
def test_a_kill_loses_one_piece(tmp_path, monkeypatch, what):
    """What was read or answered before is not asked again, and what comes out is what nobody interrupted."""
    monkeypatch.setattr("labelbench_plus.language.prompt_pool.PIECE", 4)

    def pool(folder):
        said = [f"say {row}" for row in range(14)]
        return PromptPool(said, BASE, Template("plain"), Decoding(3), tmp_path / folder, "cpu")

    expected = getattr(pool("whole"), what).copy()
    model = type(pool("whole").model)
    name = "hidden" if what == "features" else "token_uncertainty"
    method, asked, killed_at = getattr(model, name), [], 3

    def ask(self, prompts, *more):
        if len(asked) == killed_at:
            raise KeyboardInterrupt
        asked.append(len(prompts))
        return method(self, prompts, *more)

    monkeypatch.setattr(model, name, ask)
    with pytest.raises(KeyboardInterrupt):
        getattr(pool("killed"), what)
    assert asked == [4, 4, 4]
    killed_at = None
    assert np.array_equal(getattr(pool("killed"), what), expected)
    assert asked == [4, 4, 4, 2]


def test_prompts_that_are_too_long_are_refused_before_any_work(tmp_path):
    with pytest.raises(ValueError, match="max_tokens is 20"):
        opened(tmp_path, template={"chat": "plain", "max_tokens": 20})


def test_what_fits_and_what_is_refused():
    trainer = registry("trainers").build("sft")

    def reasons(given, initial=None):
        return incompatibilities(RunSpec(problem(), trainer, strategy(given), initial, (5.0, 5.0), 0))

    geometric = ["k_center", "facility_location", "log_det", "graph_cut", "typiclust", "probcover", "lcmd", "d_optimal"]
    for name in [
        *geometric,
        "random",
        "max_uncertainty",
        "mean_uncertainty",
        "task_diversity",
        "answer_quality",
        "gradient_similarity",
    ]:
        assert not reasons(name), name
    (margin,) = {reason.partition(";")[0] for reason in reasons("margin")}
    assert margin == "strategy 'margin' needs probabilities"
    assert any("needs labels, probabilities" in reason for reason in reasons("galaxy"))


def test_answers_are_no_classes_to_draw_by(tmp_path):
    instance, ledger = opened(tmp_path), Ledger()
    with pytest.raises(QueryError, match="a draw by class needs classes, and answers here are 'text'"):
        instance.oracle.answer(StratifiedDraw(np.random.default_rng(0)), 5.0, ledger)
    assert not ledger.purchases


def test_what_is_used_beside_the_budget_and_what_shares_a_table():
    made = problem()
    spec = RunSpec(made, registry("trainers").build("sft"), strategy("random"), None, (5.0,), 0)
    assert spec.beside == {"seed demonstrations": 2} and spec.validation_labels == 0
    assert made.facets()["expert"] == "stored" and made.dataset_name() == "skills"
    assert "annotator" not in describe(made)  # who reads the data takes no part in identity
    assert made.primary_metric() == ("macro_nll", False)
    assert problem(evaluations=["exact_match"]).primary_metric() == ("macro_em", True)


def test_trainers_are_shown_what_was_bought_and_the_seed(tmp_path):
    instance = opened(tmp_path)
    data = instance.training_data(bought([7, 2], ["seven", "two"]), with_validation=False)
    pool = problem().prompts.load()
    assert [each.prompt for each in data.bought] == [pool.pool[7].said, pool.pool[2].said]
    assert [each.response for each in data.bought] == ["seven", "two"] and len(data.seed) == 2
    assert "seven" not in data.pool and data.validation is None


def test_how_many_tasks_were_bought_of(tmp_path):
    instance, pool = opened(tmp_path), problem().prompts.load().pool
    items = [0, 1, 2, 3, 9]
    covered = len({pool[item].task for item in items})
    assert instance.score_bought(bought(items, ["x"] * 5)) == {"tasks_covered": covered}
    assert instance.score_bought(Ledger()) == {"tasks_covered": 0}


def test_what_answers_are_like(tmp_path):
    instance = opened(tmp_path)
    model = instance.training_data(Ledger(), with_validation=False)
    base = registry("trainers").build("sft").fit(replace(model, seed=()), Streams(0), None)
    scored = instance.evaluate(base)
    assert scored.scores["base_kl"] == 0  # nothing was learned
    assert scored.scores["response_tokens"] == 4 and scored.scores["validity"] == 0  # cut off
    assert scored.notes["generated_tokens"] == 4 * 12 and len(scored.details["answers"]["said"]) == 12
    sitting = ModelSitting(base, instance._test, Decoding(4), problem().prompts)
    assert sitting.written is sitting.written


RUN = {"strategy": "k_center", "amounts": (3.0, 3.0)}


def carried_out(tmp_path, where, source, **changed):
    """The rounds, as they are on disk, of a run."""
    given = {**RUN, **changed}
    trainer = registry("trainers").build({"name": "sft", "epochs": 1, "rank": 2})
    spec = RunSpec(problem(prompts=source), trainer, strategy(given["strategy"]), None, given["amounts"], 0)
    store = RunStore(tmp_path / where, spec.id)
    carry_on(spec, store, tmp_path, until=None)
    return [record.purchase.as_json() | {"scores": record.scores} for record in store.rounds()], spec


def test_answers_that_nobody_bought_change_nothing(tmp_path, no_network):
    """Those of the others are replaced by garbage: the same choices, models and scores. And no socket is opened."""
    rows = [{"prompt": f"how much is {row}?", "answer": f"it is {row}", "task": f"t{row % 3}"} for row in range(36)]

    def source(name, answers):
        path = tmp_path / f"{name}.jsonl"
        said = [{**row, "answer": answers.get(row["prompt"], row["answer"])} for row in rows]
        path.write_text("\n".join(map(json.dumps, said)))
        return {"name": "json_lines", "path": str(path), "test": 2}

    first, spec = carried_out(tmp_path, "true", source("true", {}))
    data = spec.problem.prompts.load()
    taken = {data.pool[item].said for record in first for item in record["items"]}
    tested = {item.prompt.said for item in data.test}
    garbage = {row["prompt"]: "xx" for row in rows if row["prompt"] not in taken | tested}
    assert len(taken) == 6 and len(garbage) == 24
    second, other = carried_out(tmp_path, "other", source("other", garbage))
    assert spec.id != other.id and second == first


@pytest.mark.parametrize(
    "name",
    [
        *("random", "k_center", "facility_location", "typiclust"),
        *("max_uncertainty", "mean_uncertainty", "task_diversity"),
    ],
)
def test_choices_ask_the_oracle_nothing(tmp_path, monkeypatch, name):
    instance = opened(tmp_path)
    monkeypatch.setattr(instance.oracle, "reveal", lambda items: pytest.fail("somebody asked"))
    chosen = strategy(name)
    view = instance.view(Needs(chosen.needs, None), Ledger(), None, 5.0)
    assert len(set(chosen.select(view, 5, np.random.default_rng(0)).tolist())) == 5


class Slow(Annotator):
    """Somebody who is paid, has no time, and must not be told the answer."""

    name, paid = "slow", True

    def ask(self, questions, answers):
        assert [(asked.prompt, asked.reference) for asked in questions] == [("second?", None)]
        raise AnswersPending(len(questions))


def test_a_paid_annotator_is_told_no_reference_and_may_keep_one_waiting():
    oracle, ledger = AnnotatedOracle(["a", "b"], None, Slow(), ["first?", "second?"]), Ledger()
    with pytest.raises(AnswersPending, match="waiting for 1 answer"):
        oracle.answer(np.array([1]), 1.0, ledger)
    assert oracle.paid and not ledger.purchases
    assert "truth" in problem().provides
    assert "truth" not in replace(problem(), annotator=SimpleNamespace(paid=True)).provides


def test_bounds_are_told_what_answers_are_like(tmp_path):
    instance = opened(tmp_path)
    view = instance.view(frozenset({"truth", "answer_likelihood"}), Ledger(), None, 5.0)
    assert view.truth.tolist() == list(problem().prompts.load().pool_answers)
    assert view.answer_likelihood[:, 0].tolist() == [len(answer.encode()) + 2 for answer in view.truth]  # " Paris</s>"
    hidden = instance.view(frozenset({"features"}), Ledger(), None, 5.0)
    assert not {"truth", "answer_likelihood"} & hidden._providers.keys()


def test_what_answers_would_teach_is_told_to_bounds_where_something_is_wanted(tmp_path):
    """The cosine with what the seed demonstrations would teach, by another way: one answer at a time."""
    needs, data = frozenset({"answer_gradients", "target_gradients"}), problem().prompts.load()
    view = opened(tmp_path).view(needs, Ledger(), None, 5.0)
    model, asked = PromptPool([], BASE, Template("plain"), Decoding(4), tmp_path, "cpu").model, []
    for prompt, answer in zip(data.pool, data.pool_answers, strict=True):
        asked.append(answer_gradients(model, [Demonstration(prompt.said, answer)])[0])
    own, wanted = (
        torch.nn.functional.normalize(each, dim=1) for each in (torch.stack(asked), answer_gradients(model, data.seed))
    )
    order = (own @ wanted.mean(dim=0)).argsort(descending=True).tolist()
    assert strategy("gradient_similarity").select(view, 5, None).tolist() == order[:5]
    assert "target_gradients" not in problem(prompts={**EXAMPLE["prompts"], "demonstrations": 0}).provides
    hidden = opened(tmp_path).view(frozenset({"features"}), Ledger(), None, 5.0)
    assert "answer_gradients" not in hidden._providers


def test_boards_watch_that_answers_stay_whole():
    assert [(guard.score, guard.reference) for guard in problem().guards()] == [
        ("validity", None),
        ("distinct_2", None),
    ]


def test_a_pool_of_one_task_has_classes_enough(tmp_path):
    data = PromptData((Prompt("a", "t"), Prompt("b", "t")), ("x", "y"), (TestItem(Prompt("c", "t"), ("z",)),))
    made = problem()
    instance = type(opened(tmp_path))(made, data, Place(tmp_path))
    assert instance.view(frozenset({"num_classes"}), Ledger(), None, 1.0).num_classes == 2
