"""Data sets that are wrong on purpose, each in one way. `caught_by` is the check that must find it, and no other."""

from dataclasses import replace

import numpy as np

from labelbench_plus.contracts.datasets import UNKNOWN
from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from tests.testing.bad import bad_of, usual_faults

bad = bad_of(datasets)


class Spread(Dataset):
    """Vectors of two classes; a subclass spoils something."""

    def load(self):
        return self.drawn(np.random.default_rng(0))

    def drawn(self, rng):
        def part(size):
            return Split(rng.standard_normal((size, 3)), np.arange(size) % 2)

        return LabelledData(part(40), part(10), part(20), ("left", "right"))

    def fingerprint(self):
        return "vectors"


usual_faults(datasets, Spread, "load")


@bad("declaration")
class ProvidesAList(Spread):
    """Says what it provides in a list."""

    provides = {*()}  # noqa: RUF012


@bad("loads")
class IsNotFinished(Spread):
    """Is not finished."""

    def load(self):
        raise NotImplementedError


@bad("loads")
class SaysNotWhereToGetIt(Spread):
    """Is not here, and does not say where it is."""

    def load(self):
        raise FileNotFoundError


@bad("splits")
class OneClassTooMany(Spread):
    """Has a class that is not named."""

    def load(self):
        return replace(super().load(), class_names=("left",))


@bad("splits")
class LabelsAreMissing(Spread):
    """Has fewer labels than examples."""

    def load(self):
        data = super().load()
        return replace(data, validation=Split(data.validation.inputs, data.validation.labels[1:]))


@bad("splits")
class WholeNumbers(Spread):
    """Has images that are no bytes."""

    def load(self):
        data = super().load()
        return replace(data, test=Split(np.zeros((20, 8, 8), dtype=np.int64), data.test.labels))


@bad("splits")
class HalfOfASetIsKnown(Spread):
    """Has items of which some labels are known and others are not."""

    def load(self):
        data = super().load()
        parts = {
            name: replace(part, labels=np.stack([part.labels, 1 - part.labels], axis=1))
            for name, part in (("pool", data.pool), ("validation", data.validation), ("test", data.test))
        }
        parts["pool"].labels[0, 0] = UNKNOWN
        return replace(data, **parts)


@bad("apart")
class TestsOnThePool(Spread):
    """Draws the test set from everything."""

    def load(self):
        data = super().load()
        return replace(data, test=Split(data.pool.inputs[:20], data.pool.labels[:20]))


COUNT = [0]


@bad("fingerprint")
class NeverTheSame(Spread):
    """Has a new fingerprint whenever it is asked."""

    def fingerprint(self):
        COUNT[0] += 1
        return f"vectors {COUNT[0]}"


KEPT = Spread().load()


@bad("own_arrays")
class HandsOutWhatItKeeps(Spread):
    """Loads once, and hands the same arrays to everybody."""

    def load(self):
        return KEPT


@bad("provides")
class PromisesMore(Spread):
    """Says that a column comes with it that does not."""

    provides = frozenset({"token_uncertainty"})


@bad("provides")
class TellsNobody(Spread):
    """Has a column that it does not name."""

    def load(self):
        return replace(super().load(), columns={"age": np.arange(40.0)})


@bad("repeatable")
class SplitsAnew(Spread):
    """Draws its examples anew whenever it is loaded."""

    def load(self):
        return self.drawn(np.random.default_rng())
