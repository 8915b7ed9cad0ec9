"""A problem of a third party whose evaluation says what a test wants it to say, and the trainer for it."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.scores import Scored, Series, SeriesColumn, point
from labelbench_plus.oracle import PoolOracle
from labelbench_plus.problems import Place, Problem, problems
from labelbench_plus.seeding import Streams
from labelbench_plus.trainers import Trainer, trainers
from labelbench_plus.view import PoolView

FRONT = Series("front", "weight", tuple(map(point, (0, 0.5, 1))), (SeriesColumn("loss", higher_is_better=False),))


@dataclass(frozen=True)
class Share:
    """A model: the share of ones among what was bought."""

    count: int
    value: float

    @property
    def notes(self) -> dict[str, float]:
        return {"items": self.count, "lost": float("nan")}


@trainers.register("share")
@dataclass(frozen=True)
class ShareTrainer(Trainer):
    """Estimate a share by what was bought."""

    task = "telling"

    def fit(self, data: Any, streams: Streams, previous: Any | None) -> Share:
        return Share(len(data), float(np.mean(data)))


@problems.register("telling")
@dataclass(frozen=True)
class Telling(Problem):
    """Estimate the share of ones in a pool.

    Parameters
    ----------
    says: what its evaluation says once more than ten items are bought. Before, it is a number.
    """

    query = "pool"
    task = "telling"

    says: Literal["number", "nan", "inf", "text", "more", "other", "details", "bad details"] = "number"

    def fingerprint(self) -> str:
        return "made from the seed"

    def capacity(self) -> float:
        return 60.0

    def validation_labels(self) -> int:
        return 0

    def primary_metric(self) -> tuple[str, bool]:
        return "error", False

    def series(self) -> tuple[Series, ...]:
        return (FRONT,) if self.says == "details" else ()

    def open(self, place: Place, streams: Streams) -> "TellingInstance":
        return TellingInstance(streams.rng("telling").integers(2, size=60), self.says)


class TellingInstance:
    """The pool with its labels, which is the test set too."""

    def __init__(self, labels: np.ndarray, says: str) -> None:
        self.oracle, self._labels, self._says = PoolOracle(labels), labels, says

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> PoolView:
        unbought = np.setdiff1d(np.arange(60), ledger.items)
        return PoolView(
            needs,
            {},
            torch.as_tensor(unbought),
            torch.as_tensor(ledger.items),
            labels=torch.as_tensor(ledger.answers),
            prices=torch.ones(len(unbought), dtype=torch.float64),
            money=money,
        )

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> Any:
        return ledger.answers

    def evaluate(self, model: Share) -> Any:
        error = abs(model.value - float(self._labels.mean()))
        if self._says.endswith("details"):
            return self._in_full(model, error)
        if model.count <= 10:
            return {"error": error}
        odd = {
            "nan": {"error": float("nan")},
            "inf": {"error": float("inf")},
            "text": {"error": "small"},
            "more": {"error": error, "later": 1.0},
            "other": {"other": error},
        }
        return odd.get(self._says, {"error": error})

    def _in_full(self, model: Share, error: float) -> Scored:
        margin = torch.full((60,), model.value, dtype=torch.float32)
        if self._says == "bad details" and model.count > 10:
            margin[7] = float("nan")
        return Scored(
            {"error": error, **{FRONT.score("loss", at): abs(float(at) - error) for at in FRONT.at}},
            details={
                "per item": {"label": self._labels, "margin": margin, "said": [f"é\0{model.count}"] * 60},
                "generations": [{"prompt": "p", "answers": ["a", None], "length": 2}],
            },
            notes={"tokens": 7 * model.count},
        )
