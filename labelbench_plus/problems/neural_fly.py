"""Aerodynamic forces on a drone in several winds, from flight logs in a folder of the user's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from labelbench_plus.features.hashing import hash_arrays
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.problems import Place, problems
from labelbench_plus.reference import Reference
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.data import Samples, SourceModel
from labelbench_plus.source_tasks.flight_logs import AXES, Flight, read_flights
from labelbench_plus.source_tasks.instance import SourceInstance
from labelbench_plus.source_tasks.oracle import SourceOracle
from labelbench_plus.source_tasks.problem import SourceProblem
from labelbench_plus.source_tasks.space import Finite

READER_VERSION = 1
FEATURE_SEED = 0


@problems.register("neural_fly")
@dataclass(frozen=True)
class NeuralFly(SourceProblem):
    """A task is one axis of the residual force in one wind; the target is one of them, the others are sources.

    The first `train_share` of every flight, in time, is for sale (sources), or for the target's labels; the target is
    tested on the rest of its flights. Inputs are velocity, attitude and motor speeds, eleven numbers, standardised per
    task on its training part, as labels are. Trainers see `features` random cosine features of them and a constant.
    Each run draws the order in which a source's rows are sold.

    We may not redistribute the logs: they are for personal and educational use. Put them into a folder of your own.

    Parameters
    ----------
    folder: with the logs, CONTROLLER_WIND.csv.
    target: the wind and the axis of the target, e.g. "100wind x".
    features: random cosine features that trainers see, beside a constant.
    train_share: of every flight, in time, that is for sale or the target's labels.

    Score: `test_mse`, in units of the target's training variance.

    Source: O'Connell, Shi et al., "Neural-Fly enables rapid learning for agile flight in strong winds" (2022), for the
    logs; Chen, Huang, Du, Jamieson, Shi (NeurIPS 2023) for the tasks. The share and the features are ours.
    """

    title = "Neural-Fly"
    reference = Reference(
        ("O'Connell", "Shi", "others"), 2022, "Neural-Fly enables rapid learning for agile flight in strong winds"
    )
    task = "source_tasks"
    ranks_by = "test_mse"

    folder: Annotated[Path, Infra(), Outside("files")]
    target: str
    rank: Annotated[int, Ge(1)] = 6
    features: Annotated[int, Ge(1)] = 60
    target_labels: Annotated[int, Ge(1)] = 40
    train_share: Annotated[float, Gt(0), Lt(1)] = 0.6

    @classmethod
    def example(cls) -> None:  # its flight logs do not come with the package
        return None

    def fingerprint(self) -> str:
        return _fingerprint(self.folder.expanduser())

    def capacity(self) -> float:
        return float(sum(len(train.labels) for name, (train, _) in self.tasks().items() if name != self.target))

    def tasks(self) -> dict[str, tuple[Samples, Samples]]:
        """Training and test part of every task by name, standardised, in the order of names.

        Raises
        ------
        ValueError
            The target is none of them.
        """
        found = _tasks(self.folder.expanduser(), self.train_share)
        if self.target not in found:
            raise ValueError(f"target {self.target!r} is none of the tasks: {', '.join(found)}")
        return found

    def open(self, place: Place, streams: Streams) -> SourceInstance:
        tasks = self.tasks()
        sources = [train for name, (train, _) in tasks.items() if name != self.target]
        known, test = tasks[self.target]
        if len(known.labels) < self.target_labels:
            raise ValueError(f"target_labels: the target has {len(known.labels)} rows, fewer than {self.target_labels}")
        rng = Streams(FEATURE_SEED).rng("flight features")
        frequencies = rng.standard_normal((known.inputs.shape[1], self.features)) / known.inputs.shape[1] ** 0.5
        phases = rng.uniform(0, 2 * np.pi, self.features)

        def seen(inputs: np.ndarray) -> np.ndarray:
            return np.concatenate([np.cos(inputs @ frequencies + phases), np.ones((len(inputs), 1))], axis=1)

        def draw(source: int, first: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
            part = sources[source]
            rows = streams.round(source).rng("source order").permutation(len(part.labels))[first : first + blocks]
            return seen(part.inputs[rows]), part.labels[rows]

        chosen = streams.rng("target labels").permutation(len(known.labels))[: self.target_labels]
        test_inputs = seen(test.inputs)

        def score(model: SourceModel) -> dict[str, float]:
            errors = model.representation(test_inputs) @ model.target_heads[:, 0] - test.labels
            return {"test_mse": float((errors**2).mean()), "sources_opened": float(model.sources_opened)}

        return SourceInstance(
            SourceOracle(Finite(len(sources)), draw, 1, capacity=np.array([len(part.labels) for part in sources])),
            (Samples(seen(known.inputs[chosen]), known.labels[chosen]),),
            self.rank,
            score,
            np.arange(len(sources)),
        )


@cache  # of one process: logs that change while it runs are another matter
def _flights(folder: Path) -> list[Flight]:
    return read_flights(folder)


@cache
def _fingerprint(folder: Path) -> str:
    arrays = {
        f"{number} {flight.condition} {part}": getattr(flight, part)
        for number, flight in enumerate(_flights(folder))
        for part in ("inputs", "force")
    }
    return hashlib.sha256(f"{READER_VERSION} {hash_arrays(arrays)}".encode()).hexdigest()


@cache
def _tasks(folder: Path, train_share: float) -> dict[str, tuple[Samples, Samples]]:
    flights = _flights(folder)
    found = {}
    for condition in sorted({flight.condition for flight in flights}):
        own = [flight for flight in flights if flight.condition == condition]
        cuts = [int(train_share * len(flight.force)) for flight in own]
        inputs = [np.concatenate([f.inputs[:cut] for f, cut in zip(own, cuts, strict=True)])]
        inputs.append(np.concatenate([f.inputs[cut:] for f, cut in zip(own, cuts, strict=True)]))
        forces = [np.concatenate([f.force[:cut] for f, cut in zip(own, cuts, strict=True)])]
        forces.append(np.concatenate([f.force[cut:] for f, cut in zip(own, cuts, strict=True)]))
        mean, scale = inputs[0].mean(axis=0), _scale(inputs[0])
        level, spread = forces[0].mean(axis=0), _scale(forces[0])
        for axis, name in enumerate(AXES):
            train, test = (
                Samples((x - mean) / scale, (y[:, axis] - level[axis]) / spread[axis])
                for x, y in zip(inputs, forces, strict=True)
            )
            found[f"{condition} {name}"] = (train, test)
    return found


def _scale(values: np.ndarray) -> np.ndarray:
    deviation = values.std(axis=0)
    return np.where(deviation > 0, deviation, 1.0)
