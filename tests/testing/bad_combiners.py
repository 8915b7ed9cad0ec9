"""Combiners that are wrong on purpose, each in one way. `caught_by` is the check that must find it, and no other."""

import numpy as np
from scipy.special import logsumexp

from labelbench_plus.combiners import Combiner, Response, combiners
from tests.testing.bad import bad_of, usual_faults

bad = bad_of(combiners)


class Product(Combiner):
    """The weighted product of policies; a subclass spoils something."""

    needs = frozenset({"distributions"})

    def respond(self, policies, weights, streams):
        weights = np.asarray(weights)
        if weights.shape != (policies.count,) or not np.isfinite(weights).all():
            raise ValueError(f"weights: expected {policies.count} finite numbers, got {weights}")
        used = np.flatnonzero(weights)
        found = policies.distributions().log_probabilities[used]
        return self.answer(self.product(found, weights[used]), len(used))

    def product(self, found, weights):
        return np.tensordot(weights, found, axes=1)

    def answer(self, scores, used):
        return Response(scores - logsumexp(scores, axis=-1, keepdims=True), None, float(used))


usual_faults(combiners, Product, "respond")


@bad("declaration")
class NeedsTheMoon(Product):
    """Needs what there is not."""

    needs = frozenset({"distributions", "moon"})


@bad("responds")
class IsNotFinished(Product):
    """Is not finished."""

    def respond(self, policies, weights, streams):
        raise NotImplementedError


@bad("needs")
class DeclaresNothing(Product):
    """Reads what it did not declare."""

    needs = frozenset()


@bad("a_distribution")
class Unnormalised(Product):
    """Gives scores for probabilities."""

    def answer(self, scores, used):
        return Response(scores, None, float(used))


@bad("a_distribution")
class SinglePrecision(Product):
    """Answers in single precision."""

    def answer(self, scores, used):
        return Response(super().answer(scores, used).log_probabilities.astype(np.float32), None, float(used))


@bad("counted")
class RunsForNothing(Product):
    """Says that no model was run."""

    def answer(self, scores, used):
        return super().answer(scores, 0)


@bad("mutation")
class NormalisesInPlace(Product):
    """Writes to the weights it was handed."""

    def respond(self, policies, weights, streams):
        found = super().respond(policies, weights, streams)
        weights *= 0.5
        return found


@bad("one_policy")
class HalfHearted(Product):
    """Takes some of the others always: means of all policies, a little."""

    def respond(self, policies, weights, streams):
        shares = 0.9 * np.asarray(weights) + 0.1 / max(len(weights), 1)
        return super().respond(policies, shares, streams)


@bad("order")
class FirstCountsMore(Product):
    """Gives what is left of the sum of squares to the first policy."""

    def product(self, found, weights):
        shares = weights**2
        shares[0] += weights.sum() - shares.sum()
        return super().product(found, shares)


@bad("equal_policies")
class Sharpens(Product):
    """Divides by the length of the weights, so that mixed ones count for more."""

    def product(self, found, weights):
        return super().product(found, weights / np.linalg.norm(weights))


@bad("impossible")
class ZeroTimesInfinity(Product):
    """Lets policies of weight zero take part."""

    def respond(self, policies, weights, streams):
        weights = np.asarray(weights)
        if weights.shape != (policies.count,) or not np.isfinite(weights).all():
            raise ValueError("weights")
        with np.errstate(invalid="ignore"):
            return self.answer(self.product(policies.distributions().log_probabilities, weights), 1)


@bad("weights")
class TakesAnyWeights(Product):
    """Does as well as it can with weights that have no meaning."""

    def respond(self, policies, weights, streams):
        known = np.nan_to_num(np.resize(np.asarray(weights), policies.count), nan=0.5, posinf=1.0)
        return super().respond(policies, known, streams)


@bad("repeatable")
class Unseeded(Product):
    """Adds a little noise of its own."""

    def answer(self, scores, used):
        return super().answer(scores + 1e-12 * np.random.default_rng().standard_normal(scores.shape), used)
