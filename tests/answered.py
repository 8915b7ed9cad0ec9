"""A stranger's problem whose answers are of any kind, and a trainer that learns every bit of them by heart."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt

from labelbench_plus.answers import KINDS
from labelbench_plus.budget import Ledger
from labelbench_plus.oracle import PoolOracle
from labelbench_plus.problems import Place, Problem, problems
from labelbench_plus.seeding import Streams
from labelbench_plus.trainers import Trainer, trainers
from labelbench_plus.view import PoolView

TEXTS = ("", "plain", "ends in nothing\0", "grüße 🙂 \u2028", "a" * 1000, "[1, 2]", "null")
SETS = ((), (0,), (1, 4, 7), (0, 1), (2, 3), tuple(range(9)))
MADE = {
    "class": lambda rng, n: rng.integers(-1, 5, n),
    "vectors of classes": lambda rng, n: rng.integers(0, 2, (n, 3)),
    "label_set": lambda rng, n: rng.integers(0, 9, n),
    "labels": lambda rng, n: [SETS[k] for k in rng.integers(0, len(SETS), n)],
    "labels of one length": lambda rng, n: [(k, k + 2) for k in rng.integers(0, 9, n).tolist()],
    "real": lambda rng, n: rng.standard_normal(n) * 1e3,
    "float32": lambda rng, n: rng.standard_normal(n).astype(np.float32),
    "whole float32": lambda rng, n: rng.integers(-3, 3, n).astype(np.float32),
    "float16": lambda rng, n: rng.standard_normal(n).astype(np.float16),
    "vectors of float32": lambda rng, n: rng.standard_normal((n, 3)).astype(np.float32),
    "score": lambda rng, n: rng.integers(0, 6, n).astype(np.float64),
    "preference": lambda rng, n: rng.integers(-1, 2, n),
    "preference_probability": lambda rng, n: rng.random(n),
    "text": lambda rng, n: [TEXTS[k] for k in rng.integers(0, len(TEXTS), n)],
    "mask": lambda rng, n: ["AAAA", "Zm9v", ""] * n,
    "digest": lambda rng, n: [f"{k:016x}" for k in rng.integers(0, 2**60, n)],
}
"""For each form, its answers to n items."""
KIND_OF = {name: name if name in KINDS else name.split()[0] for name in MADE} | {
    "vectors of classes": "class",
    "float32": "real",
    "whole float32": "real",
    "float16": "real",
    "vectors of float32": "real",
}


def made(form: str, size: int, seed: int = 0) -> Any:
    return MADE[form](np.random.default_rng(seed), size)


@problems.register("answered")
@dataclass(frozen=True)
class Answered(Problem):
    """A pool of items with answers in some form.

    Parameters
    ----------
    form: of the answers, one of `MADE`.
    silent: every so many-th item has no answer; 0 for none.
    terms: of sale. "settled": an item costs two units at most, and what it is charged is known with its answer.
        "again": even items may be asked about again and again. "paid": somebody is paid for an answer.
    seed_texts: texts that every trainer is given beside the budget.
    """

    query = "pool"
    task = "by heart"
    unit = "answers"

    form: str = "text"
    silent: Annotated[int, Ge(0)] = 0
    size: Annotated[int, Gt(0)] = 60
    seed_texts: Annotated[int, Ge(0)] = 0
    terms: Literal["fixed", "settled", "again", "paid"] = "fixed"

    @property
    def settles_prices(self) -> bool:
        return self.terms == "settled"

    def fingerprint(self) -> str:
        return "made from the form"

    def capacity(self) -> float:
        return math.inf if self.terms == "again" else self.max_price() * self.size

    def beside(self) -> dict[str, int]:
        return {"seed texts": self.seed_texts}

    def max_price(self) -> float:
        return 2.0 if self.terms == "settled" else 1.0

    def validation_labels(self) -> int:
        return 0

    def primary_metric(self) -> tuple[str, bool]:
        return "agreement", True

    def open(self, place: Place, streams: Streams) -> Any:
        return AnsweredInstance(self)


def settle(items: np.ndarray, answers: np.ndarray) -> np.ndarray:
    return np.where(items % 3 == 0, 0.0, 1.5)


class Again(PoolOracle):
    def candidates(self, ledger: Ledger) -> np.ndarray:
        return np.union1d(super().candidates(ledger), np.arange(0, self.size, 2))


class Paid(PoolOracle):
    paid = True
    asked = 0

    def reveal(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        Paid.asked += len(items)
        return super().reveal(items)


ORACLES: dict[str, type[PoolOracle]] = {"fixed": PoolOracle, "settled": PoolOracle, "again": Again, "paid": Paid}


class AnsweredInstance:
    def __init__(self, problem: Answered) -> None:
        answers = made(problem.form, problem.size)
        answers = answers if isinstance(answers, np.ndarray) else answers[: problem.size]
        if problem.silent:
            answers = [None if k % problem.silent == 0 else answer for k, answer in enumerate(list(answers))]
        kind = KINDS[KIND_OF[problem.form]]
        prices = np.full(problem.size, problem.max_price())
        self.oracle = ORACLES[problem.terms](
            answers, prices, kind=kind, settle=settle if problem.terms == "settled" else None
        )

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> PoolView:
        candidates = torch.as_tensor(self.oracle.candidates(ledger))
        return PoolView(
            needs,
            {},
            candidates,
            labelled=torch.as_tensor(ledger.answered_items, dtype=torch.long),
            labels=torch.empty(0, dtype=torch.long),
            prices=torch.ones(len(candidates), dtype=torch.float64),
            num_classes=2,
            money=money,
        )

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> Any:
        return ledger.answered_items, ledger.answered_answers

    def evaluate(self, model: Any) -> dict[str, float]:
        return {"agreement": model}


@trainers.register("by_heart")
@dataclass(frozen=True)
class ByHeart(Trainer):
    """A number that is another one if any bit, dtype or shape of what was bought is."""

    task = "by heart"

    views: Annotated[int, Ge(0)] = 0

    def beside(self) -> dict[str, int]:
        return {"pretraining views": self.views}

    def fit(self, data: Any, streams: Streams, previous: Any | None) -> float:
        items, answers = data
        told = repr((items.dtype, items.shape, items.tolist(), answers.dtype, answers.shape, answers.tolist()))
        value = int.from_bytes(hashlib.sha256(told.encode()).digest()[:6]) / 2**48
        assert math.isfinite(value)
        return value
