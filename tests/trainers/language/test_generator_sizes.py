"""One of several sizes of a generator's set, beside trying each by hand."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language import synthesis
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.plugins import describe
from labelbench_plus.spec import incompatibilities
from labelbench_plus.suite import load_suite
from labelbench_plus.trainers.language import _generator_sizes
from tests.trainers.language.test_nomad import DATA, DEMONSTRATIONS, STREAMS, nomad
from tests.trainers.language.test_sft import Kept, same

SHARES = (1.0, 0.3, 0.2, 0.6)  # of six demonstrations: 6, 2, 2 and 4
TRIED = (0.2, 0.6, 1.0)
VALIDATED = dataclasses.replace(
    DATA, validation=tuple(Demonstration(f"{word}?", word[::-1]) for word in ("bobu", "biba", "byby"))
)
ARMS = {"prompts": DATA, "validation": VALIDATED}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(synthesis, "PIECE", 8)


def swept(by, **fields):
    return nomad(generator_share=SHARES, size_by=by, generator_steps=40, synthetic=16, student_steps=4, **fields)


def alone(share):
    return nomad(generator_share=share, generator_steps=40, synthetic=16, student_steps=4).fit(DATA, STREAMS, None)


@pytest.fixture(scope="module")
def one_by_one():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthesis, "PIECE", 8)
        return {share: alone(share) for share in TRIED}


@pytest.fixture(scope="module")
def chosen():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthesis, "PIECE", 8)
        return {by: swept(by).fit(data, STREAMS, None) for by, data in ARMS.items()}


def slow_worth(model):
    """Loops over what was written, the pool and what was shown."""
    base = LanguageModel(DATA.base, DATA.template)
    pool = [base.hidden([prompt])[0].double() for prompt in DATA.pool]
    mean = sum(pool) / len(pool)

    def cosine(one, other):
        one, other = one - mean, other - mean
        return float(one @ other / (one.norm() * other.norm()))

    shown = [base.hidden([text])[0].double() for text in model.synthesis.shown]
    total = 0.0
    for row in model.synthesis.rows:
        if row.fate == "kept":
            mine = base.hidden([row.prompt])[0].double()
            near = math.sqrt(sum(cosine(mine, other) ** 2 for other in pool) / len(pool))
            total += near * (1 - max(abs(cosine(mine, other)) for other in shown))
    return total / len(model.synthesis.rows)


def slow_loss(model):
    each = []
    for one in VALIDATED.validation:
        tokens = len(model.format.answer(one.response))
        each.append(-float(model.log_probabilities([one.prompt], [one.response])[0]) / tokens)
    return sum(each) / len(each)


@pytest.mark.parametrize("by", ARMS)
def test_the_chosen_one_is_the_best_of_those_tried_by_hand(by, chosen, one_by_one):
    judge, sign, name = (slow_worth, 1, "worth") if by == "prompts" else (slow_loss, -1, "validation_loss")
    values = {share: judge(model) for share, model in one_by_one.items()}
    assert len(set(values.values())) == 3, "otherwise nothing is chosen here"
    best = max(values, key=lambda share: sign * values[share])
    model, notes = chosen[by], chosen[by].notes
    assert notes["generator_share"] == best
    assert same(model, one_by_one[best]) and model.synthesis == one_by_one[best].synthesis
    assert {key: notes[key] for key in notes if key.startswith(name)} == {
        f"{name}_{share:g}": pytest.approx(value, abs=1e-3) for share, value in values.items()
    }
    assert {key: notes[key] for key in one_by_one[best].notes} == one_by_one[best].notes


def test_sets_are_nested_and_one_size_is_tried_once(one_by_one):
    sizes = [len(model.synthesis.shown) for model in one_by_one.values()]
    sets = [set(model.synthesis.shown) for model in one_by_one.values()]
    assert sizes == [2, 4, 6] and sets[0] < sets[1] < sets[2]
    assert _generator_sizes._different(nomad(), SHARES, DATA) == list(TRIED)


@pytest.mark.parametrize("values", [[0.5, 0.5, 0.5], [math.nan, 0.5, 0.5], [math.nan] * 3])
def test_the_smallest_of_equals_is_taken_and_no_number_is_worst(monkeypatch, values):
    found = iter(values)
    monkeypatch.setattr(_generator_sizes, "worth", lambda *given: next(found))
    model = swept("prompts").fit(DATA, STREAMS, None)
    assert model.notes["generator_share"] == TRIED[values.index(0.5) if 0.5 in values else 0]


@pytest.mark.parametrize("by", ARMS)
@pytest.mark.parametrize("lives", [41, 129], ids=["writing", "the last"])
def test_a_sweep_that_is_killed_goes_on_to_the_same_bits(by, lives, chosen):
    kept_so_far = Kept(lives=lives)
    with pytest.raises(KeyboardInterrupt):
        swept(by).fit_with_checkpoint(ARMS[by], STREAMS, None, kept_so_far)
    assert swept(by).restore(ARMS[by], STREAMS, kept_so_far) is None, "it was not done"
    kept_so_far.lives = 10**9
    resumed = swept(by).fit_with_checkpoint(ARMS[by], STREAMS, None, kept_so_far)
    restored = swept(by).restore(ARMS[by], STREAMS, kept_so_far)
    for model in (resumed, restored):
        assert same(model, chosen[by]) and model.notes == chosen[by].notes
        assert model.synthesis == chosen[by].synthesis


def test_what_was_tried_is_not_tried_again(monkeypatch):
    tried, original = [], _generator_sizes._writing

    def counted(one, *given):
        tried.append(one.generator_share)
        return original(one, *given)

    monkeypatch.setattr(_generator_sizes, "_writing", counted)
    state = Kept(lives=60)  # in the second
    with pytest.raises(KeyboardInterrupt):
        swept("prompts").fit_with_checkpoint(DATA, STREAMS, None, state)
    state.lives = 10**9
    swept("prompts").fit_with_checkpoint(DATA, STREAMS, None, state)
    assert tried == [0.2, 0.6, 0.6, 1.0]


def test_only_who_declares_validation_answers_reads_them(tmp_path):
    """And they are a line beside the budget; a problem that has none is refused before any work."""
    assert swept("validation").uses_validation and not swept("prompts").uses_validation
    assert swept("prompts").fit(VALIDATED, STREAMS, None).notes["generator_share"] in TRIED
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": f"which {row}?", "answer": str(row)}) for row in range(60)))
    suite = """\
suite: sizes
problems:
  - name: instruction_tuning
    prompts: {{name: json_lines, path: {path}, test: 1, validation: {validation}}}
    base: {{name: tiny_llama, width: 16, layers: 1, heads: 2, context: 128}}
    template: {{chat: plain}}
trainers: [{{name: nomad, generator_share: [0.5, 1], size_by: {by}}}]
strategies: [random]
initial: null
budget: {{first: 5, batch: 5, rounds: 1}}
seeds: [0]
"""
    for validation, by, beside in ((7, "validation", 7), (7, "prompts", 0)):
        (tmp_path / "suite.yaml").write_text(suite.format(path=path, validation=validation, by=by))
        (spec,) = load_suite(tmp_path / "suite.yaml").runs()
        assert spec.validation_labels == beside
    (tmp_path / "suite.yaml").write_text(suite.format(path=path, validation=0, by="validation"))
    with pytest.raises(Exception, match="reads validation labels, of which"):
        [incompatibilities(spec) for spec in load_suite(tmp_path / "suite.yaml").runs()]


def test_one_of_one_is_no_choice():
    assert describe(nomad())["generator_share"] == 1.0 and "size_by" not in describe(nomad())
    assert describe(swept("prompts"))["generator_share"] == [1.0, 0.3, 0.2, 0.6]
    for wrong, why in (
        ({"size_by": "validation"}, "one of several generator_share, and there is one"),
        ({"generator_share": [0.5, 1], "synthetic": 0}, "must be above 0, got 60 and 0"),
        ({"generator_share": [0.5, 1], "generator_steps": 0}, "must be above 0, got 0 and 24"),
        ({"generator_share": [0.5]}, "at least 2"),
        ({"generator_share": [0.5, 2]}, "less than or equal to 1"),
    ):
        with pytest.raises(Exception, match=why):
            nomad(**wrong)
    with pytest.raises(ValueError, match="prompts of the pool, which has none"):
        swept("prompts").fit(dataclasses.replace(DATA, pool=()), STREAMS, None)
    assert swept("prompts").fit(dataclasses.replace(DATA, bought=()), STREAMS, None).learned is None
    one = dataclasses.replace(DATA, bought=DEMONSTRATIONS[:1])
    assert swept("prompts").fit(one, STREAMS, None).notes["generator_share"] == 0.2
