"""Data sets: one file each. A data set knows where its examples come from and how they are split, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from labelbench_plus.contracts.capabilities import Capability
from labelbench_plus.contracts.scores import FacetRole
from labelbench_plus.inputs.image_files import ImageFiles
from labelbench_plus.inputs.questions import Questions
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.plugins import Plugin, Registry
from labelbench_plus.view import ItemView, PoolView

TAKEN = frozenset({*dir(PoolView), *ItemView.__annotations__, "money", "notes", "round", "inputs", "groups"})
"""Names that no column may have, since a view or the hash of a data set uses them for something else."""

UNKNOWN = -2
"""The label of a pool item that has none yet: the problem's annotator is asked for it."""

Inputs = np.ndarray | ImageFiles | Texts | Questions


@dataclass(frozen=True)
class Split:
    """Examples and their labels.

    Attributes
    ----------
    inputs: n inputs in one of these forms:
        uint8 images (n, height, width) or (n, height, width, 3) of one size; float vectors (n, d);
        `ImageFiles`, images of any size, decoded on demand;
        `Texts`, strings;
        `Questions` about images, with options.
    labels: (n,) int64 in 0..K-1; of a multi-label data set (n, K) 0 or 1; in the pool also `UNKNOWN`, of all of an
        item's labels or of none; real values (n,) of a float type, finite.
    groups: (n,) int64, for scores of groups (WILDS), or None.
    kinds: (n,) int64, index of each example's kind in the data's `kind_names`, or None. Scores by kind are details.
    """

    inputs: Inputs
    labels: np.ndarray
    groups: np.ndarray | None = None
    kinds: np.ndarray | None = None

    @property
    def array(self) -> np.ndarray:
        """The inputs, if they are an array.

        Raises
        ------
        TypeError
            They are files of images, or texts.
        """
        if not isinstance(self.inputs, np.ndarray):
            raise TypeError(f"inputs in memory are needed here: an array, not {type(self.inputs).__name__}")
        return self.inputs


@dataclass(frozen=True)
class LabelledData:
    """A data set in memory. The split is fixed: it does not depend on a run's seed.

    `class_names` are empty where labels are real values.
    `pool_prices` (n,) float: the price of each pool item's label; one unit each if None.
    `pool_token_uncertainty` (n, 3) is another way to write `columns["token_uncertainty"]`.
    `templates` are the sentences into which a zero-shot head puts class names: "a photo of a {}.".
    `kind_names` are the names of the `kinds` of examples ("left of").
    `columns` (n, ...) by name hold what else is public about the pool's items: strategies that need one read it as
    `view.NAME`. The data set's `provides` names them.

    Raises
    ------
    ValueError
        A column is not about the pool's items.
    """

    pool: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    pool_prices: np.ndarray | None = None
    pool_token_uncertainty: np.ndarray | None = None
    templates: tuple[str, ...] = ()
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    kind_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pool_token_uncertainty is not None:
            columns = {**self.columns, "token_uncertainty": self.pool_token_uncertainty}
            object.__setattr__(self, "columns", columns)
        for name, column in self.columns.items():
            if not name.isidentifier() or name.startswith("_") or name in TAKEN:
                raise ValueError(f"column {name!r} would be read as view.{name}, which is taken or no name")
            if len(column) != (size := len(self.pool.labels)):
                raise ValueError(f"column {name!r} has {len(column)} rows; the pool has {size} items")


class Dataset(Plugin):
    """Where labelled examples come from.

    Attributes
    ----------
    provides: capabilities that views have thanks to these data: the names of their `columns`.
    declares: the data set's own capabilities among them, beside the well-known ones.
    mirror_keeps_class: whether an image and its mirror image have the same class. If not, trainers that mirror images
        are refused.
    """

    provides: ClassVar[frozenset[str]] = frozenset()
    declares: ClassVar[tuple[Capability, ...]] = ()
    mirror_keeps_class: ClassVar[bool] = True

    def load(self) -> LabelledData:
        """Read the examples, or prepare to read them on demand.

        Raises
        ------
        FileNotFoundError
            The data are missing on this machine; the message lists every way to get them.
        """
        raise NotImplementedError

    def varies_by_machine(self) -> str | None:
        """Why other processors give other last bits, and so other ids; None for data that are the same everywhere."""
        return None

    def dataset_name(self) -> str:
        """The name of the data behind it: one that presents another's examples in its own way returns that one's name.

        Problems on the same data count as one wherever results are averaged over data sets.
        """
        return self.name

    def facets(self) -> dict[str, str]:
        """What else must be equal for results on it to share a table: `{"views": "exact"}`, but not "encoder"."""
        return {}

    def facet_roles(self) -> dict[str, FacetRole]:
        """The roles of these values in comparisons along a facet: see `Problem.facet_roles`."""
        return {}

    def facet_controls(self) -> dict[str, tuple[str, ...]]:
        """Which values should be compared with its own along a facet: see `Problem.facet_controls`."""
        return {}

    def knows_truth(self) -> bool:
        """Whether its inputs hold what no learner can know: see `Problem.knows_truth`."""
        return False

    def state(self) -> tuple[int, ...]:
        """What is another once the files behind it were changed, found without reading them (`content.state_of`).

        A process reads a data set once for each. Where it is always (), changes are noticed by the next process.
        """
        return ()

    def fingerprint(self) -> str:
        """Hash of the examples, labels and split, so that a run's identity changes with its data."""
        raise NotImplementedError


datasets = Registry("dataset", Dataset, "labelbench_plus.datasets")
