"""What is asked of a strategy."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelbench_plus import questions
from labelbench_plus.contracts.strategies import Cost, Strategy
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.cost import measure
from labelbench_plus.testing.pool_scene import EVERYTHING, ITEMS_ALONG, make_view, random_pool
from labelbench_plus.testing.report import Failure, Skip
from labelbench_plus.testing.subject import check_declaration, check_hyperparameters, check_names, check_pickles, fresh
from labelbench_plus.testing.toy_problem import Game, game_for, learning_curve, offers
from labelbench_plus.testing.witness import Answer, ask, judge_by_oracle, judge_pool

WHOLE = frozenset({"labels", "num_classes", "tasks"})  # of what is read, the whole numbers
N = 9


@dataclass
class Trial:
    """One strategy and the ways to question it."""

    strategy: Strategy
    games: dict[int, Game] = field(default_factory=dict)
    repeated: Answer | None = None

    @cached_property
    def by_hand(self) -> bool:
        """Whether pools can be made by hand for it: it picks items itself, from what the kit can make up."""
        known = questions.of(self.strategy.query).hand_made and self.strategy.needs <= EVERYTHING
        return known and not self.strategy.uses_hidden_labels

    def need_pool(self) -> None:
        if not self.by_hand:
            strange = ", ".join(sorted(self.strategy.needs - EVERYTHING))
            why = f"reads {strange}" if strange else f"asks for {self.strategy.query}"
            why = "has the oracle draw" if self.strategy.uses_hidden_labels else why
            raise Skip(f"for strategies that pick from a pool themselves; this one {why}")

    def game(self, seed: int = 0) -> Game:
        """A run in the middle of it; the same for the same seed."""
        if seed not in self.games:
            self.games[seed] = game_for(self.strategy, seed)
        return self.games[seed]

    def pick(self, n: int = N, draw: int = 0, strategy: Strategy | None = None, **pool: Any) -> Answer:
        """Choose from a pool made by hand, with the generator that `draw` seeds; `pool` goes to `make_view`."""
        strategy, needs = strategy or fresh(self.strategy), self.strategy.needs
        view, twin = make_view(needs=needs, **pool), make_view(needs=needs, **pool)
        return ask(strategy, view, n, np.random.default_rng(draw), judge_pool, twin)

    def play(self, draw: int = 0, strategy: Strategy | None = None, seed: int = 0) -> Answer:
        """Choose in a real run, the one with this `seed`."""
        strategy, game = strategy or fresh(self.strategy), self.game(seed)
        oracle, needs = game.instance.oracle, self.strategy.needs
        judge = judge_pool if self.by_hand else judge_by_oracle(oracle, game.ledger, game.money)
        n = oracle.ask_for(game.money, game.ledger)
        return ask(strategy, game.view(needs), n, np.random.default_rng(draw), judge, game.view(needs))

    def ordinary(self, draw: int = 0, strategy: Strategy | None = None) -> Answer:
        """Choose from whatever is the plainest for its kind."""
        return self.pick(draw=draw, strategy=strategy) if self.by_hand else self.play(draw, strategy)


CHECKS: Checks[Trial] = Checks(Trial)


@CHECKS.add(
    "declaration",
    "it is a registered frozen dataclass with a docstring, `query`, `needs` and `cost`",
    "follow the example in CONTRIBUTING.md; `lbp new strategy NAME` writes one",
)
def _declaration(trial: Trial) -> None:
    strategy = trial.strategy
    check_declaration(strategy, "strategies")
    if not isinstance(getattr(strategy, "query", None), str):
        bases = " or ".join(question.strategy.__name__ for question in questions.QUESTIONS)
        raise Failure("declaration", f"query must name what it asks for: derive from {bases}")
    check_names(strategy.needs, "needs")
    if questions.of(strategy.query).hand_made and (unknown := sorted(strategy.needs - EVERYTHING)):
        offered = EVERYTHING | offers(strategy.query)
        if nowhere := [name for name in unknown if name not in offered]:
            what = f"needs names {', '.join(nowhere)}, which no pool offers: there are {', '.join(sorted(offered))}"
            raise Failure("declaration", what)
    if not isinstance(strategy.cost, Cost) or strategy.cost.seconds <= 0 or strategy.cost.megabytes <= 0:
        raise Failure("declaration", f"cost must be a Cost of positive numbers, got {strategy.cost!r}")


@CHECKS.add(
    "answers",
    "it answers an ordinary question",
    "call `select` on a view of labelbench_plus.testing.make_view() and read the traceback",
    essential=True,
)
def _answers(trial: Trial) -> None:
    trial.ordinary()


@CHECKS.add(
    "hyperparameters",
    "its record in a run builds an equal strategy; unknown hyperparameters are refused",
    "use numbers, strings, booleans, tuples of these and other plugins as fields; do not change them in __post_init__",
)
def _hyperparameters(trial: Trial) -> str:
    return check_hyperparameters(trial.strategy, "strategies")


@CHECKS.add(
    "count",
    "exactly n items: for n = 0, 1, 7, all but one and all of the pool, and of a pool of one",
    "return n entries of view.candidates for any scores; the loop stops a run that gets more or fewer",
)
def _count(trial: Trial) -> None:
    trial.need_pool()
    for n in (0, 1, 7, 47, 48):
        trial.pick(n)
    trial.pick(1, size=13)
    trial.pick(0, size=12)


@CHECKS.add("integers", "a one-dimensional vector of integers", "index view.candidates rather than making indices")
def _integers(trial: Trial) -> None:
    trial.need_pool()
    trial.pick(5)


@CHECKS.add(
    "distinct", "no item twice, in any round", "choose without replacement; take what is chosen out of the scores"
)
def _distinct(trial: Trial) -> None:
    trial.need_pool()
    strategy = fresh(trial.strategy)
    for call in range(8):
        trial.pick(7, draw=call, strategy=strategy)


@CHECKS.add(
    "unlabelled",
    "only candidates: nothing already bought, nothing outside the pool",
    "row i of every tensor is about view.candidates[i]: return view.candidates[rows], never the rows themselves",
)
def _unlabelled(trial: Trial) -> None:
    trial.need_pool()
    trial.pick(7, labelled=30)


@CHECKS.add(
    "accepted",
    "the problem's oracle takes its answer",
    "return what the problem sells, for exactly the budget; the message says what was expected",
)
def _accepted(trial: Trial) -> None:
    if trial.by_hand:
        raise Skip("reported by count, integers, distinct and unlabelled")
    trial.play()


@CHECKS.add(
    "too_many",
    "more than there are is refused with an error",
    "start with check_count(n, len(view.candidates)) of labelbench_plus.algorithms.blocks.checks",
)
def _too_many(trial: Trial) -> None:
    trial.need_pool()
    view = make_view(needs=trial.strategy.needs)
    try:
        chosen = fresh(trial.strategy).select(view, 49, np.random.default_rng(0))
    except Exception:  # any error does: it is never asked in a run
        return
    raise Failure("too_many", f"asked for 49 of 48, it returned {len(chosen)} silently")


@CHECKS.add(
    "capabilities",
    "it reads of its view only what it declares in `needs`",
    "add the name in the message to `needs`, or do without",
)
def _capabilities(trial: Trial) -> None:
    trial.play()


@CHECKS.add(
    "mutation",
    "it leaves its view as it was",
    "clone a tensor before writing to it; tensor.numpy() shares memory, and methods that end in _ write in place",
)
def _mutation(trial: Trial) -> None:
    """Every answer to every check is held to it (`witness`)."""


@CHECKS.add(
    "global_random",
    "it neither draws from nor seeds the global generators of NumPy, torch and Python",
    "use rng; for torch, labelbench_plus.seeding.torch_generator(rng); hand rng on to libraries as random_state",
)
def _global_random(trial: Trial) -> None:
    """Every answer to every check is held to it (`witness`)."""


@CHECKS.add(
    "global_settings",
    "it changes no setting of the process: dtype, threads, gradients, error handling, folder, environment",
    "use the context managers (torch.no_grad(), np.errstate()) instead of the setters",
)
def _global_settings(trial: Trial) -> None:
    """Every answer to every check is held to it (`witness`)."""


@CHECKS.add(
    "files",
    "it opens no file, no connection and no process while it chooses",
    "everything a strategy may know is in its view; load constants when the module is imported",
)
def _files(trial: Trial) -> None:
    """Every answer to every check is held to it (`witness`)."""


@CHECKS.add(
    "blind",
    "its choice does not change with labels that were not bought, wherever they might be found",
    "use nothing but the view's public attributes",
)
def _blind(trial: Trial) -> None:
    trial.need_pool()
    _need_repeatable(trial)
    chosen = [_in_world(trial, world) for world in range(2)]
    if len(set(chosen)) > 1:
        raise Failure("blind", f"the same view, other hidden labels: it chose {chosen[0][:5]}, then {chosen[1][:5]}")


def _in_world(trial: Trial, world: int) -> Any:
    """Its choice where the labels not bought are others in every world, and left about where a cheat may find them."""
    game = replace(trial.game())
    bought = game.ledger.answers
    hidden = np.random.default_rng([7, world]).choice(bought, size=int(game.problem.capacity()))
    hidden[game.ledger.items] = bought
    game.instance = instance = game.relabelled(hidden)
    view, twin = _leaky_view(game, trial.strategy.needs), game.view(trial.strategy.needs)
    with _laid_about(hidden):
        n = instance.oracle.ask_for(game.money, game.ledger)
        return ask(fresh(trial.strategy), view, n, np.random.default_rng(3), judge_pool, twin).items


def _leaky_view(game: Game, needs: frozenset[str]) -> Any:
    """A view whose private parts lead to the oracle, as no problem's may (see `check_problem`)."""
    view, instance = game.view(needs), game.instance

    def leaky(compute: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: (instance, compute())[1]

    view._providers = {name: (capability, leaky(compute)) for name, (capability, compute) in view._providers.items()}
    view._instance = instance
    return view


@contextlib.contextmanager
def _laid_about(hidden: np.ndarray) -> Iterator[None]:
    """A working directory with the runs of others in it, and a cache, that hold labels."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        run = Path("outputs", "runs", "0123456789abcdef", "rounds")
        run.mkdir(parents=True)
        (run / "0000.json").write_text(f'{{"items": {list(range(len(hidden)))}, "answers": {hidden.tolist()}}}')
        cache = Path(folder, "cache")
        cache.mkdir()
        np.save(cache / "labels.npy", hidden)
        before = os.environ.get("LBP_CACHE")
        os.environ["LBP_CACHE"] = str(cache)
        try:
            yield
        finally:
            if before is None:
                del os.environ["LBP_CACHE"]
            else:
                os.environ["LBP_CACHE"] = before


@CHECKS.add(
    "repeatable",
    "the same view and the same generator give the same choice in the same order",
    "draw only from rng; do not go through sets or dicts whose order changes; no default_rng() without a seed",
)
def _repeatable(trial: Trial) -> None:
    _need_repeatable(trial)


def _need_repeatable(trial: Trial) -> Answer:
    """An ordinary answer, once it is known that it can be had again: without that no two can be compared."""
    if trial.repeated is None:
        first = trial.ordinary(draw=5)
        with _other_global_random():
            again = trial.ordinary(draw=5)
        if first.items != again.items:
            raise Failure("repeatable", f"first {str(first.items)[:60]}, then {str(again.items)[:60]}")
        trial.repeated = first
    return trial.repeated


@contextlib.contextmanager
def _other_global_random() -> Iterator[None]:
    """The global generators in another state, and back."""
    states = np.random.get_state(), torch.get_rng_state(), random.getstate()  # noqa: NPY002
    np.random.seed(12345)  # noqa: NPY002
    torch.manual_seed(12345)
    random.seed(12345)
    try:
        yield
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        torch.set_rng_state(states[1])
        random.setstate(states[2])


@CHECKS.add(
    "pool_order",
    "renumbering the pool's items changes nothing, as long as no random number is drawn",
    "decide by what the view says about items, not by their position; if the order is meant to matter, announce it",
)
def _pool_order(trial: Trial) -> None:
    trial.need_pool()
    _need_repeatable(trial)
    pool = random_pool()
    order = torch.randperm(60, generator=torch.Generator().manual_seed(9))
    moved = _of_items(pool, order)
    moved["bought"] = order.argsort()[pool["bought"]]
    first, second = _picked(trial, pool), _picked(trial, pool | moved)
    if first.drew or second.drew:
        raise Skip("it draws random numbers, and what a draw means depends on the order")
    back = {int(order[item]) for item in second.items}
    if back != set(first.items):
        raise Failure("pool_order", f"renumbered, it chose {sorted(back)} instead of {sorted(first.items)}")


@CHECKS.add(
    "independent_runs",
    "nothing is carried from one choice into the next, within an instance or beyond it",
    "keep no state in the class, the module or a cache; what was bought so far is in the view",
)
def _independent_runs(trial: Trial) -> None:
    alone, strategy = _need_repeatable(trial).items, fresh(trial.strategy)
    if trial.by_hand:
        others = [trial.pick(draw=4, strategy=strategy, size=size, seed=3).items for size in (60, 90, 60)]
        if others[0] != others[2]:
            raise Failure("independent_runs", f"another pool: {str(others[0])[:60]}, later {str(others[2])[:60]}")
    else:
        trial.play(draw=4, strategy=strategy, seed=1)
    for again in (strategy, fresh(trial.strategy)):
        if (after := trial.ordinary(draw=5, strategy=again).items) != alone:
            raise Failure("independent_runs", f"alone {str(alone)[:60]}, after another run {str(after)[:60]}")


@CHECKS.add(
    "rounds",
    "it gets through a real run of several rounds, the last of which buys what is left",
    "the message is what it raised; labels come in classes as they are bought, and the pool runs empty in the end",
)
def _rounds(trial: Trial) -> None:
    game = game_for(trial.strategy, seed=1)
    strategy = fresh(trial.strategy)
    oracle = game.instance.oracle
    amounts = [game.money] * (1 if trial.strategy.uses_hidden_labels else 3)
    if trial.by_hand:
        amounts.append(game.problem.capacity() - game.ledger.spent - sum(amounts))
    for number, money in enumerate(amounts):
        game.money = money
        view, twin = game.view(strategy.needs), game.view(strategy.needs)
        n, rng = oracle.ask_for(money, game.ledger), np.random.default_rng(number)
        kept: list[Any] = []
        judge = judge_pool if trial.by_hand else judge_by_oracle(oracle, game.ledger, money)

        def remember(view: Any, chosen: Any, n: int, kept: list[Any] = kept, judge: Any = judge) -> Any:
            kept.append(chosen)
            return judge(view, chosen, n)

        ask(strategy, view, n, rng, remember, twin)
        game.buy(kept[0], money)


@CHECKS.add(
    "pickles",
    "it can be sent to another process, and chooses the same there",
    "define the class at the top of a module; keep locks, files and functions out of its fields",
)
def _pickles(trial: Trial) -> None:
    again = check_pickles(trial.strategy)
    if trial.ordinary(draw=5, strategy=again).items != _need_repeatable(trial).items:
        raise Failure("pickles", "after pickling it chooses differently")


@CHECKS.add(
    "not_finite",
    "NaN and infinity in what it reads are refused with an error",
    "start with check_probabilities or check_matrix of labelbench_plus.algorithms.blocks.checks: a NaN wins every topk",
)
def _not_finite(trial: Trial) -> None:
    trial.need_pool()
    read = sorted(trial.strategy.needs - WHOLE)
    for name in read:
        for bad in (float("nan"), float("inf")):
            whole = random_pool()[name].clone()
            whole.narrow(ITEMS_ALONG[name], 20, 10).fill_(bad)  # all of ten items: nobody who reads them can miss it
            try:
                chosen = _picked(trial, {name: whole}).items
            except Failure:
                raise
            except Exception:  # refused
                continue
            raise Failure("not_finite", f"with {bad} in view.{name} it chose {list(chosen)} as if nothing were")
    if not read:
        raise Skip("it reads nothing that could be so")


_SAME = torch.full((60, 4), 0.25)
_SURE = torch.eye(4).repeat(15, 1)
TIES: dict[str, dict[str, Any]] = {
    "constant features": {"features": torch.ones(60, 6), "embeddings": torch.ones(60, 6)},
    "zero features": {"features": torch.zeros(60, 6), "embeddings": torch.zeros(60, 6)},
    "constant probabilities": {"probabilities": _SAME, "member_probabilities": _SAME.repeat(5, 1, 1)},
    "certain probabilities": {"probabilities": _SURE, "member_probabilities": _SURE.repeat(5, 1, 1)},
    "constant label probabilities": {"label_probabilities": _SAME},
    "certain label probabilities": {"label_probabilities": _SURE},
    "members of one mind": {"members": torch.ones(5, 60), "predictions": torch.ones(60), "variance": torch.zeros(60)},
}


@CHECKS.add(
    "ties",
    "it can choose when all items are identical: constant or zero features, constant or certain probabilities",
    "beware of dividing by a norm, a variance or an entropy that can be zero, and of log 0",
)
def _ties(trial: Trial) -> None:
    trial.need_pool()
    for what, pool in TIES.items():
        _survives(trial, "ties", what, **pool)


@CHECKS.add("one_class", "it chooses where only one class was bought so far", "a class may have no example yet")
def _one_class(trial: Trial) -> None:
    trial.need_pool()
    _survives(trial, "one_class", "one class", labels=torch.zeros(12, dtype=torch.long))


@CHECKS.add("classes", "it chooses among 2 and among 100 classes", "take K from view.num_classes")
def _classes(trial: Trial) -> None:
    trial.need_pool()
    for classes in (2, 100):
        _survives(trial, "classes", f"{classes} classes", classes=classes)


@CHECKS.add(
    "outliers",
    "it chooses where some of what was bought belongs to no class (label -1)",
    "leave labels of -1 out before using labels as indices",
)
def _outliers(trial: Trial) -> None:
    trial.need_pool()
    _survives(trial, "outliers", "outliers", labels=torch.tensor([-1, 0, 1, 2, 3, -1, 0, 1, 2, 3, -1, 0]))


@CHECKS.add(
    "duplicates",
    "it chooses where every item of the pool is there ten times",
    "distances of zero and singular matrices are normal; choose by index, never by value",
)
def _duplicates(trial: Trial) -> None:
    trial.need_pool()
    of_six = _of_items(random_pool(), torch.arange(6).repeat(10))
    _survives(trial, "duplicates", "ten copies of six items", **of_six)


@CHECKS.add(
    "dtypes",
    "it chooses from float16 and float64",
    "convert what you compute with: features.float(); do not assume float32",
)
def _dtypes(trial: Trial) -> None:
    trial.need_pool()
    for dtype in (torch.float16, torch.float64):
        _survives(trial, "dtypes", str(dtype), dtype=dtype)


@CHECKS.add("one_feature", "it chooses where items have a single feature", "do not squeeze() what must stay a matrix")
def _one_feature(trial: Trial) -> None:
    trial.need_pool()
    _survives(trial, "one_feature", "one feature", width=1)


@CHECKS.add("prices", "it chooses where labels have different prices", "n is already what the budget can buy")
def _prices(trial: Trial) -> None:
    trial.need_pool()
    _survives(trial, "prices", "prices of 1 to 9", prices=torch.linspace(1, 9, 60, dtype=torch.float64))


@CHECKS.add(
    "first_round",
    "if it needs no model, it can also make the first round, when nothing was bought",
    "view.labelled and view.labels may be empty",
)
def _first_round(trial: Trial) -> None:
    trial.need_pool()
    if not trial.strategy.needs <= {"features", *WHOLE}:
        raise Skip("it needs a model, so another strategy makes the first round")
    _survives(trial, "first_round", "nothing bought", labelled=0)


def _of_items(pool: Mapping[str, torch.Tensor], items: torch.Tensor) -> dict[str, torch.Tensor]:
    """What is about a pool's items, of these alone."""
    return {name: pool[name].index_select(along, items) for name, along in ITEMS_ALONG.items()}


def _picked(trial: Trial, pool: Mapping[str, Any]) -> Answer:
    return trial.pick(**pool)


def _survives(trial: Trial, check: str, what: str, **pool: Any) -> None:
    try:
        trial.pick(**pool)
    except Failure:
        raise
    except Exception as error:
        raise Failure(check, f"{what}: {type(error).__name__}: {error}") from error


@CHECKS.add(
    "cost",
    "50 of 50,000 candidates with 512 features are chosen within the declared seconds and megabytes",
    "work in chunks and without arrays of n × n; if that is what it takes, declare it: cost = Cost(seconds=300)",
    slow=True,
)
def _cost(trial: Trial) -> str:
    trial.need_pool()
    limit, found = trial.strategy.cost, measure(trial.strategy)
    if found.seconds > limit.seconds:
        raise Failure("cost", f"{found.seconds:.1f} s, declared are {limit.seconds:g} s")
    if found.peak_bytes is None:
        return f"{found.seconds:.2f} s; memory cannot be measured here"
    megabytes = found.peak_bytes / 1e6
    if megabytes > limit.megabytes:
        raise Failure("cost", f"{megabytes:.0f} MB, declared are {limit.megabytes:g} MB")
    return f"{found.seconds:.2f} s, {megabytes:.0f} MB"


@CHECKS.add(
    "curve", "for information: accuracy over five rounds on a toy problem, beside random sampling's", "", slow=True
)
def _curve(trial: Trial) -> str:
    trial.need_pool()
    own, other = learning_curve(trial.strategy)
    return f"{own:.3f}, random sampling {other:.3f}: says nothing about real data"
