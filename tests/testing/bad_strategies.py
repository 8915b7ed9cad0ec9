"""Strategies that are wrong on purpose, each in one way. `caught_by` is the check that must find it, and no other."""

import gc
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from sklearn.datasets import load_digits

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix, check_probabilities
from labelbench_plus.oracle import StratifiedDraw
from labelbench_plus.strategies import Cost, PoolStrategy, strategies


class Bad(PoolStrategy):
    """Chooses the items with the largest first feature; a subclass spoils something."""

    needs = frozenset({"features"})
    caught_by: ClassVar[str]

    def best(self, view, n, scores=None):
        """The n best; more than there are is refused."""
        check_count(n, len(view.candidates))
        scores = check_matrix(view.features, "features").float()[:, 0] if scores is None else scores
        return view.candidates[scores.argsort(descending=True, stable=True)[:n]]


def bad(caught_by):
    """Register a class under its own name and say which check must catch it."""

    def keep(cls):
        cls.caught_by = caught_by
        return strategies.register("bad_" + cls.__name__.lower())(dataclass(frozen=True)(cls))

    return keep


# -- the answer itself ------------------------------------------------------------------------------------------------


@bad("answers")
class AlwaysRaises(Bad):
    """Is not finished."""

    def select(self, view, n, rng):
        raise NotImplementedError


@bad("count")
class OneTooMany(Bad):
    """Gives one more, where there is one."""

    def select(self, view, n, rng):
        check_count(n, len(view.candidates))
        return self.best(view, min(n + 1, len(view.candidates)))


@bad("count")
class NeverNone(Bad):
    """Gives one item where none was asked for."""

    def select(self, view, n, rng):
        return self.best(view, max(n, 1) if len(view.candidates) else 0)


@bad("count")
class NotTheLast(Bad):
    """Cannot buy the whole pool."""

    def select(self, view, n, rng):
        check_count(n, len(view.candidates))
        return self.best(view, min(n, max(len(view.candidates) - 1, 0)))


@bad("distinct")
class Repeats(Bad):
    """Draws with replacement."""

    def select(self, view, n, rng):
        self.best(view, n)
        return view.candidates[rng.integers(max(len(view.candidates), 1), size=n)]


CALLS = {"seventh": 0}


@bad("distinct")
class SeventhCall(Bad):
    """Gives an item twice when it is asked for several items for the seventh time."""

    def select(self, view, n, rng):
        chosen = self.best(view, n)
        CALLS["seventh"] += n > 1
        if CALLS["seventh"] == 7 and n > 1:
            chosen[1] = chosen[0]
        return chosen


@bad("unlabelled")
class BuysAgain(Bad):
    """Starts with what was bought before."""

    def select(self, view, n, rng):
        chosen = self.best(view, n)
        if n and len(view.labelled):
            chosen[0] = view.labelled[0]
        return chosen


@bad("unlabelled")
class RowsForItems(Bad):
    """Gives the numbers of rows instead of the candidates in them."""

    def select(self, view, n, rng):
        self.best(view, n)
        return torch.arange(n)


@bad("integers")
class Floats(Bad):
    """Gives floating-point numbers."""

    def select(self, view, n, rng):
        return self.best(view, n).double()


@bad("integers")
class Column(Bad):
    """Gives a matrix."""

    def select(self, view, n, rng):
        return self.best(view, n)[:, None]


@bad("blind")
class DrawsByClass(Bad):
    """Has the oracle draw balanced classes, by labels that it holds."""

    def select(self, view, n, rng):
        self.best(view, n)
        return StratifiedDraw(rng)


@bad("blind")
class SaysThatItDraws(Bad):
    """The same, and says so: which is enough for no strategy but the package's own."""

    uses_hidden_labels = True

    def select(self, view, n, rng):
        return StratifiedDraw(rng)


@bad("too_many")
class Clamps(Bad):
    """Gives all there are when asked for more."""

    def select(self, view, n, rng):
        return self.best(view, min(n, len(view.candidates)))


# -- what it does to others -------------------------------------------------------------------------------------------


@bad("capabilities")
class Undeclared(Bad):
    """Reads probabilities without saying so."""

    def select(self, view, n, rng):
        return self.best(view, n, view.probabilities[:, 0])


@bad("mutation")
class WritesInPlace(Bad):
    """Normalises the view's own features."""

    def select(self, view, n, rng):
        check_matrix(view.features, "features").add_(1)
        return self.best(view, n)


@bad("mutation")
class WritesThroughNumPy(Bad):
    """Sorts the labels through NumPy, which torch does not notice."""

    def select(self, view, n, rng):
        chosen = self.best(view, n)
        view.labels.numpy()[:] = 0
        return chosen


@bad("global_random")
class GlobalNumPy(Bad):
    """Shuffles with NumPy's global generator."""

    def select(self, view, n, rng):
        return self.best(view, n, torch.as_tensor(np.random.permutation(len(view.candidates))))  # noqa: NPY002


@bad("global_random")
class SeedsTorch(Bad):
    """Seeds torch for everybody, to be reproducible."""

    def select(self, view, n, rng):
        torch.manual_seed(0)
        return self.best(view, n)


@bad("global_settings")
class DoublePrecision(Bad):
    """Sets the default precision for everybody."""

    def select(self, view, n, rng):
        torch.set_default_dtype(torch.float64)
        return self.best(view, n)


@bad("global_settings")
class LeavesTheFolder(Bad):
    """Works in another folder and stays there."""

    def select(self, view, n, rng):
        os.chdir("/")
        return self.best(view, n)


# -- randomness, order, state -----------------------------------------------------------------------------------------


@bad("repeatable")
class Unseeded(Bad):
    """Makes a generator of its own, without a seed."""

    def select(self, view, n, rng):
        check_matrix(view.features, "features")
        return self.best(view, n, torch.as_tensor(np.random.default_rng().permutation(len(view.candidates))))


@bad("pool_order")
class FirstCome(Bad):
    """Takes the pool in the order it is in."""

    def select(self, view, n, rng):
        check_matrix(view.features, "features")
        return self.best(view, n, torch.arange(len(view.candidates)))


@bad("independent_runs")
class CountsItsCalls(Bad):
    """Chooses otherwise every time the same instance is asked."""

    def select(self, view, n, rng):
        calls = getattr(self, "_calls", 0)
        object.__setattr__(self, "_calls", calls + 1)
        check_matrix(view.features, "features")
        return self.best(view, n, view.features.float()[:, 0] * (-1) ** calls)


LAST = {}


@bad("independent_runs")
class StaleScores(Bad):
    """Keeps the scores of the last pool and uses them as long as the next one is as large."""

    def select(self, view, n, rng):
        scores = check_matrix(view.features, "features").float().norm(dim=1)
        if len(LAST.get("scores", ())) != len(scores):
            LAST["scores"] = scores
        return self.best(view, n, LAST["scores"] + 1e-6 * torch.as_tensor(rng.random(len(scores))))


@bad("rounds")
class GivesUpLater(Bad):
    """Breaks once more than 30 labels were bought."""

    def select(self, view, n, rng):
        if len(view.labelled) > 30:
            raise RuntimeError("out of ideas")
        return self.best(view, n)


# -- odd pools --------------------------------------------------------------------------------------------------------


@bad("not_finite")
class NaNWins(Bad):
    """Takes NaN for a large number."""

    def select(self, view, n, rng):
        return self.best(view, n, view.features.float().sum(dim=1))


@bad("ties")
class DividesByTheSpread(Bad):
    """Divides by a spread that can be zero."""

    def select(self, view, n, rng):
        first = check_matrix(view.features, "features").float()[:, 0]
        spread = float(first.max() - first.min()) if len(first) > 1 else 1.0
        return self.best(view, n, first * (1 / spread))


@bad("one_class")
class WantsTwoClasses(Bad):
    """Compares the two classes bought most often."""

    needs = frozenset({"probabilities", "labels", "num_classes"})

    def select(self, view, n, rng):
        counts = torch.bincount(view.labels[view.labels >= 0], minlength=view.num_classes)
        if int((counts > 0).sum()) < 2:
            raise IndexError("no second class")
        return self.best(view, n, check_probabilities(view.probabilities).float()[:, 0])


@bad("classes")
class WantsThreeClasses(Bad):
    """Looks at the three most probable classes."""

    needs = frozenset({"probabilities"})

    def select(self, view, n, rng):
        return self.best(view, n, check_probabilities(view.probabilities).float().topk(3, dim=1).values[:, 2])


@bad("outliers")
class CountsOutliers(Bad):
    """Uses labels as indices, -1 included."""

    needs = frozenset({"features", "labels", "num_classes"})

    def select(self, view, n, rng):
        torch.bincount(view.labels, minlength=view.num_classes)
        return self.best(view, n)


@bad("duplicates")
class WantsDifferentItems(Bad):
    """Takes items for different because their values should be."""

    def select(self, view, n, rng):
        rows = {tuple(row) for row in check_matrix(view.features, "features").tolist()}
        if 1 < len(rows) < len(view.features):
            raise KeyError("an item is missing")
        return self.best(view, n)


@bad("dtypes")
class SinglePrecision(Bad):
    """Multiplies by a matrix of single precision."""

    def select(self, view, n, rng):
        features = check_matrix(view.features, "features")
        return self.best(view, n, (features @ torch.ones(features.shape[1], 1, dtype=torch.float32))[:, 0])


@bad("one_feature")
class Squeezes(Bad):
    """Drops the dimension it needs."""

    def select(self, view, n, rng):
        features = check_matrix(view.features, "features")
        return self.best(view, n, features.squeeze(1)[:, 0])


@bad("prices")
class OnePriceForAll(Bad):
    """Believes that every label costs one unit."""

    def select(self, view, n, rng):
        if len(view.prices) and float(view.prices.max()) > 1:
            raise ValueError("too dear")
        return self.best(view, n)


@bad("first_round")
class WantsAStart(Bad):
    """Looks at the first label that was bought."""

    def select(self, view, n, rng):
        int(view.labels[0])
        return self.best(view, n)


# -- labels nobody paid for -------------------------------------------------------------------------------------------


def by_labels(view, labels):
    """The scores of a cheat: items of class 0 first, then those with a large first feature."""
    order = check_matrix(view.features, "features").float()[:, 0]
    if labels is None:
        return order
    return order + 100 * torch.as_tensor(np.asarray(labels)[view.candidates.numpy()] == 0)


def labels_of(thing):
    oracle = getattr(getattr(thing, "instance", thing), "oracle", thing)
    return getattr(oracle, "_PoolOracle__labels", None)


@bad("blind")
class PeeksAtAttributes(Bad):
    """Looks into the view's private attributes."""

    def select(self, view, n, rng):
        labels = next((found for value in vars(view).values() if (found := labels_of(value)) is not None), None)
        return self.best(view, n, by_labels(view, labels))


@bad("blind")
class PeeksIntoClosures(Bad):
    """Looks into what the functions behind the view remember."""

    def select(self, view, n, rng):
        cells = [
            cell for _, compute in view._providers.values() for cell in getattr(compute, "__closure__", None) or ()
        ]
        labels = next((found for cell in cells if (found := labels_of(cell.cell_contents)) is not None), None)
        return self.best(view, n, by_labels(view, labels))


@bad("blind")
class PeeksIntoFrames(Bad):
    """Looks at the variables of who called it."""

    def select(self, view, n, rng):
        frame, labels = sys._getframe(), None
        while frame is not None and labels is None:
            labels = next((found for value in frame.f_locals.values() if (found := labels_of(value)) is not None), None)
            frame = frame.f_back
        return self.best(view, n, by_labels(view, labels if labels is not None and len(labels) > 100 else None))


@bad("blind")
class PeeksAtTheHeap(Bad):
    """Asks the garbage collector for the oracle."""

    def select(self, view, n, rng):
        found = [thing for thing in gc.get_objects() if type(thing).__name__ == "PoolOracle"]
        labels = labels_of(found[-1]) if found else None
        return self.best(view, n, by_labels(view, labels if labels is not None and len(labels) > 100 else None))


@bad("files")
class ReadsOtherRuns(Bad):
    """Learns labels from what other runs bought."""

    def select(self, view, n, rng):
        rounds = [file.read_bytes() for file in Path("outputs").glob("runs/*/rounds/*.json")]
        return self.best(view, n, by_labels(view, None) * (1 if rounds else -1))


@bad("files")
class ReadsTheCache(Bad):
    """Learns labels from the data cache."""

    def select(self, view, n, rng):
        files = list(Path(os.environ.get("LBP_CACHE", "nowhere")).glob("*.npy"))
        labels = np.load(files[0]) if files else None
        return self.best(view, n, by_labels(view, labels))


@bad("files")
class LoadsTheDataSet(Bad):
    """Loads the data set once more and keeps its labels."""

    def select(self, view, n, rng):
        load_digits()
        return self.best(view, n)


# -- what a run needs of the class ------------------------------------------------------------------------------------


@bad("declaration")
class NoDocstring(Bad):
    def select(self, view, n, rng):
        return self.best(view, n)


@bad("declaration")
class NeedsList(Bad):
    """Declares its needs as a set that can be changed."""

    needs = {"features"}  # noqa: RUF012

    def select(self, view, n, rng):
        return self.best(view, n)


@bad("hyperparameters")
class ChangesItsFields(Bad):
    """Doubles a hyperparameter whenever it is built."""

    power: float = 1.0

    def __post_init__(self):
        object.__setattr__(self, "power", 2 * self.power)

    def select(self, view, n, rng):
        return self.best(view, n)


@bad("pickles")
class HoldsALock(Bad):
    """Holds what cannot be sent to another process."""

    def __post_init__(self):
        object.__setattr__(self, "_lock", threading.Lock())

    def select(self, view, n, rng):
        return self.best(view, n)


@bad("cost")
class TooSlow(Bad):
    """Takes longer than it declares."""

    cost = Cost(seconds=0.1)

    def select(self, view, n, rng):
        if len(view.candidates) > 1000:
            time.sleep(0.5)
        return self.best(view, n)


@bad("cost")
class TooLarge(Bad):
    """Takes more memory than it declares."""

    cost = Cost(megabytes=100)

    def select(self, view, n, rng):
        if len(view.candidates) > 1000:
            torch.ones(60_000_000)
        return self.best(view, n)


@bad("cost")
class NeverDone(Bad):
    """Does not come back."""

    cost = Cost(seconds=0.1)
    waits: float = field(default=600.0)

    def select(self, view, n, rng):
        if len(view.candidates) > 1000:
            time.sleep(self.waits)
        return self.best(view, n)
