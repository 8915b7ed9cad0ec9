"""What is asked of a metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import torch
from torch import Tensor

from labelbench_plus.contracts.metrics import Metric, Reads
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.common_checks import add_common
from labelbench_plus.testing.report import Failure, Skip
from labelbench_plus.testing.subject import check_declaration, fresh
from labelbench_plus.testing.witness import watched

SIZE, CLASSES, GROUPS = 60, 5, 4
ROUNDING = 1e-6  # of sums that are formed in another order


@dataclass(frozen=True)
class Predicted:
    """Predictions (n, ...) of a test set, its labels (n, ...), and the group (n,) of each example; negative: none."""

    predictions: Tensor
    labels: Tensor
    groups: Tensor

    def at(self, rows: Tensor) -> Predicted:
        return Predicted(self.predictions[rows], self.labels[rows], self.groups[rows])


def of_classes(size: int = SIZE, classes: int = CLASSES) -> Predicted:
    """Class probabilities that are right more often than not."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(size) % (classes - 1)  # the last class has no example
    scores = torch.randn(size, classes, generator=generator)
    scores[torch.arange(size), labels] += 1.5
    return Predicted(scores.softmax(1), labels, torch.arange(size) % (GROUPS + 1) - 1)


def of_label_sets(size: int = SIZE, classes: int = CLASSES) -> Predicted:
    """Probabilities of labels, of which any number may be true of an example; the last label never is."""
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(size, classes, generator=generator) < 0.4).long()
    labels[:, -1], labels[0, 0] = 0, 1
    scores = torch.randn(size, classes, generator=generator) + 2.0 * labels - 1
    return Predicted(scores.sigmoid(), labels, torch.arange(size) % (GROUPS + 1) - 1)


def of_values(size: int = SIZE) -> Predicted:
    """Real numbers that are not far from the labels."""
    generator = torch.Generator().manual_seed(0)
    labels = 5 + 3 * torch.randn(size, generator=generator)
    return Predicted(labels + torch.randn(size, generator=generator), labels, torch.arange(size) % (GROUPS + 1) - 1)


def of_intervals(size: int = SIZE) -> Predicted:
    """The same with variances that are about right."""
    sample = of_values(size)
    variance = 0.5 + torch.rand(size, generator=torch.Generator().manual_seed(1))
    return Predicted(torch.stack([sample.predictions, variance], dim=1), sample.labels, sample.groups)


SAMPLES: Mapping[tuple[str, Reads], Callable[[], Predicted]] = {
    ("classification", "probabilities"): of_classes,
    ("multilabel", "label_probabilities"): of_label_sets,
    ("regression", "values"): of_values,
    ("regression", "intervals"): of_intervals,
}


def certain(reads: Reads, sample: Predicted, *, right: bool) -> Predicted:
    """Predictions that leave no doubt, all of them right or all of them wrong."""
    if reads in ("values", "intervals"):
        wanted = sample.labels if right else sample.labels + 100
        if reads == "intervals":
            wanted = torch.stack([wanted, torch.full_like(wanted, 1e-3)], dim=1)
        return Predicted(wanted, sample.labels, sample.groups)
    if reads == "label_probabilities":
        wanted = sample.labels if right else 1 - sample.labels
        return Predicted(wanted.float(), sample.labels, sample.groups)
    labels = sample.labels if right else (sample.labels + 1) % sample.predictions.shape[1]
    predictions = torch.nn.functional.one_hot(labels, sample.predictions.shape[1]).float()
    return Predicted(predictions, sample.labels, sample.groups)


@dataclass
class Scoring:
    """One metric and the ways to have it score."""

    plugin: Metric
    sample: tuple[Tensor, Tensor] | None = None

    @cached_property
    def predicted(self) -> Predicted:
        if self.sample is not None:
            predictions, labels = self.sample
            return Predicted(predictions, labels, torch.arange(len(labels)) % (GROUPS + 1) - 1)
        task, reads = self.plugin.task, self.plugin.reads
        if (task, reads) not in SAMPLES:
            raise Skip(f"the kit has no {reads} of {task}: hand a `sample` to check_metric")
        return SAMPLES[task, reads]()

    def need_sample_of_ours(self) -> None:
        if self.sample is not None:
            raise Skip("only you know the right scores of your own sample")

    def score(self, of: Predicted) -> float:
        metric, arguments = fresh(self.plugin), [of.predictions.clone(), of.labels.clone()]
        if metric.needs_groups:
            arguments.append(of.groups.clone())
        before = [each.clone() for each in arguments]
        with watched():
            found = metric.score(*arguments)
        for argument, was in zip(arguments, before, strict=True):
            if not torch.equal(argument, was):
                raise Failure("mutation", "what it was given to score is not what it was")
        if type(found) is not float:
            raise Failure("a_number", f"expected a float, got {type(found).__name__}")
        if not math.isfinite(found):
            raise Failure("a_number", f"of ordinary predictions it says {found}")
        return found

    def ordinary(self) -> float:
        return self.score(self.predicted)


CHECKS: Checks[Scoring] = Checks(Scoring)


@CHECKS.add(
    "declaration",
    "it is a registered frozen dataclass with a docstring, `higher_is_better`, `task`, `reads` and `needs_groups`",
    "follow `lbp new metric NAME`",
)
def _declaration(scoring: Scoring) -> None:
    metric = scoring.plugin
    check_declaration(metric, "metrics")
    for name in ("higher_is_better", "needs_groups", "in_label_unit"):
        if not isinstance(getattr(metric, name, None), bool):
            raise Failure("declaration", f"{name} must be True or False, got {getattr(metric, name, None)!r}")
    if not isinstance(metric.task, str):
        raise Failure("declaration", f"task must be a word, got {metric.task!r}")
    if metric.reads not in get_args(Reads):
        raise Failure("declaration", f"reads must be one of {', '.join(get_args(Reads))}, got {metric.reads!r}")


@CHECKS.add("scores", "it scores ordinary predictions", "read the traceback of `score`", essential=True)
def _scores(scoring: Scoring) -> str:
    return f"{scoring.ordinary():.3f}"


@CHECKS.add("a_number", "a score is a finite float", "end with float(...)")
def _a_number(scoring: Scoring) -> None:
    """Every score in every check is held to it."""


@CHECKS.add("mutation", "it leaves what it scores as it was", "methods that end in _ write in place")
def _mutation(scoring: Scoring) -> None:
    """Every score in every check is held to it."""


@CHECKS.add(
    "direction",
    "of predictions that are certain, right ones are the best there is, and better than wrong ones",
    "higher_is_better says which way is up; a loss has higher_is_better = False",
)
def _direction(scoring: Scoring) -> str:
    scoring.need_sample_of_ours()
    reads, sign = scoring.plugin.reads, 1 if scoring.plugin.higher_is_better else -1
    best, usual, worst = (
        scoring.score(each)
        for each in (
            certain(reads, scoring.predicted, right=True),
            scoring.predicted,
            certain(reads, scoring.predicted, right=False),
        )
    )
    if not (sign * best >= sign * usual - ROUNDING and sign * best > sign * worst):
        raise Failure("direction", f"all right: {best:.3f}; usual: {usual:.3f}; all wrong: {worst:.3f}")
    return f"from {worst:.3f} to {best:.3f}"


@CHECKS.add("order", "it does not depend on the order of examples", "an example counts by itself")
def _order(scoring: Scoring) -> None:
    rows = torch.randperm(len(scoring.predicted.labels), generator=torch.Generator().manual_seed(1))
    found, moved = scoring.ordinary(), scoring.score(scoring.predicted.at(rows))
    if abs(found - moved) > ROUNDING * max(1.0, abs(found)):
        raise Failure("order", f"{found} becomes {moved} when the examples change places")


@CHECKS.add("dtypes", "it scores predictions in double precision the same", "convert what you compute with: .double()")
def _dtypes(scoring: Scoring) -> None:
    double = Predicted(scoring.predicted.predictions.double(), scoring.predicted.labels, scoring.predicted.groups)
    try:
        found = scoring.score(double)
    except Failure:
        raise
    except Exception as error:
        raise Failure("dtypes", f"{type(error).__name__}: {error}") from error
    if abs(found - scoring.ordinary()) > 1e-4 * max(1.0, abs(found)):
        raise Failure("dtypes", f"{scoring.ordinary()} in single precision, {found} in double")


@CHECKS.add(
    "small",
    "it scores a single example, and identical predictions",
    "beware of dividing by a count or a spread that can be zero",
)
def _small(scoring: Scoring) -> None:
    scoring.ordinary()
    usual = scoring.predicted
    rows = torch.nonzero((usual.groups >= 0) & usual.labels.reshape(len(usual.labels), -1).bool().any(1))[:1, 0]
    alike = Predicted(usual.predictions[:1].expand_as(usual.predictions), usual.labels, usual.groups)
    for what, few in (("one example", usual.at(rows)), ("all predictions alike", alike)):
        try:
            scoring.score(few)
        except Failure as failure:
            if failure.check != "a_number":
                raise
            raise Failure("small", f"{what}: {failure}") from failure
        except Exception as error:
            raise Failure("small", f"{what}: {type(error).__name__}: {error}") from error


@CHECKS.add(
    "groups",
    "if it needs groups, who is in none (a negative number) does not count",
    "leave them out before anything else: inside = groups >= 0",
)
def _groups(scoring: Scoring) -> None:
    if not scoring.plugin.needs_groups:
        raise Skip("it needs no groups")
    usual, other = scoring.predicted, scoring.predicted.predictions.clone()
    other[usual.groups < 0] = other[usual.groups < 0].flip(0).roll(1, dims=1)
    found, changed = scoring.ordinary(), scoring.score(Predicted(other, usual.labels, usual.groups))
    if abs(found - changed) > ROUNDING:
        raise Failure("groups", f"{found} becomes {changed} where only predictions for those in no group change")


@CHECKS.add(
    "denominators",
    "a score is a whole number of one of its `denominators`, if it names any",
    "name them only if every score is a count over one of them",
)
def _denominators(scoring: Scoring) -> None:
    usual = scoring.predicted
    for rows in (torch.arange(len(usual.labels)), torch.arange(len(usual.labels) // 2)):
        some = usual.at(rows)
        sizes = fresh(scoring.plugin).denominators(some.labels.numpy(), some.groups.numpy())
        if not sizes:
            raise Skip("it names none")
        found = scoring.score(some)
        if not any(size > 0 and abs(found * size - round(found * size)) <= ROUNDING * size for size in sizes):
            raise Failure("denominators", f"{found} is a whole number of none of {sorted(sizes)}")


add_common(CHECKS, "metrics")
