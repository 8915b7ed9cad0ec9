"""Problems that are wrong on purpose, each in one way. `caught_by` is the check that must find it, and no other."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, ClassVar

import numpy as np
import torch

from labelbench_plus.annotators import Annotator, Asked, annotators
from labelbench_plus.answers import CLASS
from labelbench_plus.budget import Purchase
from labelbench_plus.contracts.capabilities import Capability, providers_of_model
from labelbench_plus.oracle import AnswersPending, ItemOracle, PoolOracle, as_items, check_items
from labelbench_plus.plugins import From
from labelbench_plus.problems import Guard, Problem, ShownScore, problems
from labelbench_plus.problems.classification import ClassificationData, Examples
from labelbench_plus.view import PoolView

SIZE, WIDTH = 100, 3


class Plane(Problem):
    """Points told apart by a plane; a subclass spoils something."""

    query = "pool"
    task = "classification"
    provides = frozenset({"features"})
    caught_by: ClassVar[str]

    def fingerprint(self):
        return "points"

    def capacity(self):
        return float(SIZE)

    def validation_labels(self):
        return 0

    def primary_metric(self):
        return "accuracy", True

    def open(self, place, streams):
        points = streams.rng("points").standard_normal((SIZE + 200, WIDTH)).astype(np.float32)
        return self.made(torch.from_numpy(points), (points.sum(axis=1) > 0).astype(np.int64))

    def made(self, points, labels):
        return PlaneInstance(points, labels)


class PlaneInstance:
    """The problem with its data at hand."""

    def __init__(self, points, labels):
        self.oracle = PoolOracle(labels[:SIZE])
        self.pool, self._test, self._labels = points[:SIZE], points[SIZE:], torch.as_tensor(labels[SIZE:])

    def view(self, needs, ledger, model, money):
        unbought = torch.ones(SIZE, dtype=torch.bool)
        unbought[ledger.items] = False
        candidates, labelled = unbought.nonzero()[:, 0], torch.as_tensor(ledger.items)
        return PoolView(
            needs,
            self.providers(needs, candidates.clone(), labelled.clone(), model),
            candidates,
            labelled,
            labels=torch.as_tensor(ledger.answers, dtype=torch.long),
            prices=torch.ones(len(candidates), dtype=torch.float64),
            num_classes=2,
            money=money,
        )

    def providers(self, needs, candidates, labelled, model):
        pool = self.pool
        return {
            "features": ("features", lambda: pool[candidates]),
            "labelled_features": ("features", lambda: pool[labelled]),
            **providers_of_model(needs, model, pool.__getitem__, candidates, labelled),
        }

    def training_data(self, ledger, *, with_validation):
        rows = torch.as_tensor(ledger.items)
        labels = torch.as_tensor(ledger.answers, dtype=torch.long)
        return ClassificationData(Examples(self.pool[rows], labels, rows), self.pool, None, 2)

    def evaluate(self, model):
        right = model.probabilities(self._test).argmax(dim=1) == self._labels
        return {"accuracy": float(right.double().mean())}


def bad(caught_by):
    """Register a class under its own name and say which check must catch it."""

    def keep(cls):
        cls.caught_by = caught_by
        return problems.register("bad_" + cls.__name__.lower())(dataclass(frozen=True)(cls))

    return keep


# -- what views show --------------------------------------------------------------------------------------------------

DEPTH = Capability("depth", "(n,) float", "always", "nothing", "how deep an item lies", attributes=("depth",))


@bad("capabilities")
class PromisesMore(Plane):
    """Declares a capability that its views do not have."""

    provides = frozenset({"features", "depth"})
    declares = (DEPTH,)


class DeepInstance(PlaneInstance):
    """Shows the depth of the whole pool."""

    def providers(self, needs, candidates, labelled, model):
        deep = self.pool.norm(dim=1)
        return {**super().providers(needs, candidates, labelled, model), "depth": ("depth", lambda: deep)}


@bad("capabilities")
class WholePoolForCandidates(Plane):
    """Shows what it declares for every item, where it is to be a row a candidate."""

    provides = frozenset({"features", "depth"})
    declares = (DEPTH,)

    def made(self, points, labels):
        return DeepInstance(points, labels)


@bad("capabilities")
class ShowsInSecret(Plane):
    """Shows what it does not declare."""

    def made(self, points, labels):
        return DeepInstance(points, labels)


class SilentInstance(PlaneInstance):
    """Shows nothing of models."""

    def providers(self, needs, candidates, labelled, model):
        return super().providers(needs, candidates, labelled, None)


@bad("capabilities")
class HidesTheModel(Plane):
    """Does not show what trainers offer."""

    def made(self, points, labels):
        return SilentInstance(points, labels)


@bad("evaluates")
class AveragesWhatIsNotThere(Plane):
    """Says that another score stands for the one that ranks, and has no such score."""

    def averaged_metric(self):
        return "accuracy_per_plane"


@bad("evaluates")
class ShowsWhatIsNotThere(Plane):
    """Declares a score for boards to show, and has no such score."""

    def shown_scores(self):
        return (ShownScore("planes_a_second", higher_is_better=True),)


@bad("evaluates")
class WatchesWhatIsNotThere(Plane):
    """Declares a guard whose reference is never scored."""

    def guards(self):
        return (Guard("accuracy", "untrained.accuracy", "accuracy"),)


# -- runs that are cut ------------------------------------------------------------------------------------------------


class NoisyOracle(PoolOracle):
    """Answers with noise from a generator that goes on from one purchase to the next."""

    def __init__(self, labels):
        super().__init__(labels)
        self._rng = np.random.default_rng(5)
        self._true = labels

    def answer(self, query, allowance, ledger):
        items = as_items(query)
        check_items(items, self.ask_for(allowance, ledger), SIZE, ledger.items)
        rng = self._rng if ledger.purchases else np.random.default_rng(5)
        flipped = rng.random(len(items)) < 0.4
        answers = np.where(flipped, 1 - self._true[items], self._true[items])
        ledger.record(Purchase(items, np.ones(len(items)), answers))


@bad("resume")
class OneGeneratorForAllRounds(Plane):
    """Has answers whose noise depends on what was asked since the problem was opened."""

    def made(self, points, labels):
        made = super().made(points, labels)
        made.oracle = NoisyOracle(labels[:SIZE])
        return made


class CountingInstance(PlaneInstance):
    """Scores a little less with every round that it has trained for."""

    def training_data(self, ledger, *, with_validation):
        self.trained = getattr(self, "trained", 0) + (len(ledger.purchases) > 1)
        return super().training_data(ledger, with_validation=with_validation)

    def evaluate(self, model):
        return {"accuracy": super().evaluate(model)["accuracy"] / (1 + getattr(self, "trained", 0))}


@bad("resume")
class CountsItsRounds(Plane):
    """Keeps a count of rounds in its instance, which a run that goes on does not have."""

    def made(self, points, labels):
        return CountingInstance(points, labels)


# -- somebody else is asked -------------------------------------------------------------------------------------------


class AskingOracle(ItemOracle):
    """Sells what an annotator says; charges for it when that is there, and tells those who are paid nothing."""

    kind = CLASS

    def __init__(self, labels, annotator):
        super().__init__(np.ones(SIZE))
        self.paid, self._annotator, self._labels = annotator.paid, annotator, labels

    def reveal(self, items):
        said = self._annotator.ask([self.asked(item) for item in items], None)
        return np.array([int(each) for each in said]), None

    def asked(self, item):
        return Asked(f"{item}?", None if self.paid else str(self._labels[item]), (), ("0", "1"))


@dataclass(frozen=True)
class AskingPlane(Plane):
    """The same points, about which an annotator is asked; a subclass spoils something."""

    oracle: ClassVar[type] = AskingOracle

    annotator: Annotated[Annotator, From("annotators")] = field(default_factory=partial(annotators.build, "stored"))

    def made(self, points, labels):
        made = super().made(points, labels)
        made.oracle = self.oracle(labels[:SIZE], self.annotator)
        return made


class OracleInSecret(AskingOracle):
    def __init__(self, labels, annotator):
        super().__init__(labels, annotator)
        self.paid = False

    def asked(self, item):
        return replace(super().asked(item), reference=None if self._annotator.paid else str(self._labels[item]))


@bad("annotator")
class DoesNotSayThatSomebodyIsPaid(AskingPlane):
    """Has an oracle that replays would ask."""

    oracle = OracleInSecret


class TellingOracle(AskingOracle):
    def asked(self, item):
        return replace(super().asked(item), reference=str(self._labels[item]))


@bad("annotator")
class TellsThePaid(AskingPlane):
    """Tells a judge what the data say."""

    oracle = TellingOracle


class HastyOracle(AskingOracle):
    def answer(self, query, allowance, ledger):
        try:
            super().answer(query, allowance, ledger)
        except AnswersPending:
            items, prices = self.sells(query, allowance, ledger)
            ledger.record(Purchase(items, prices, np.zeros(len(items), dtype=np.int64)))
            raise


@bad("annotator")
class ChargesAtOnce(AskingPlane):
    """Charges for answers that nobody has given yet."""

    oracle = HastyOracle


class CuriousOracle(AskingOracle):
    def reveal(self, items):
        self._annotator.ask([self.asked(item) for item in range(SIZE)], None)
        return super().reveal(items)


@bad("annotator")
class AsksForAll(AskingPlane):
    """Asks about the whole pool where a few items are bought."""

    oracle = CuriousOracle
