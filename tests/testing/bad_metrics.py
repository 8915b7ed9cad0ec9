"""Metrics that are wrong on purpose, each in one way. `caught_by` is the check that must find it, and no other."""

import numpy as np
import torch

from labelbench_plus.metrics import Metric, metrics
from tests.testing.bad import bad_of, usual_faults

bad = bad_of(metrics)


class Share(Metric):
    """The share of examples that are predicted right; a subclass spoils something."""

    higher_is_better = True

    def score(self, probabilities, labels):
        return float(self.hits(probabilities, labels).mean())

    def hits(self, probabilities, labels):
        return (probabilities.argmax(dim=1) == labels).double()


usual_faults(metrics, Share, "score")


@bad("declaration")
class SaysNothingOfGroups(Share):
    """Leaves open whether it looks at groups."""

    needs_groups = None


@bad("scores")
class IsNotFinished(Share):
    """Is not finished."""

    def score(self, probabilities, labels):
        raise NotImplementedError


@bad("a_number")
class GivesATensor(Share):
    """Forgets float()."""

    def score(self, probabilities, labels):
        return self.hits(probabilities, labels).mean()


@bad("mutation")
class WritesInPlace(Share):
    """Normalises what it is given."""

    def score(self, probabilities, labels):
        return super().score(probabilities.mul_(2), labels)


@bad("direction")
class UpsideDown(Share):
    """Is a share of what is right and says that less is better."""

    higher_is_better = False


@bad("order")
class FirstCountMore(Share):
    """Weighs examples by their place."""

    def score(self, probabilities, labels):
        weights = 1 / torch.arange(1, len(labels) + 1)
        return float((self.hits(probabilities, labels) * weights).sum() / weights.sum())


@bad("dtypes")
class SinglePrecision(Share):
    """Multiplies by a matrix of single precision."""

    def score(self, probabilities, labels):
        return super().score(probabilities @ torch.eye(probabilities.shape[1], dtype=torch.float32), labels)


@bad("small")
class WantsTwoExamples(Share):
    """Divides by a count less one."""

    def score(self, probabilities, labels):
        return float(self.hits(probabilities, labels).sum()) / (len(labels) - 1)


@bad("groups")
class CountsThoseInNone(Share):
    """Takes a negative number for a group like any other."""

    needs_groups = True

    def score(self, probabilities, labels, groups):
        hits = self.hits(probabilities, labels)
        return float(min(hits[groups == group].mean() for group in groups.unique()))


@bad("repeatable")
class BreaksTiesAtRandom(Share):
    """Adds a little noise of its own."""

    def score(self, probabilities, labels):
        return super().score(probabilities, labels) + 1e-9 * float(np.random.default_rng().random())


@bad("denominators")
class SharesOfMore(Share):
    """Says that its scores are shares of one example more than there are."""

    def denominators(self, labels, groups):
        return frozenset({len(labels) + 1})
