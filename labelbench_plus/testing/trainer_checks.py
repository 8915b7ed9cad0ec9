"""What is asked of a trainer."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelbench_plus import questions
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.capabilities import Needs, offered_by_trainer
from labelbench_plus.contracts.scores import Scored, UnusableScore
from labelbench_plus.contracts.trainers import Trainer
from labelbench_plus.measure import noted
from labelbench_plus.seeding import Streams
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.report import Failure, Skip
from labelbench_plus.testing.shown import check_shown, dimensions
from labelbench_plus.testing.subject import check_declaration, check_hyperparameters, check_names, check_pickles, fresh
from labelbench_plus.testing.toy_problem import TOLD_APART, VALUED, Game, example_game, far_apart, first_query
from labelbench_plus.testing.witness import same, watched
from labelbench_plus.warm_up import warm_up

LEVEL, NEAR = 100.0, 5.0  # a label that all items have, and how far off predictions of it may be
BOUGHT = 60  # values from which a plain line is learned


@dataclass
class Fits:
    """One trainer and the ways to have it train."""

    trainer: Trainer

    @cached_property
    def game(self) -> Game:
        """A run of a problem of its task, after a first round."""
        return far_apart() if self.trainer.task == TOLD_APART else example_game(self.trainer.task)

    @cached_property
    def data(self) -> Any:
        """What the problem lets the trainer see."""
        return self.shown(self.game.ledger)

    def shown(self, ledger: Ledger) -> Any:
        return self.game.instance.training_data(ledger, with_validation=self.trainer.uses_validation)

    def view(self, model: Any, ledger: Ledger | None = None) -> Any:
        """What is shown of a model to a strategy that needs all that the trainer offers."""
        needs, game = Needs(self.trainer.provides, self.trainer), self.game
        return game.instance.view(needs, game.ledger if ledger is None else ledger, model, game.money)

    def need_classes(self) -> None:
        if self.trainer.task != TOLD_APART:
            raise Skip(f"for trainers of {TOLD_APART}; this one is of {self.trainer.task}")

    def need_values(self) -> None:
        if self.trainer.task != VALUED:
            raise Skip(f"for trainers of {VALUED}; this one is of {self.trainer.task}")
        if self.trainer.uses_validation:
            raise Skip("it looks at labels for validation, which stay what they are")

    def fitted_to(self, values: np.ndarray) -> tuple[Any, np.ndarray]:
        """A view after training on items whose values are these (N,), and which of them were bought (m,)."""
        instance, ledger = self.game.relabelled(values), Ledger()
        bought = np.arange(min(BOUGHT, len(values) // 2))
        instance.oracle.answer(bought, float(len(bought)), ledger)
        model = self.fit(instance.training_data(ledger, with_validation=False))
        return instance.view(Needs(self.trainer.provides, self.trainer), ledger, model, self.game.money), bought

    def fit(self, data: Any = None, seed: int = 0, trainer: Trainer | None = None, previous: Any = None) -> Any:
        trainer, data = trainer or fresh(self.trainer), self.data if data is None else data
        warm_up(trainer)  # as a run does: what is imported on first use is nothing that training does
        with watched():
            return trainer.fit(data, Streams(seed).round(0), previous)

    def scores(self, model: Any) -> dict[str, float]:
        return dict(Scored.of(self.game.instance.evaluate(model)).scores)

    def odd(self, **changed: Any) -> Any:
        """The data of classes with parts replaced: `features` and `labels` of what was bought, `num_classes`."""
        data, bought = self.data, self.data.labelled
        features, labels = changed.get("features", bought.features), changed.get("labels", bought.labels)
        rows = bought.rows[torch.arange(len(labels)) % len(bought.rows)]
        labelled = replace(bought, features=features, labels=labels, rows=rows)
        return replace(data, labelled=labelled, num_classes=changed.get("num_classes", data.num_classes))


CHECKS: Checks[Fits] = Checks(Fits)


@CHECKS.add(
    "declaration",
    "it is a registered frozen dataclass with a docstring, `task` and `provides`",
    "follow `lbp new trainer NAME`",
)
def _declaration(fits: Fits) -> None:
    check_declaration(fits.trainer, "trainers")
    if not isinstance(getattr(fits.trainer, "task", None), str):
        raise Failure("declaration", "task must name what it learns, e.g. task = 'classification'")
    check_names(fits.trainer.provides, "provides")


@CHECKS.add("fits", "it trains on an ordinary first round", "read the traceback of `fit`", essential=True)
def _fits(fits: Fits) -> None:
    fits.fit()


@CHECKS.add(
    "hyperparameters",
    "its record in a run builds an equal trainer; unknown hyperparameters are refused",
    "use numbers, strings, booleans, tuples of these and other plugins as fields; do not change them in __post_init__",
)
def _hyperparameters(fits: Fits) -> str:
    return check_hyperparameters(fits.trainer, "trainers")


@CHECKS.add(
    "evaluated",
    "the problem can evaluate its model, all scores are finite, and what it notes are numbers",
    "the model must offer what `evaluate` of the problem calls; its `notes`, if any, are numbers by name",
)
def _evaluated(fits: Fits) -> str:
    model = fits.fit()
    try:
        scores = Scored.of(fits.game.instance.evaluate(model)).checked(None).scores
        noted("trainer", getattr(model, "notes", {}))
    except (UnusableScore, TypeError, ValueError, AttributeError) as error:
        raise Failure("evaluated", str(error)) from error
    return ", ".join(f"{name} {value:.3f}" for name, value in scores.items())


@CHECKS.add(
    "provides",
    "its models offer what `provides` names, in the shape declared: probabilities that sum to one, nothing NaN",
    "each capability is a method of the model by that name, from what the problem has it read, (n, ...), to n rows",
)
def _provides(fits: Fits) -> str:
    model, offered = fits.fit(), offered_by_trainer(fits.trainer)
    if questions.of(fits.game.problem.query).streamed:
        raise Skip("strategies see nothing of its models")
    view = fits.view(model)
    shown = check_shown(view, offered, "provides", "it")
    for name, capability in offered.items():
        for attribute in view._providers.keys() & set(capability.attributes):
            if not bool(torch.isfinite(_tensor(getattr(view, attribute))).all()):
                raise Failure("provides", f"view.{attribute} holds NaN or infinity")
        if fits.trainer.task == TOLD_APART and capability.asked_with == "items":
            _check_offer(name, getattr(model, name)(fits.data.pool_features), fits.data)
    return shown


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))  # a copy, which can be written to


def _check_offer(name: str, values: Tensor, data: Any) -> None:
    """What a model says of classes, asked about the whole pool as trainers ask it."""
    rows, of_items = len(data.pool_features), values.movedim(1, 0) if name == "member_probabilities" else values
    if of_items.shape[0] != rows:
        raise Failure("provides", f"{name} of {rows} items has shape {tuple(values.shape)}")
    if name.endswith("probabilities"):
        if values.shape[-1] != data.num_classes:
            raise Failure("provides", f"{name} has {values.shape[-1]} columns for {data.num_classes} classes")
        if float((values.double().sum(-1) - 1).abs().max()) > 1e-4 or float(values.min()) < 0:
            raise Failure("provides", f"{name} are no probabilities: rows must sum to one and not be negative")


@CHECKS.add(
    "row_by_row",
    "what a model says of an item does not depend on which others are asked about",
    "no statistics of the batch when predicting: model.eval()",
)
def _row_by_row(fits: Fits) -> None:
    if not questions.of(fits.game.problem.query).hand_made:
        raise Skip(f"for trainers that are asked about items; this one learns from {fits.game.problem.unit}")
    model = fits.fit()
    everything, rest = fits.view(model, Ledger()), fits.view(model)
    for name, capability in offered_by_trainer(fits.trainer).items():
        if "n" not in (letters := dimensions(capability) or []):
            continue
        place = letters.index("n")
        whole, some = (_tensor(getattr(view, name)).movedim(place, 0) for view in (everything, rest))
        pairs = [(whole[rest.candidates], some)]
        if fits.trainer.task == TOLD_APART:
            features, ask = fits.data.pool_features, getattr(model, name)
            pairs.append((ask(features).movedim(place, 0)[5:9], ask(features[5:9]).movedim(place, 0)))
        for among_many, alone in pairs:
            if not torch.allclose(among_many, alone, rtol=1e-3, atol=1e-5):
                difference = float((among_many - alone).abs().max())
                raise Failure("row_by_row", f"{name} of items differ by {difference:.2g} when others are left out")


@CHECKS.add(
    "repeatable",
    "the same data and streams give the same model, bit for bit",
    "take every random number from streams.rng(...); torch through labelbench_plus.seeding.torch_generator",
)
def _repeatable(fits: Fits) -> None:
    first, again = fits.scores(fits.fit()), fits.scores(fits.fit())
    if first != again or _digest(fits) != _digest(fits):
        raise Failure("repeatable", f"first {first}, then {again}")


def _digest(fits: Fits, trainer: Trainer | None = None) -> bytes:
    """What a freshly trained model says of the pool, or how it scores."""
    model = fits.fit(trainer=trainer)
    if "probabilities" in fits.trainer.provides and fits.trainer.task == TOLD_APART:
        values: bytes = model.probabilities(fits.data.pool_features).numpy().tobytes()
        return values
    return repr(fits.scores(model)).encode()


@CHECKS.add(
    "global_random",
    "it neither draws from nor seeds the global generators of NumPy, torch and Python",
    "hand a generator on: torch.randn(..., generator=g); draw initial weights yourself rather than by nn.Linear",
)
def _global_random(fits: Fits) -> None:
    fits.fit(seed=1)


@CHECKS.add(
    "global_settings",
    "it changes no setting of the process: dtype, threads, gradients, error handling, folder, environment",
    "use the context managers instead of the setters",
)
def _global_settings(fits: Fits) -> None:
    fits.fit(seed=1)


@CHECKS.add("mutation", "it leaves the data it is shown as they were", "clone before writing in place")
def _mutation(fits: Fits) -> None:
    data = fits.data
    before = copy.deepcopy(data)
    fits.fit(data)
    if not same(data, before):
        raise Failure("mutation", "the data it was shown are not what they were")


@CHECKS.add(
    "independent_runs",
    "nothing carries over from one fit to the next, unless passed as `previous`",
    "keep no state in the class, the module or a cache",
)
def _independent_runs(fits: Fits) -> None:
    trainer = fresh(fits.trainer)
    alone = _digest(fits)
    if fits.trainer.task == TOLD_APART:
        labels = fits.data.labelled.labels
        fits.fit(fits.odd(labels=labels.flip(0)), seed=5, trainer=trainer)
    else:
        fits.fit(seed=5, trainer=trainer)
    if _digest(fits, trainer) != alone:
        raise Failure("independent_runs", "after another fit the same data and streams give another model")


@CHECKS.add(
    "continues",
    "if it continues from the previous model, it accepts its own model as `previous`",
    "declare continues = True only if fit(data, streams, previous) uses it",
)
def _continues(fits: Fits) -> None:
    if not fits.trainer.continues:
        raise Skip("it starts anew in every round")
    fits.scores(fits.fit(previous=fits.fit()))


@CHECKS.add(
    "missing_classes",
    "it trains where one class was bought so far, and where most of 100 classes were not",
    "take the number of classes from data.num_classes, never from the labels",
)
def _missing_classes(fits: Fits) -> None:
    fits.need_classes()
    labels = fits.data.labelled.labels
    for data in (fits.odd(labels=torch.zeros_like(labels)), fits.odd(num_classes=100)):
        _check_fitted(fits, "missing_classes", data)


@CHECKS.add("one_label", "it trains on a single labelled example", "batches may be smaller than you set")
def _one_label(fits: Fits) -> None:
    game, ledger = fits.game, Ledger()
    if not questions.of(game.problem.query).hand_made:
        raise Skip(f"for trainers that learn from items; this one learns from {game.problem.unit}")
    money = game.problem.max_price()
    game.instance.oracle.answer(first_query(game, money), money, ledger)
    try:
        scores = fits.scores(fits.fit(fits.shown(ledger)))
    except Failure:
        raise
    except Exception as error:
        raise Failure("one_label", f"{type(error).__name__}: {error}") from error
    if bad := sorted(name for name, value in scores.items() if not np.isfinite(value)):
        raise Failure("one_label", f"not finite: {', '.join(bad)}")


@CHECKS.add("two_classes", "it trains on two classes", "no special case for two classes is needed: K columns always")
def _two_classes(fits: Fits) -> None:
    fits.need_classes()
    _check_fitted(fits, "two_classes", fits.odd(labels=fits.data.labelled.labels % 2, num_classes=2))


@CHECKS.add(
    "constant", "it trains when all features are identical", "beware of dividing by a standard deviation of zero"
)
def _constant(fits: Fits) -> None:
    fits.need_classes()
    _check_fitted(fits, "constant", fits.odd(features=torch.ones_like(fits.data.labelled.features)))


def _check_fitted(fits: Fits, check: str, data: Any) -> None:
    try:
        probabilities = fits.fit(data).probabilities(data.pool_features)
    except Failure:
        raise
    except Exception as error:
        raise Failure(check, f"{type(error).__name__}: {error}") from error
    if probabilities.shape != (len(data.pool_features), data.num_classes) or not torch.isfinite(probabilities).all():
        raise Failure(check, f"probabilities {tuple(probabilities.shape)} are not finite, or not one column a class")


@CHECKS.add(
    "constant_labels",
    "where all labels are one value it predicts that value, and says nothing below zero of its variance",
    "beware of dividing by the labels' standard deviation, and of a level that is held to be zero",
)
def _constant_labels(fits: Fits) -> str:
    fits.need_values()
    view, _ = fits.fitted_to(np.full(len(fits.view(None, Ledger()).candidates), LEVEL))
    off = float((_tensor(view.predictions).double() - LEVEL).abs().max())
    if not off <= NEAR:  # NaN is neither
        raise Failure("constant_labels", f"all labels are {LEVEL:g}, a prediction is {off:.3g} off")
    if "variance" in fits.trainer.provides and not (least := float(_tensor(view.variance).min())) >= 0:
        raise Failure("constant_labels", f"a variance is {least:.3g}")
    return f"within {off:.2g} of {LEVEL:g}"


@CHECKS.add(
    "learns",
    "it learns the obvious: well separated classes, or values that follow one feature",
    "something does not train",
)
def _learns(fits: Fits) -> str:
    if fits.trainer.task == VALUED:
        return _learns_values(fits)
    fits.need_classes()
    accuracy = fits.scores(fits.fit())["accuracy"]
    if accuracy < 0.9:
        raise Failure("learns", f"accuracy {accuracy:.3f}; a nearest mean reaches 1.0")
    return f"accuracy {accuracy:.3f}"


def _learns_values(fits: Fits) -> str:
    fits.need_values()
    needs = Needs({"features"}, None)
    features = _tensor(fits.game.instance.view(needs, Ledger(), None, fits.game.money).features)
    values = features[:, 0].double().numpy()
    view, bought = fits.fitted_to(values)
    rest = np.delete(values, bought)
    errors = np.square(_tensor(view.predictions).double().numpy() - rest).mean()
    share = float(errors / np.square(values[bought].mean() - rest).mean())
    if not share < 0.5:
        raise Failure("learns", f"its squared error is {share:.2f} of what predicting the mean makes")
    return f"{share:.2f} of the squared error of the mean"


@CHECKS.add(
    "pickles",
    "it can be sent to another process",
    "define the class at the top of a module; keep locks, files and functions out of its fields",
)
def _pickles(fits: Fits) -> None:
    check_pickles(fits.trainer)
