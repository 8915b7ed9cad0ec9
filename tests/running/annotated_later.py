"""A plugin file: a problem whose answers people give later, into a folder, and a trainer that counts them."""

import json
from dataclasses import dataclass

import numpy as np
import torch

from labelbench_plus.answers import TEXT
from labelbench_plus.oracle import AnswersPending, ItemOracle
from labelbench_plus.problems import Problem, problems
from labelbench_plus.trainers import Trainer, trainers
from labelbench_plus.view import PoolView

SIZE = 20


class People(ItemOracle):
    """Asks people, by writing questions down, and has their answers when they are there."""

    kind = TEXT
    paid = True

    def __init__(self, folder):
        super().__init__(np.ones(SIZE))
        self._folder = folder

    def reveal(self, items):
        self._folder.mkdir(exist_ok=True)
        given = {item: self._folder / f"{item}.txt" for item in items.tolist()}
        if missing := [item for item, path in given.items() if not path.exists()]:
            (self._folder / "questions.json").write_text(json.dumps(missing))
            raise AnswersPending(len(missing))
        return np.array([path.read_text() for path in given.values()], dtype=object), None


@problems.register("annotated_later")
@dataclass(frozen=True)
class AnnotatedLater(Problem):
    """Twenty items that people describe."""

    query = "pool"
    task = "counting"
    unit = "descriptions"

    def fingerprint(self):
        return "twenty"

    def capacity(self):
        return float(SIZE)

    def validation_labels(self):
        return 0

    def primary_metric(self):
        return "count", True

    def open(self, place, streams):
        return Instance(place)


class Instance:
    def __init__(self, place):
        self.oracle = People(place.answers)

    def view(self, needs, ledger, model, money):
        candidates = torch.as_tensor(self.oracle.candidates(ledger))
        nothing = torch.empty(0, dtype=torch.long)
        ones = torch.ones(len(candidates), dtype=torch.float64)
        return PoolView(needs, {}, candidates, nothing, nothing, ones, num_classes=2, money=money)

    def training_data(self, ledger, *, with_validation):
        return ledger.answered_answers

    def evaluate(self, model):
        return {"count": model}


@trainers.register("counting")
@dataclass(frozen=True)
class Counting(Trainer):
    """How many characters were bought."""

    task = "counting"
    times: int = 1

    def fit(self, data, streams, previous):
        return float(self.times * sum(map(len, data.tolist())))
