"""Several models of one trainer, each on its own bootstrap sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from labelbench_plus.plugins import From
from labelbench_plus.problems.classification import Examples
from labelbench_plus.reference import Reference
from labelbench_plus.trainers import Trainer, trainers

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams


@dataclass(frozen=True)
class EnsembleModel:
    """Members that vote with their probabilities; the embedding is the first member's."""

    members: tuple[Any, ...]

    @property
    def reads(self) -> str:
        return getattr(self.members[0], "reads", "features")

    @property
    def image_size(self) -> int | None:
        return getattr(self.members[0], "image_size", None)

    def probabilities(self, features: Tensor) -> Tensor:
        return self.member_probabilities(features).mean(dim=0)

    def embeddings(self, features: Tensor) -> Tensor:
        return self.members[0].embeddings(features)

    def member_probabilities(self, features: Tensor) -> Tensor:
        import torch

        return torch.stack([member.probabilities(features) for member in self.members])


@trainers.register("ensemble")
@dataclass(frozen=True)
class Ensemble(Trainer):
    """Bagging (Breiman, 1996): every member sees as many labelled examples, drawn with replacement.

    It makes any trainer offer several plausible models at once, which BALD, BatchBALD and EPIG compare. Each member
    also has random streams of its own. The first member sees the labelled examples unchanged, so an ensemble's
    embeddings are those of the trainer alone.

    Parameters
    ----------
    of: the trainer of the members.
    members: their number.
    """

    title = "Bagging"
    reference = Reference(("Breiman",), 1996)
    task = "classification"
    provides = frozenset({"probabilities", "embeddings", "member_probabilities"})

    of: Annotated[Trainer, From("trainers")]
    members: Annotated[int, Ge(2)] = 10

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"of": "logistic_regression", "members": 2}

    def __post_init__(self) -> None:
        if self.of.task != self.task:
            raise ValueError(f"of: trainer {self.of.name!r} solves {self.of.task}, an ensemble {self.task}")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return self.of.needs

    @property
    def uses_validation(self) -> bool:  # type: ignore[override]
        return self.of.uses_validation

    def mirroring(self) -> str | None:
        return self.of.mirroring()

    @property
    def saves_models(self) -> bool:  # type: ignore[override]
        return self.of.saves_models

    def save_model(self, model: EnsembleModel, folder: Path) -> None:
        for number, member in enumerate(model.members):
            (folder / str(number)).mkdir()
            self.of.save_model(member, folder / str(number))

    def load_model(self, folder: Path) -> EnsembleModel:
        return EnsembleModel(tuple(self.of.load_model(folder / str(number)) for number in range(self.members)))

    def fingerprint(self) -> str:
        return self.of.fingerprint()

    def fit(self, data: ClassificationData, streams: Streams, previous: EnsembleModel | None) -> EnsembleModel:
        import torch

        size = len(data.labelled.labels)
        models = []
        for number in range(self.members):
            own = streams.round(number)
            drawn = own.rng("bootstrap").integers(size, size=size) if number else range(size)
            rows = torch.as_tensor(list(drawn), dtype=torch.long, device=data.labelled.labels.device)
            parts = (data.labelled.features, data.labelled.labels, data.labelled.rows)
            labelled = Examples(*(part[rows] for part in parts))
            models.append(self.of.fit(replace(data, labelled=labelled), own, None))
        return EnsembleModel(tuple(models))
