"""Strategies in a process of their own: the same choices, and no way to a label that was not paid for."""

from __future__ import annotations

import json
import pickle
import socket
from pathlib import Path

import numpy as np
import pytest

from labelbench_plus.isolation.cell import Cell, IsolationError
from labelbench_plus.isolation.wire import Malformed, Wire
from labelbench_plus.oracle import QueryError, StratifiedDraw
from labelbench_plus.plugins import load_plugin_file, registry
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.strategies import Strategy, strategies
from labelbench_plus.suite import Isolation, SuiteError, load_suite
from labelbench_plus.testing.pool_scene import make_view
from labelbench_plus.testing.toy_problem import game_for
from labelbench_plus.view import CapabilityError

SPY = Path(__file__).parent / "spies.py"


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    """One child for all tests, as a run has one for all rounds; `runs` is where labels lie about."""
    before = set(strategies._local)
    load_plugin_file(SPY)
    runs = tmp_path_factory.mktemp("runs")
    (runs / "0000.json").write_text('{"answers": [1, 2, 3]}')
    with Cell([SPY], [runs]) as child:
        child.runs = runs
        yield child
    for name in set(strategies._local) - before:
        del strategies._local[name], strategies._classes[name]


def build(name: str, **parameters) -> Strategy:
    return registry("strategies").build({"name": name, **parameters})


def here_and_there(cell: Cell, strategy: Strategy, seed: int = 0):
    there = cell.select(strategy, make_view(needs=strategy.needs), 9, np.random.default_rng(seed))
    here = strategy.select(make_view(needs=strategy.needs), 9, np.random.default_rng(seed))
    return here.tolist(), there.tolist()


@pytest.mark.parametrize("name", ["random", "margin", "badge", "k_center", "bald", "typiclust"])
def test_the_same_choice_as_in_this_process(cell, name):
    here, there = here_and_there(cell, build(name), seed=3)
    assert there == here


def test_allocations_and_draws_by_the_oracle_come_back_as_such(cell):
    strategy = build("uniform_sources")
    game = game_for(strategy)
    n = game.instance.oracle.ask_for(game.money, game.ledger)
    here = strategy.select(game.view(strategy.needs), n, np.random.default_rng(0))
    there = cell.select(strategy, game.view(strategy.needs), n, np.random.default_rng(0))
    assert np.array_equal(here.sources, there.sources)
    assert np.array_equal(here.counts, there.counts)
    stratified = build("stratified")
    drawn = cell.select(stratified, game_for(stratified).view(frozenset()), 5, np.random.default_rng(4))
    assert isinstance(drawn, StratifiedDraw)
    assert drawn.rng.random() == np.random.default_rng(4).random()


def test_notes_come_back(cell):
    view = make_view(needs=frozenset())
    cell.select(build("spy_notes"), view, 3, np.random.default_rng(0))
    assert view.notes["gap"] == 0.25
    assert view.notes["isolated_seconds"] >= 0


def test_rules_are_the_same(cell):
    with pytest.raises(CapabilityError, match=r"view.probabilities was read, but the strategy declares"):
        cell.select(build("spy_undeclared"), make_view(needs=frozenset()), 3, np.random.default_rng(0))
    with pytest.raises(QueryError, match="left as it was, but candidates was written to"):
        cell.select(build("spy_writes"), make_view(needs=frozenset()), 3, np.random.default_rng(0))
    with pytest.raises(QueryError, match=r"expected .* vector of integer pool indices, got"):
        cell.select(build("spy_returns", what="none"), make_view(needs=frozenset()), 3, np.random.default_rng(0))
    with pytest.raises(IsolationError, match="ZeroDivisionError"):
        cell.select(build("spy_returns", what="error"), make_view(needs=frozenset()), 3, np.random.default_rng(0))
    with pytest.raises(IsolationError, match=r"cannot be isolated; leave out"):
        strategy = build("random_pairs")
        cell.select(strategy, game_for(strategy).view(strategy.needs), 3, np.random.default_rng(0))


def found(cell: Cell, route: str, path: Path | str = "") -> list[int]:
    """What a spy finds out by a route: 1 for each thing it was able to do."""
    spy = build("spy", route=route, path=str(path))
    game = game_for(spy)
    return cell.select(spy, game.view(spy.needs), 3, np.random.default_rng(0)).tolist()


@pytest.mark.parametrize("route", ["objects", "frames", "environment"])
def test_nothing_in_memory_leads_to_an_oracle(cell, route):
    assert found(cell, route) == [0]


@pytest.mark.parametrize("route", ["file", "parent", "start", "connect", "signal"])
def test_a_confined_child_reaches_no_file_process_or_network(cell, route):
    cell.start()
    if cell.held["missing"]:
        pytest.skip(f"this machine confines less: {cell.held['missing']}")
    assert found(cell, route, cell.runs / "0000.json") == [0]


def test_the_spies_do_see_without_isolation(tmp_path):
    """Otherwise the tests above would show nothing."""
    load_plugin_file(SPY)
    (tmp_path / "labels.json").write_text("[1]")
    for route in ("objects", "frames", "file", "start"):
        spy = build("spy", route=route, path=str(tmp_path / "labels.json"))
        game = game_for(spy)
        instance = game.instance
        chosen = spy.select(game.view(spy.needs), 3, np.random.default_rng(0))
        assert chosen.tolist() == [1], route
        assert instance.oracle is not None


def test_what_the_child_sends_is_never_unpickled():
    ours, theirs = socket.socketpair()
    left, right = Wire(ours.detach()), Wire(theirs.detach())
    left.send(kind="items", items=np.array([3, 1]))
    assert right.receive()["items"].tolist() == [3, 1]
    with pytest.raises((TypeError, ValueError)):
        left.send(items=np.array([object()]))
    left.send_bytes(pickle.dumps({"kind": "items"}))
    with pytest.raises(Malformed, match="no JSON"):
        right.receive()


def test_a_child_that_dies_is_told(cell):
    load_plugin_file(SPY)
    with Cell([SPY]) as mortal, pytest.raises(IsolationError, match=r"died \(exit code 3\)"):
        mortal.select(build("spy_returns", what="exit"), make_view(needs=frozenset()), 3, np.random.default_rng(0))


def test_a_run_has_the_same_id_and_the_same_bytes_with_and_without(suite_file, tmp_path):
    only = [("[random, margin]", "[badge]"), ("seeds: 0..1", "seeds: [0]\nbaseline: badge")]
    (spec,) = load_suite(suite_file(*only)).runs()
    apart = load_suite(suite_file(*only, ("suite: small", "suite: small\nisolate: process")))
    assert apart.isolate == Isolation(kind="process")
    assert [run.id for run in apart.runs()] == [spec.id]
    for root, isolate in (("here", None), ("apart", apart.isolate)):
        job = Job.of(spec, Where(tmp_path / root, tmp_path / "cache"), isolate=isolate)
        carry_out(job, lambda rounds: None)
    here, there = (RunStore(tmp_path / root, spec.id).folder for root in ("here", "apart"))
    for file in [*sorted(here.glob("rounds/*.json")), here / "result.json"]:
        assert (there / file.relative_to(here)).read_bytes() == file.read_bytes()
    assert json.loads(next(iter(there.glob("costs/*.json"))).read_bytes())["strategy.isolated_seconds"] > 0
    with pytest.raises(SuiteError, match="isolate"):
        load_suite(suite_file(*only, ("suite: small", "suite: small\nisolate: thread")))
