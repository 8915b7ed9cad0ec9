"""What is asked of a combiner."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch

from labelbench_plus.algorithms.decoding.divergences import divergence
from labelbench_plus.contracts.combiners import SHOWN, Combiner, Listed, Policies, Response
from labelbench_plus.seeding import Streams
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.common_checks import add_common
from labelbench_plus.testing.report import Failure, Skip
from labelbench_plus.testing.subject import check_declaration, check_names, fresh
from labelbench_plus.testing.witness import watched
from labelbench_plus.view import CapabilityError

PROMPTS, STEPS = 2, (3, 2)
RESPONSES = 6
BETA = 0.5
CLOSE = 1e-9  # of log-probabilities that are formed in another order


@dataclass(frozen=True)
class Answering:
    """One combiner and the ways to ask it."""

    plugin: Combiner

    def logits(self, count: int = 2, seed: int = 0) -> np.ndarray:
        """(k, c, n) of policies that are optimal for rewards; those of the reference are zero."""
        return 2 * np.random.default_rng(seed).standard_normal((count, PROMPTS, RESPONSES))

    def respond(self, logits: np.ndarray, weights: list[float]) -> np.ndarray:
        """(c, n) log-probabilities of its answer, held to what every answer must be."""
        policies, before = shown(self.plugin.needs, logits), logits.copy()
        wanted = np.array(weights)
        with watched():
            try:
                found = fresh(self.plugin).respond(policies, wanted, Streams(0))
            except CapabilityError as error:
                raise Failure("needs", str(error)) from error
        if not np.array_equal(before, logits) or not np.array_equal(wanted, np.array(weights)):
            raise Failure("mutation", "the policies or the weights it was shown are not what they were")
        return _held(found, logits.shape[1:])

    def ordinary(self) -> np.ndarray:
        return self.respond(self.logits(), [0.3, 0.7])


@dataclass(frozen=True)
class Averages:
    """Parameters of policies that are tables of logits."""

    logits: np.ndarray

    def averaged(self, weights: np.ndarray) -> Listed:
        used = np.flatnonzero(weights)
        return Listed(_normalised(np.tensordot(weights[used], self.logits[used], axes=1)[None]), STEPS)


@dataclass(frozen=True)
class Estimates:
    """Rewards that a policy is trained for in closed form: with a uniform reference, its logits are theirs over β."""

    logits: np.ndarray

    def optimised(self, weights: np.ndarray) -> Listed:
        return Averages(self.logits).averaged(weights)


def shown(needs: frozenset[str], logits: np.ndarray) -> Policies:
    """What a combiner with these needs is shown of tables, tuned from a uniform reference under reverse KL."""
    providers = {
        "distributions": lambda: Listed(_normalised(logits), STEPS),
        "reference": lambda: Listed(_normalised(np.zeros((1, *logits.shape[1:]))), STEPS),
        "parameters": lambda: Averages(logits),
        "rewards": lambda: Estimates(logits),
    }
    return Policies(needs, providers, count=len(logits), beta=BETA, divergence=divergence("reverse_kl"))


def _normalised(logits: np.ndarray) -> np.ndarray:
    found: np.ndarray = torch.log_softmax(torch.as_tensor(logits), dim=-1).numpy()
    return found


def _held(found: Response, shape: tuple[int, ...]) -> np.ndarray:
    if not isinstance(found, Response):
        raise Failure("a_distribution", f"expected a Response, got {type(found).__name__}")
    values = found.log_probabilities
    if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype != np.float64:
        got = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise Failure("a_distribution", f"expected log-probabilities {shape} in float64, got {got}")
    if np.isnan(values).any() or np.abs(np.exp(values).sum(axis=-1) - 1).max() > 1e-6:
        raise Failure("a_distribution", f"probabilities sum to {np.exp(values).sum(axis=-1).round(4).tolist()}, not 1")
    if not found.forwards >= 1 or found.training_runs < 0:
        raise Failure("counted", f"forwards {found.forwards}, training runs {found.training_runs}: not what was run")
    return values


def _apart(left: np.ndarray, right: np.ndarray) -> float:
    """The largest difference of two answers, as probabilities."""
    return float(np.abs(np.exp(left) - np.exp(right)).max())


CHECKS: Checks[Answering] = Checks(Answering)


@CHECKS.add(
    "declaration",
    "it is a registered frozen dataclass with a docstring, and `needs` names what policies can be read of",
    "needs = frozenset of " + ", ".join(SHOWN),
)
def _declaration(answering: Answering) -> None:
    check_declaration(answering.plugin, "combiners")
    check_names(answering.plugin.needs, "needs")
    if unknown := answering.plugin.needs - set(SHOWN):
        raise Failure("declaration", f"needs names {', '.join(sorted(unknown))}; there are {', '.join(SHOWN)}")


@CHECKS.add("responds", "it answers an ordinary weighting", "read the traceback of `respond`", essential=True)
def _responds(answering: Answering) -> None:
    answering.ordinary()


@CHECKS.add(
    "needs",
    "it reads of policies only what it declares",
    "policies.distributions() requires needs = frozenset({'distributions'}), and so on",
)
def _needs(answering: Answering) -> None:
    answering.ordinary()


@CHECKS.add(
    "a_distribution",
    "its answer is a distribution over the listed responses: float64 log-probabilities that sum to one, never NaN",
    "normalise in logs: scipy.special.logsumexp, torch.log_softmax",
)
def _a_distribution(answering: Answering) -> None:
    """Every answer in every check is held to it."""


@CHECKS.add(
    "counted",
    "it says how many forward passes a token takes, and how many policies it trained",
    "Response(..., forwards=1.0): what runs at decoding, zero-weight policies left out",
)
def _counted(answering: Answering) -> None:
    """Every answer in every check is held to it."""


@CHECKS.add("mutation", "it leaves policies and weights as they were", "copy before writing in place")
def _mutation(answering: Answering) -> None:
    """Every answer in every check is held to it."""


@CHECKS.add(
    "one_policy",
    "a weight of one on a policy and none on the others is that policy's own answer",
    "policies of weight zero take no part",
)
def _one_policy(answering: Answering) -> None:
    _need_own(answering)
    logits = answering.logits(3)
    for index, weights in enumerate(np.eye(3).tolist()):
        if (off := _apart(answering.respond(logits, weights), _normalised(logits)[index])) > CLOSE:
            raise Failure("one_policy", f"with all weight on policy {index} probabilities are {off:.3g} off its own")


@CHECKS.add(
    "order", "policies and weights that change places together change nothing", "a policy counts by its weight alone"
)
def _order(answering: Answering) -> None:
    logits, weights = answering.logits(3), [0.2, 0.5, 0.3]
    first = answering.respond(logits, weights)
    for places in itertools.permutations(range(3)):
        other = answering.respond(logits[list(places)], [weights[place] for place in places])
        if (off := _apart(first, other)) > CLOSE:
            raise Failure("order", f"in the order {places} probabilities are {off:.3g} off")


@CHECKS.add(
    "equal_policies",
    "if all policies are identical, it answers like one of them",
    "a weighted mean of the same is the same; check that weights are used as they are",
)
def _equal_policies(answering: Answering) -> None:
    _need_own(answering)
    logits = np.repeat(answering.logits(1), 2, axis=0)
    if (off := _apart(answering.respond(logits, [0.3, 0.7]), _normalised(logits)[0])) > CLOSE:
        raise Failure("equal_policies", f"probabilities are {off:.3g} off the one policy's")


@CHECKS.add(
    "impossible",
    "it answers where a policy gives a response no probability, and where responses are exactly alike",
    "−inf is a value like any other: 0 · −inf is NaN, so leave weights of zero out",
)
def _impossible(answering: Answering) -> None:
    answering.ordinary()
    logits = answering.logits()
    logits[:, :, 1] = logits[:, :, 0]
    logits[0, :, 2] = -np.inf
    for weights in ([0.3, 0.7], [0.0, 1.0], [1.0, 0.0]):
        try:
            found = answering.respond(logits, weights)
        except Failure as failure:
            if failure.check != "a_distribution":
                raise
            raise Failure("impossible", f"weights {weights}: {failure}") from failure
        if np.abs(np.exp(found[:, 0]) - np.exp(found[:, 1])).max() > CLOSE:
            raise Failure("impossible", f"weights {weights}: two identical responses have different probabilities")


@CHECKS.add(
    "weights",
    "weights that are too few, too many or not finite are refused with ValueError",
    "check them first; never make another weighting of one that has no meaning",
)
def _weights(answering: Answering) -> None:
    answering.ordinary()
    for wrong in ([1.0], [0.2, 0.3, 0.5], [float("nan"), 1.0], [float("inf"), 0.0]):
        try:
            answering.respond(answering.logits(), wrong)
        except ValueError:
            continue
        except Failure:
            pass
        except Exception as error:
            raise Failure("weights", f"{wrong} of two policies gives {type(error).__name__}: {error}") from error
        raise Failure("weights", f"{wrong} of two policies is accepted silently")


def _need_own(answering: Answering) -> None:
    if not answering.plugin.keeps_one:
        raise Skip("it claims to answer differently than the one policy does")


add_common(CHECKS, "combiners")
