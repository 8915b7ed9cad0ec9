"""A plugin file: twenty prompts whose answers an annotator gives; their trainer; encoders; somebody who is not paid."""

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

import numpy as np
import torch

from labelbench_plus.annotators import Annotator, annotators
from labelbench_plus.answers import TEXT
from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.language.annotated import AnnotatedOracle
from labelbench_plus.plugins import From
from labelbench_plus.problems import Problem, problems
from labelbench_plus.trainers import Trainer, trainers
from labelbench_plus.view import PoolView

PROMPTS = [f"question {number}" for number in range(20)]


@problems.register("asked")
@dataclass(frozen=True)
class Asking(Problem):
    """Twenty prompts."""

    query = "pool"
    task = "counting answers"
    unit = "answers"

    annotator: Annotated[Annotator, From("annotators")] = field(default_factory=partial(annotators.build, "stored"))

    def fingerprint(self):
        return self.annotator.fingerprint()

    def capacity(self):
        return float(len(PROMPTS))

    def validation_labels(self):
        return 0

    def primary_metric(self):
        return "count", True

    def open(self, place, streams):
        return Instance(self, place)


class Instance:
    def __init__(self, problem, place):
        references = np.array(PROMPTS, dtype=object)
        self.oracle = AnnotatedOracle(references, None, problem.annotator, PROMPTS, place.desk())

    def view(self, needs, ledger, model, money):
        candidates = torch.as_tensor(self.oracle.candidates(ledger))
        nothing = torch.empty(0, dtype=torch.long)
        ones = torch.ones(len(candidates), dtype=torch.float64)
        return PoolView(needs, {}, candidates, nothing, nothing, ones, num_classes=2, money=money)

    def training_data(self, ledger, *, with_validation):
        return ledger.answered_answers

    def evaluate(self, model):
        return {"count": model}


@trainers.register("count_answers")
@dataclass(frozen=True)
class CountAnswers(Trainer):
    """How many characters were bought."""

    task = "counting answers"

    def fit(self, data, streams, previous):
        return float(sum(map(len, data.tolist())))


@encoders.register("mean_pixel")
@dataclass(frozen=True)
class MeanPixel(Encoder):
    """How bright an image in a file is, and a constant beside it."""

    takes = frozenset({"images in files"})

    def fit(self, pool_inputs):
        return lambda inputs: np.array([[inputs.decode(i).mean() / 255, 1.0] for i in range(len(inputs))], np.float32)


@encoders.register("halves")
@dataclass(frozen=True)
class Halves(Encoder):
    """How bright the left and the right half of an image in a file are."""

    takes = frozenset({"images in files", "images"})

    def fit(self, pool_inputs):
        def halves(pixels):
            half = pixels.shape[1] // 2
            return [pixels[:, :half].mean() / 255, pixels[:, half:].mean() / 255]

        def encode(inputs):
            every = inputs if isinstance(inputs, np.ndarray) else [inputs.decode(i) for i in range(len(inputs))]
            return np.array([halves(pixels) for pixels in every], np.float32)

        return encode


@annotators.register("repeats")
@dataclass(frozen=True)
class Repeats(Annotator):
    """Says what the data say, as somebody else than the data."""

    kinds = {"answer": TEXT, "labels": TEXT}  # noqa: RUF012

    def ask(self, questions, desk):
        return [question.reference for question in questions]
