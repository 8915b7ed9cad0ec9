"""What is said of what a model wrote: each score by hand on a few rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.evaluations import evaluations
from labelbench_plus.evaluations.synthesis import QUARTERS
from labelbench_plus.language.synthetic import Synthesis, Synthetic
from labelbench_plus.plugins import describe, registry
from labelbench_plus.problems import Place
from labelbench_plus.prompts import Prompt, TestItem, prompts
from labelbench_plus.seeding import Streams
from tests.language.tiny import model

ROWS = (
    Synthetic("colour of snow?", "white", "kept"),
    Synthetic("So colour of coal!", "red", "kept"),
    Synthetic("Tell colour of grass?", "", "copy"),
    Synthetic("Tell colour of grasss", "green", "kept"),
    Synthetic("Tell colour of", "", "cut off"),
    Synthetic("", "", "blank"),
    Synthetic("opposite of hot?", "", "unanswered"),
    Synthetic("xyzzy", "zz", "outside"),
)
TEST = [TestItem(Prompt(text, "t"), ("x",)) for text in ("colour of coal?", "opposite of up?", "young of a cow!")]
SOURCE = prompts.build({"name": "skills", "pool": 60, "test": 2})


def sitting(rows, shown=("Tell colour of grass?", "opposite of big?")):
    synthesis = None if rows is None else Synthesis(shown, tuple(rows))
    return SimpleNamespace(
        model=model().__class__(model().base, model().template, synthesis=synthesis), test=TEST, source=SOURCE
    )


def test_each_share_by_hand():
    found = evaluations.build("synthesis").score(sitting(ROWS)).scores
    assert found["synthetic_parsed"] == 6 / 8 and found["synthetic_kept"] == 3 / 8
    assert found["synthetic_copies"] == 1 / 8 and found["synthetic_near_copies"] == 2 / 8
    assert found["synthetic_domain"] == 4 / 8, "snow, coal, grass and hot are what the source asks for"
    assert found["synthetic_form"] == 4 / 8, "of the six prompts, two end as no test prompt does"
    assert found["synthetic_right"] == 1 / 2, "of the kept ones, snow is white and coal is not red"
    assert 0 < found["synthetic_relevance"] < 1 and 0 < found["synthetic_novelty"] < 1


@encoders.register("length_and_letters_for_a_test")
@dataclass(frozen=True)
class Letters(Encoder):
    """How often each letter is there."""

    def fit(self, pool_inputs):
        return lambda texts: np.array([[text.count(chr(97 + place)) for place in range(26)] for text in texts], float)


def test_relevance_and_novelty_are_means_over_prompts_by_the_encoder():
    given = evaluations.build({"name": "synthesis", "encoder": "length_and_letters_for_a_test"})
    found = given.score(sitting(ROWS)).scores
    texts = [row.prompt for row in ROWS if row.parsed]

    def unit(values):
        vectors = Letters().fit(None)(values)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    near = np.sqrt(((unit(texts) @ unit([item.prompt.text for item in TEST]).T) ** 2).mean(axis=1))
    new = 1 - (unit(texts) @ unit(["Tell colour of grass?", "opposite of big?"]).T).max(axis=1)
    assert found["synthetic_relevance"] == pytest.approx(near.mean(), abs=1e-5)
    assert found["synthetic_novelty"] == pytest.approx(new.mean(), abs=1e-5)
    quarters = [QUARTERS.score("relevance", part) for part in QUARTERS.at]
    assert [found[name] for name in quarters] == sorted(found[name] for name in quarters)
    assert np.average([found[name] for name in quarters], weights=[2, 2, 1, 1]) == pytest.approx(near.mean(), abs=1e-5)


def test_without_an_encoder_its_record_builds_it_again():
    known = registry("evaluations")
    for given in ("synthesis", {"name": "synthesis", "encoder": "length_and_letters_for_a_test"}):
        assert known.build(describe(known.build(given))) == known.build(given)


def test_a_copier_is_caught_by_its_novelty():
    copies = [Synthetic("Tell colour of grass?", "", "copy")] * 4
    found = evaluations.build("synthesis").score(sitting(copies)).scores
    assert found["synthetic_novelty"] == pytest.approx(0, abs=1e-5) and found["synthetic_copies"] == 1
    assert found["synthetic_kept"] == 0 and found["synthetic_near_copies"] == 1


def test_where_nothing_came_of_it_scores_are_zeros_and_without_synthesis_there_are_none():
    of_nothing = evaluations.build("synthesis").score(sitting([Synthetic("", "", "blank")])).scores
    assert of_nothing["synthetic_relevance"] == 0 and of_nothing["synthetic_distinct_2"] == 1
    declared = {shown.name for shown in evaluations.build("synthesis").shown_scores()}
    assert declared | set(QUARTERS.scores()) == set(of_nothing)
    assert not evaluations.build("synthesis").score(sitting(None)).scores


def test_a_source_knows_its_own_prompts():
    known = SOURCE.load()
    assert all(
        SOURCE.accepted(prompt.said) == (answer,) for prompt, answer in zip(known.pool, known.pool_answers, strict=True)
    )
    assert all(SOURCE.accepted(item.prompt.text) == item.accepted for item in known.test)
    assert SOURCE.accepted("colour of cats?") is None and SOURCE.accepted("Yes colour of grass? So") is None
    letters = super(type(SOURCE), SOURCE).accepted
    assert letters(known.pool[0].said) == (known.pool_answers[0],) and letters("Go colour of snow:") in (
        None,
        ("white",),
    )


def test_a_problem_scores_it_and_keeps_what_was_written(tmp_path: Path):
    example = registry("problems").load("instruction_tuning").example()
    made = registry("problems").build(
        {"name": "instruction_tuning", **example, "evaluations": ["likelihood", "synthesis"]}
    )
    assert made.series() == (QUARTERS,) and "synthetic_domain" in {shown.name for shown in made.shown_scores()}
    instance = made.open(Place(tmp_path), Streams(0))
    ledger = Ledger([Purchase(np.array([3, 5]), np.ones(2), np.array(["white", "green"], dtype=object))])
    data = instance.training_data(ledger, with_validation=False)
    trainer = registry("trainers").load("nomad")
    tuned = registry("trainers").build({"name": "nomad", **trainer.example()}).fit(data, Streams(0), None)
    scored = instance.evaluate(tuned)
    assert scored.details["synthetic"]["fate"] == [row.fate for row in tuned.synthesis.rows]
    assert {*QUARTERS.scores(), *(shown.name for shown in made.shown_scores())} <= {*scored.scores, "tasks_covered"}
    plain = registry("trainers").build({"name": "sft", "epochs": 1, "rank": 2}).fit(data, Streams(0), None)
    assert "synthetic" not in instance.evaluate(plain).details
