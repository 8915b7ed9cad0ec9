"""Kinds of questions: what each says of itself holds, and its queries come back from another process as they were."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelbench_plus import questions
from labelbench_plus.oracle import PoolOracle, QueryError, StratifiedDraw
from labelbench_plus.plugins import registry
from labelbench_plus.source_tasks.allocation import Allocation


@pytest.mark.parametrize("question", questions.QUESTIONS, ids=lambda question: question.name)
def test_each_names_what_there_is(question):
    assert questions.of(question.name) is question
    assert question.strategy.query == question.name
    assert question.title
    first = registry("strategies").build(question.first)
    assert isinstance(first, question.strategy)
    assert registry("problems").load(question.problem).query == question.name


def test_published_words_stay():
    assert {question.name for question in questions.QUESTIONS} == {"pool", "sources", "pairs"}


def test_every_built_in_strategy_and_problem_is_of_a_kind_that_is_known():
    for kind in ("strategies", "problems"):
        known = registry(kind)
        for name in known.entries():
            assert questions.of(known.load(name).query) in questions.QUESTIONS, name


def sent(name: str, query: object, rng: np.random.Generator | None = None):
    kind = questions.of(name)
    return kind.from_wire(kind.to_wire(query), rng or np.random.default_rng(0))


@pytest.mark.parametrize("query", [torch.tensor([3, 1]), np.array([3, 1], dtype=np.int32), [3, 1], (3, 1)])
def test_items_come_back(query):
    assert sent("pool", query).tolist() == [3, 1]


def test_nothing_at_all_comes_back_as_such():
    assert sent("pool", []).tolist() == []
    assert sent("pool", torch.empty(0, dtype=torch.long)).dtype == np.int64


def test_a_draw_by_the_oracle_keeps_the_generator_of_this_side():
    rng = np.random.default_rng(4)
    assert sent("pool", StratifiedDraw(np.random.default_rng(9)), rng).rng is rng


@pytest.mark.parametrize("sources", [np.array([4, 0]), np.array([[0.5, -0.25], [1.0, 0.0]])])
def test_an_allocation_comes_back(sources):
    found = sent("sources", Allocation(sources, np.array([2, 7])))
    assert np.array_equal(found.sources, sources)
    assert found.sources.dtype == sources.dtype
    assert found.counts.tolist() == [2, 7]


@pytest.mark.parametrize(
    ("name", "query", "says"),
    [
        ("pool", None, "vector of integer pool indices"),
        ("pool", np.array([0.5]), "vector of integer pool indices"),
        ("pool", Allocation(np.arange(2), np.arange(2)), "vector of integer pool indices"),
        ("sources", np.arange(3), "expected an Allocation"),
        ("sources", Allocation(np.arange(2), np.array([0.5, 1.0])), "whole numbers"),
        ("pairs", np.arange(3), "expected a choice of pairs"),
    ],
)
def test_another_form_is_refused_before_it_is_sent(name, query, says):
    with pytest.raises(QueryError, match=says):
        questions.of(name).check(query)
    with pytest.raises(QueryError):
        questions.of(name).to_wire(query)


@pytest.mark.parametrize("fields", [{}, {"items": [1, 2]}, {"sources": np.arange(2)}, {"counts": 3, "sources": 4}])
def test_fields_that_stand_for_nothing_are_refused(fields):
    for name in ("pool", "sources", "pairs"):
        with pytest.raises(QueryError):
            questions.of(name).from_wire(fields, np.random.default_rng(0))


def test_a_strangers_question_is_one_that_knows_nothing():
    theirs = questions.of("prompts")
    query = object()
    assert theirs.check(query) is query
    assert theirs.not_isolated
    assert theirs.first is theirs.problem is None
    with pytest.raises(QueryError, match="'prompts' cannot be sent"):
        theirs.to_wire(query)


def test_only_a_pool_can_be_sold_whole():
    bought = questions.of("pool").everything(PoolOracle(np.array([2, 0, 1]), np.array([1.0, 2.0, 0.5])))
    assert bought.answers.tolist() == [2, 0, 1]
    assert bought.prices.tolist() == [1.0, 2.0, 0.5]
    assert questions.of("sources").everything(object()) is None
    assert questions.of("pool").everything(object()) is None
