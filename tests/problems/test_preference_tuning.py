"""Preferences that are bought: what is on sale, what it costs, what is written down, and what nobody needs again."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from labelbench_plus.annotators import Annotator
from labelbench_plus.answers import PREFERENCE, SCORE
from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.contracts.capabilities import Needs
from labelbench_plus.inputs.conversations import Turn
from labelbench_plus.language.candidates import draw
from labelbench_plus.language.judged import judged, read, written
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.options import Decoding
from labelbench_plus.oracle import Again, AnswersPending, QueryError
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec, incompatibilities
from labelbench_plus.steps import Steps
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.testing.resume import carry_on
from tests.language.tiny import model as tiny_model

EXAMPLE = registry("problems").load("preference_tuning").example()
SCORED = {"label": "score", "others": "none", "instruction": None}


def problem(**changed):
    return registry("problems").build({"name": "preference_tuning", **EXAMPLE, **changed})


def trainer(name="proxy_dpo", **fields):
    return registry("trainers").build({"name": name, "steps": 2, "batch": 2, "rank": 2, **fields})


def strategy(name="random"):
    return registry("strategies").build(name)


def opened(tmp_path, seed=0, **changed):
    return problem(**changed).open(Place(tmp_path), Streams(seed))


def bought(instance, items, money=None):
    ledger = Ledger()
    instance.oracle.answer(np.array(items), float(money or len(items)), ledger)
    return ledger


def test_questions_come_back_from_their_text():
    from labelbench_plus.annotators import Asked

    for prompt in ("é {0}", (Turn("system", "Be kind."), Turn("user", "Hi"))):
        for responses in (("a",), ("a", 'b "quoted"\n')):
            asked = Asked(prompt, None, responses)
            assert read(written(asked)) == asked
    assert written(Asked("p", "told", ("é",))) == '{"prompt":"p","responses":["é"]}'  # nobody is told what data say


def test_items_are_the_pairs_of_a_prompt(tmp_path):
    instance = opened(tmp_path)
    block = instance._pool
    assert block.shape.size == 20 * 3 and problem().capacity() == 60
    asked = block.asked(np.array([0, 1, 2, 59]))
    texts = [each.text for each in block.responses]
    assert [each.responses for each in asked[:3]] == [
        (texts[0], texts[1]),
        (texts[0], texts[2]),
        (texts[1], texts[2]),
    ]
    assert asked[3].responses == (texts[58], texts[59]) and asked[3].prompt == block.prompts[19]
    scored = opened(tmp_path, **SCORED)
    assert scored._pool.shape.size == 60 and scored._pool.asked(np.array([4]))[0].responses == (texts[4],)


def test_what_is_bought_is_written_down_with_its_texts(tmp_path):
    instance = opened(tmp_path)
    (purchase,) = bought(instance, [7, 3]).purchases
    assert purchase.kind is PREFERENCE and purchase.cost == 2
    assert [read(text) for text in purchase.asked] == instance._pool.asked(np.array([7, 3]))
    again = Purchase.from_json(json.loads(json.dumps(purchase.as_json())))
    assert judged([again]) == judged([purchase])
    (scored,) = bought(opened(tmp_path, **SCORED), [7]).purchases
    assert scored.kind is SCORE


def test_preferences_are_the_experts(tmp_path):
    instance, scored = opened(tmp_path), opened(tmp_path, **SCORED)
    scores = scored.oracle._annotator.ask(scored._pool.asked(np.arange(60)), None)
    for verdict, asked in zip(
        bought(instance, list(range(60))).answers, instance._pool.asked(np.arange(60)), strict=True
    ):
        prompt = instance._pool.prompts.index(asked.prompt)
        of = dict(
            zip(
                [each.text for each in instance._pool.responses[3 * prompt :][:3]],
                scores[3 * prompt :][:3],
                strict=True,
            )
        )
        assert verdict == np.sign(of[asked.responses[1]] - of[asked.responses[0]])


class Undecided(Annotator):
    """Prefers nobody, but knows scores."""

    kinds = {"pair": PREFERENCE, "score": SCORE}  # noqa: RUF012

    def ask(self, questions, desk):
        return [0 if len(each.responses) == 2 else None for each in questions]


def replaced(made, annotator):
    """A problem with an annotator that no registry knows."""
    made = dataclasses.replace(made)
    object.__setattr__(made, "annotator", annotator)
    object.__setattr__(made, "judge", registry("annotators").build(EXAMPLE["annotator"]))
    return made


def test_ties_are_answers_and_billed(tmp_path):
    instance = replaced(problem(), Undecided()).open(Place(tmp_path), Streams(0))
    ledger = bought(instance, [0, 5, 9])
    assert ledger.spent == 3 and ledger.answers.tolist() == [0, 0, 0] and ledger.answered.all()
    data = instance.training_data(ledger, with_validation=False)
    model = trainer().fit(data, Streams(0), None)
    assert model.notes["pairs"] == 0  # and teach nothing
    assert instance.score_bought(ledger) == {"prompts_covered": 3, "ties_bought": 1.0}


def test_what_has_no_answer_is_billed_and_teaches_nothing(tmp_path):
    made = replaced(problem(**SCORED), Undecided())
    instance = made.open(Place(tmp_path), Streams(0))
    ledger = bought(instance, [0, 5])
    assert ledger.spent == 2 and not ledger.answered.any()
    assert instance.training_data(ledger, with_validation=False).bought == ()


class Nobody(Annotator):
    """Somebody who is paid, and must not be asked."""

    paid, kinds = True, {"pair": PREFERENCE}

    def ask(self, questions, desk):
        assert all(each.reference is None for each in questions)
        raise AnswersPending(len(questions))


def test_queries_are_checked_before_anybody_is_asked(tmp_path):
    instance = replaced(problem(), Nobody()).open(Place(tmp_path), Streams(0))
    for query, money, what in (
        ([1, 1], 2.0, "different items"),
        ([120], 1.0, "0..119"),
        ([1, 2], 1.0, "expected 1 items"),
        ([0.5], 1.0, "integer"),
    ):
        with pytest.raises(QueryError, match=what):
            instance.oracle.answer(np.array(query), money, Ledger())
    ledger = Ledger()
    with pytest.raises(AnswersPending):
        instance.oracle.answer(np.array([3]), 1.0, ledger)
    assert not ledger.purchases


@pytest.mark.parametrize(
    "name", ["random", "k_center", "coreset_eft", "coreset_ift", "off_policy_random", "facility_location"]
)
def test_choices_ask_the_oracle_nothing(tmp_path, name):
    instance = replaced(problem(), Nobody()).open(Place(tmp_path), Streams(0))
    chosen = strategy(name)
    view = instance.view(Needs(chosen.needs, None), Ledger(), None, 6.0)
    items = chosen.select(view, 6, np.random.default_rng(0)).numpy()
    assert len(set(items.tolist())) == 6
    assert ((items >= 60) == (name == "off_policy_random")).all()


@pytest.mark.parametrize("name", ["pair_uncertainty", "badge_pairs", "fisher_pairs"])
def test_choices_by_a_model(tmp_path, name):
    instance = opened(tmp_path)
    ledger, chosen, tuner = bought(instance, [0, 4, 8, 12, 30, 44]), strategy(name), trainer()
    model = tuner.fit(instance.training_data(ledger, with_validation=False), Streams(0), None)
    instance = replaced(problem(), Nobody()).open(Place(tmp_path), Streams(0))  # what is left is nobody's to read
    view = instance.view(Needs(chosen.needs, tuner), ledger, model, 5.0)
    items = chosen.select(view, 5, np.random.default_rng(0))
    assert len(set(items.tolist()) - set(ledger.items.tolist())) == 5
    if name == "pair_uncertainty":
        margins = model.predictions(instance._pool.asked(view.candidates.numpy())).abs()
        assert set(items.tolist()) == set(view.candidates[margins.argsort()[:5]].tolist())


class Contrary(Annotator):
    """Says of what it is told to leave what a rule says, and of everything else the opposite."""

    kinds = {"pair": PREFERENCE}  # noqa: RUF012

    def __init__(self, left):
        self.left = left

    def ask(self, questions, desk):
        said = registry("annotators").build(EXAMPLE["annotator"]).ask(questions, desk)
        return [
            verdict if written(each) in self.left else -verdict for each, verdict in zip(questions, said, strict=True)
        ]


@pytest.mark.parametrize("name", ["random", "coreset_ift", "badge_pairs", "pair_uncertainty"])
def test_judgements_that_nobody_bought_change_no_byte(tmp_path, name):
    chosen, tuner = strategy(name), trainer("proxy_dpo", body={"steps": 1, "batch": 2, "rank": 2})

    def rounds(annotator):
        made = problem() if annotator is None else replaced(problem(), annotator)
        instance, streams = made.open(Place(tmp_path), Streams(0)), Streams(0)
        ledger, model, said = bought(instance, [0, 4, 8]), None, []
        for number in range(2):
            data = instance.training_data(ledger, with_validation=False)
            model = tuner.fit(data, streams.round(number), None)
            view = instance.view(Needs(chosen.needs, tuner), ledger, model, 3.0)
            items = chosen.select(view, 3, streams.round(number).rng("strategy")).numpy()
            instance.oracle.answer(items, 3.0, ledger)
            said.append([ledger.purchases[-1].as_json(), data.digest(), instance.evaluate(model).scores])
        return said, {text for purchase in ledger.purchases for text in purchase.asked}

    expected, asked = rounds(None)
    found, again = rounds(Contrary(asked))
    assert found == expected and again == asked
    other, _ = rounds(Contrary(set()))
    assert other != expected  # what was bought does


def test_features_are_the_difference_of_two_responses(tmp_path):
    instance = opened(tmp_path)
    ledger = bought(instance, [7])
    view = instance.view(frozenset({"features", "pairs", "prompt_of", "tasks", "valid"}), ledger, None, 5.0)
    assert view.features.shape == (59, 32) and view.labelled_features.shape == (1, 32)
    states = instance._pool.states[:, :2].reshape(60, 32)
    rows = view.candidates.numpy()
    differences = np.stack([_difference(states, item) for item in rows])
    expected = differences - differences.mean(axis=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(view.features.numpy(), expected, atol=1e-4)
    assert view.pairs[:3].tolist() == [[0, 1], [0, 2], [1, 2]] and view.prompt_of[:4].tolist() == [0, 0, 0, 1]


def _difference(states, item):
    first, second = ((0, 1), (0, 2), (1, 2))[item % 3]
    return states[3 * (item // 3) + second] - states[3 * (item // 3) + first]


def test_blank_and_repeated_responses_are_drawn_again_then_stay():
    class Says:
        """A model that says the same three things, and something new when asked often enough."""

        def generate(self, prompts, decoding, generators):
            texts = [("same", "", "other")[int(each.integers(3))] for each in generators]
            return SimpleNamespace(texts=tuple(texts), ended=np.array([text != "other" for text in texts]))

    found = draw(Says(), ["p"] * 40, 2, Decoding(4, 1.0), Streams(0).rng)
    for first, second in found:
        assert first.valid == (first.text == "same")
        assert second.valid == (second.text == "same" and first.text != "same")
    assert sum(first.text == "" for first, _ in found) <= 4  # a third of a third of a third of a third
    alone = draw(Says(), ["p"] * 3, 2, Decoding(4, 1.0), Streams(0).rng, first=7)
    assert alone == found[7:10]  # whoever is drawn with it


def test_an_empty_response_has_finite_states():
    states = tiny_model().response_states(["Hi", "Say so"], ["", "so"])
    assert states.shape == (2, 3, 32) and bool(states.isfinite().all())
    assert torch.equal(states[0, 0], states[0, 1])  # the token that ends it is all there is


def test_seed_preferences_are_given_and_declared(tmp_path):
    made = problem(seed_pairs=5)
    instance = made.open(Place(tmp_path), Streams(0))
    data = instance.training_data(Ledger(), with_validation=False)
    assert len(data.seed) == 5 and made.capacity() == 55
    assert not np.isin(instance._given, instance.oracle.candidates(Ledger())).any()
    spec = RunSpec(made, trainer(), strategy(), None, (5.0,), 0)
    assert spec.beside == {"seed demonstrations": 4, "seed preferences": 5}


def test_what_another_policy_wrote_is_on_sale_beside(tmp_path):
    instance = opened(tmp_path)
    view = instance.view(frozenset({"off_policy"}), Ledger(), None, 5.0)
    assert view.off_policy.tolist() == list(range(60, 120)) and len(view.candidates) == 60
    ledger = bought(instance, [60, 3])
    assert [read(text) for text in ledger.purchases[0].asked] == [
        *instance._others.asked(np.array([0])),
        *instance._pool.asked(np.array([3])),
    ]
    assert instance._others.responses != instance._pool.responses
    answers = opened(tmp_path, **{**SCORED, "others": "answers"})
    found = bought(answers, [60 + 4]).purchases[0]
    assert read(found.asked[0]).responses == (problem().prompts.load().pool_answers[4],)


def test_what_fits_and_what_is_refused():
    def reasons(name, tuner="proxy_dpo", initial="random", **changed):
        spec = RunSpec(problem(**changed), trainer(tuner), strategy(name), strategy(initial), (5.0, 5.0), 0)
        return " ".join(incompatibilities(spec))

    for name in ("random", "coreset_eft", "pair_uncertainty", "badge_pairs", "fisher_pairs", "k_center", "d_optimal"):
        assert not reasons(name), name
    assert "needs pairs" in reasons("pair_uncertainty", **SCORED)
    assert "needs off_policy" in reasons("off_policy_random", **SCORED)
    assert "all_judgements" in reasons("random", "oracle_dpo")
    assert not reasons("random", "oracle_dpo", tells_all=True) and problem(tells_all=True).knows_truth()
    assert "needs probabilities" in reasons("margin")


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"annotator": "stored"}, "cannot be asked for the better of two"),
        ({"decoding": {"temperature": 0.0}}, "temperature above 0"),
        ({"instruction": None}, "goes with an `instruction`"),
        ({"others": "answers", "instruction": None}, "compares two"),
        ({"refresh": True}, "leave others at none"),
        ({"judge": "stored"}, "gives no scores"),
    ],
)
def test_contradictions_are_refused(changed, what):
    with pytest.raises(ValidationError, match=what):
        problem(**changed)


def test_prompts_that_leave_no_room_are_refused_before_any_work(tmp_path):
    with pytest.raises(ValueError, match="the base reads 128: lower max_new_tokens"):
        opened(tmp_path, decoding={"max_new_tokens": 120, "temperature": 1.0})


# Rounds, and going on with them.

REFRESHED = {**SCORED, "refresh": True}
FEW = {"prompts": {**EXAMPLE["prompts"], "pool": 8}}
MODES = {"once a seed": FEW, "each round": {**FEW, **REFRESHED}}


def carried_out(tmp_path, where, made, until=None):
    spec = RunSpec(made, trainer(), strategy("k_center"), None, (4.0, 4.0, 4.0), 0)
    store = RunStore(tmp_path / where, spec.id)
    carry_on(spec, store, tmp_path / "cache", until=until)
    return [record.purchase.as_json() | {"scores": record.scores} for record in store.rounds()]


def test_each_round_has_candidates_of_the_last_policy(tmp_path):
    made = problem(**REFRESHED)
    rounds = carried_out(tmp_path, "run", made)
    assert [{item // 60 for item in each["items"]} for each in rounds] == [{0}, {1}, {2}]
    instance = made.open(Place(tmp_path / "cache"), Streams(0))
    ledger = Ledger([Purchase.from_json({k: v for k, v in rounds[0].items() if k != "scores"})])
    with pytest.raises(QueryError, match="cannot"):
        instance.oracle.answer(np.array([5]), 1.0, ledger)  # of a block that is gone
    model = trainer().fit(instance.training_data(ledger, with_validation=False), Streams(0).round(0), None)
    instance.view(frozenset(), ledger, model, 4.0)
    drawn = draw(model, instance._pool.prompts, 3, made.decoding, Streams(0).round(1).rng)
    texts = [each.text for some in drawn for each in some]
    assert [read(text).responses[0] for text in rounds[1]["asked"]] == [texts[item - 60] for item in rounds[1]["items"]]


@pytest.mark.parametrize("mode", MODES)
def test_trained_again_from_its_files_without_the_policy(tmp_path, mode, monkeypatch):
    """What is learned from is in the files, and a choice that is sold again is not drawn again."""
    made = problem(**MODES[mode])
    rounds = carried_out(tmp_path, "run", made)
    purchases = [Purchase.from_json({k: v for k, v in each.items() if k != "scores"}) for each in rounds]
    here = made.open(Place(tmp_path / "cache"), Streams(0)).training_data(Ledger(purchases), with_validation=False)
    monkeypatch.setattr(LanguageModel, "generate", lambda *given: pytest.fail("something was drawn"))
    instance = made.open(Place(tmp_path / "elsewhere"), Streams(0))
    data = instance.training_data(Ledger(purchases), with_validation=False)
    assert data.bought == here.bought and data.digest() == here.digest() and len(data.bought) == 12
    model = trainer("direct_dpo").fit(data, Streams(0), None)
    assert model.notes["steps"] in (0, 2)
    ledger = Ledger()
    for purchase in purchases:
        instance.oracle.answer(Again(purchase), 4.0, ledger)
    changed = dataclasses.replace(purchases[0], answers=-1 - purchases[0].answers)
    with pytest.raises(QueryError, match="answers"):
        instance.oracle.answer(Again(changed), 4.0, Ledger())


PROGRAM = """
import os, signal, sys
from pathlib import Path
import tests.problems.test_preference_tuning as here
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.problems._generated_pool import GeneratedPoolOracle
from labelbench_plus.trainers.language._tuning import Tuning

WHERE = {
    "generation": (LanguageModel, "generate", 3),
    "fit": (Tuning, "advance", 3),
    "answer": (GeneratedPoolOracle, "_judged", 1),
}

def killed_at(owner, name, left):
    method = getattr(owner, name)

    def killed(self, *given, **named):
        nonlocal left
        said = method(self, *given, **named)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return said

    setattr(owner, name, killed)

for mode in here.MODES:
    for owner, name, left in WHERE.values():
        child = os.fork()
        if not child:
            killed_at(owner, name, left)
            here.carried_out(Path(sys.argv[1]) / mode, "killed", here.problem(**here.MODES[mode]))
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, (mode, name)
"""


@pytest.mark.slow
def test_a_kill_anywhere_changes_nothing(tmp_path):
    """kill -9 in the middle of generation, of a fit, and between an answer and the commit, in either mode."""
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], check=True, env=alone)
    for mode, changed in MODES.items():
        expected = carried_out(tmp_path / "whole" / mode, "whole", problem(**changed))
        assert carried_out(tmp_path / mode, "killed", problem(**changed)) == expected


def test_a_model_is_restored_rather_than_trained_again(tmp_path, monkeypatch):
    spec = RunSpec(problem(), trainer(), strategy(), None, (4.0, 4.0, 4.0), 0)
    store = RunStore(tmp_path / "run", spec.id)
    carry_on(spec, store, tmp_path, until=1)
    left, fits = 3 - len(store.rounds()), []
    train = type(spec.trainer).train
    monkeypatch.setattr(type(spec.trainer), "train", lambda *given: fits.append(1) or train(*given))
    carry_on(spec, store, tmp_path, until=None)
    assert len(fits) == left > 0  # the model of the last round was there


def test_collapse_is_guarded_where_the_expert_ranks():
    (guard,) = problem().guards()
    assert (guard.score, guard.reference, guard.ranked_reference) == (
        "validity",
        "reference_validity",
        "reference_expert_score",
    )
    assert problem(rank_by="proxy_accuracy").guards() == ()
    assert [each.scores for each in problem(rank_by="win_rate").guards()] == [("validity",)]


def test_scores_of_the_reference_itself(tmp_path):
    """The policy of the seed is no better and no worse than itself but for chance, and has gone nowhere."""
    instance = opened(tmp_path, **SCORED)
    nothing = instance.training_data(Ledger(), with_validation=False)
    scored = instance.evaluate(trainer("direct_dpo").fit(nothing, Streams(0), None))
    assert scored.scores["reference_kl"] == 0 and scored.scores["proxy_accuracy"] == 0.5
    details = scored.details["responses"]
    assert len(details["said"]) == 4 and np.mean(details["score"]) == scored.scores["expert_score"]
    wins = [
        (s > r) + 0.5 * (s == r) for s, row in zip(details["score"], instance._test.scores, strict=True) for r in row
    ]
    assert scored.scores["win_rate"] == pytest.approx(np.mean(wins))


def test_a_seed_is_tuned_once_and_is_the_reference(tmp_path):
    given = {**SCORED, "policy": {"name": "sft", "epochs": 2, "rank": 2, "learning_rate": 0.02}}
    instance = opened(tmp_path, **given)
    tuned = instance._policy.model
    plain = opened(tmp_path, **SCORED)._policy.model
    prompts = list(instance._pool.prompts[:3])
    assert not torch.allclose(
        tuned.log_probabilities(prompts, ["kind"] * 3), plain.log_probabilities(prompts, ["kind"] * 3)
    )
    again = opened(tmp_path, **given)._policy.base
    assert again is tuned.base  # once a process, and from the cache
    assert opened(tmp_path, seed=1, **given)._policy.base.fingerprint != again.fingerprint
    fresh = problem(**given).policy.fit(_shown(instance), Streams(0), None)
    assert torch.allclose(
        fresh.log_probabilities(prompts, ["kind"] * 3), tuned.log_probabilities(prompts, ["kind"] * 3), atol=1e-3
    )


def _shown(instance):
    from labelbench_plus.language.base import open_base
    from labelbench_plus.language.data import InstructionData

    made = problem()
    return InstructionData(open_base(made.base, "cpu"), made.template, (), made.prompts.load().seed)


def test_purchases_can_be_told_without_being_made(tmp_path):
    """What a round would sell is known by its numbers alone."""
    spec = RunSpec(problem(), trainer(), strategy(), None, (4.0, 4.0), 0)
    items, prices = Steps.of(spec, Place(tmp_path)).would_sell(0, Ledger(), None)
    assert len(items) == 4 and prices.tolist() == [1.0] * 4
