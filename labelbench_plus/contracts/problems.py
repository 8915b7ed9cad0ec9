"""Problems: one file a family. A problem is a pool, the oracle that hides its labels, and an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from labelbench_plus.contracts.annotators import Desk, Purse
from labelbench_plus.contracts.capabilities import Capability
from labelbench_plus.contracts.scores import FacetRole, Guard, Scored, Series, ShownScore
from labelbench_plus.plugins import Plugin, Registry, label

if TYPE_CHECKING:
    from labelbench_plus.budget import Ledger
    from labelbench_plus.oracle import Oracle
    from labelbench_plus.seeding import Streams
    from labelbench_plus.view import View


@dataclass(frozen=True)
class Place:
    """Where a run computes: takes no part in what it computes.

    Attributes
    ----------
    concurrency: how many runs share the device.
    answers: where what somebody was asked and answered is kept, for all runs: beside the output folder, as it must
        outlive caches and runs. None where nobody may be asked.
    purse: what may be paid for answers; nothing may where it is None.
    """

    cache: Path
    device: str = "cpu"
    concurrency: int = 1
    answers: Path | None = None
    purse: Purse | None = None

    def desk(self) -> Desk | None:
        """Where a run's questions are put; None where nobody may be asked."""
        return None if self.answers is None else Desk(self.answers, self.purse)


class Instance(Protocol):
    """A problem made ready to run. Holds no state of a run: every method takes the ledger.

    One that scores what was bought too, not the model alone (how many tasks it covers), has
    `score_bought(ledger) -> Mapping[str, float]`: numbers that stand among the scores, under names of their own.

    One that sells demonstrations may have `sft_records(ledger) -> Sequence[Mapping[str, Any]]`: everything that was
    bought, then what everybody was handed, as JSON objects that TRL's trainers read: `prompt`, `completion`, and
    `origin`, which is "bought" or "seed". It opens no model. Where trainers may write demonstrations that nobody
    bought, evaluations keep them as the detail `synthetic`, a table with a column `fate`, and
    `synthetic_records(table) -> Sequence[Mapping[str, Any]]` is the same of those that were learned from: their
    `origin` is "synthetic", and `row` their place in the table.

    One whose scores are by metrics may also have `denominators() -> Mapping[str, frozenset[int] | None]`: what each
    score says of itself (`Metric.denominators`).
    """

    @property
    def oracle(self) -> Oracle:
        """The only door to the hidden labels."""

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> View:
        """What a strategy with these `needs` is shown before it may spend `money`.

        What is needed of the model, `capabilities.providers_of_model` provides.
        """

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> Any:
        """What a trainer is shown: never a label that was not bought, validation labels only if declared."""

    def evaluate(self, model: Any) -> Mapping[str, float] | Scored:
        """Scores on the test set, which nothing else sees: finite numbers, in every round under the same names.

        With details or notes of what it cost, a `Scored`.
        """


class Problem(Plugin):
    """What is to be learned.

    Attributes
    ----------
    query: the kind of question its oracle answers ("pool", "sources").
    task: what its trainers must solve ("classification").
    provides: capabilities its views offer without a model; those of its task (`capabilities.OF_TASK`) go without
        saying.
    declares: those of them that are its own, beside the well-known ones.
    precedence: those that are served by it even where a trainer provides them too: they come with its data.
    settles_prices: whether what is charged may be less than the price known before, as it depends on the answer. Rounds
        of its runs then spend what they may at most.
    unit: what a budget counts, as a plural ("labels", "pairs"). `task` and `unit` say which results may share a
        table of the leaderboard; `primary_metric`, `averaged_metric`, `dataset_name` and `facets` say the
        rest.
    """

    query: ClassVar[str]
    task: ClassVar[str]
    unit: ClassVar[str] = "labels"
    settles_prices: ClassVar[bool] = False
    provides: ClassVar[frozenset[str]] = frozenset()
    declares: ClassVar[tuple[Capability, ...]] = ()
    precedence: ClassVar[frozenset[str]] = frozenset()

    def raw_inputs(self) -> frozenset[str]:
        """The kinds of inputs it has for trainers beside features: may hold "images",
        and "option scores" where the first features are scores of the classes."""
        return frozenset()

    def fingerprint(self) -> str:
        """Hash of the data behind the hyperparameters; part of a run's identity."""
        raise NotImplementedError

    def capacity(self) -> float:
        """The most money that can be spent on it (the price of the whole pool)."""
        raise NotImplementedError

    def max_price(self) -> float:
        """The highest price of anything it sells: less than this may be left unspent."""
        return 1.0

    def validation_labels(self) -> int:
        """How many labels a trainer that uses validation gets for free."""
        raise NotImplementedError

    def primary_metric(self) -> tuple[str, bool]:
        """The name of the score that ranks, and whether more of it is better."""
        raise NotImplementedError

    def is_scored(self) -> bool:
        """Whether there is anything to score models on. Where there is not, `evaluate` says nothing, and no board is
        made of its runs: they buy labels, and train on them."""
        return True

    def averaged_metric(self) -> str:
        """The score that stands for `primary_metric` in averages over data sets, where that one is in a unit of the
        data's own; empty where it is in none."""
        return ""

    def dataset_name(self) -> str:
        """The data behind it: problems on the same data count as one wherever results are averaged over data sets."""
        return label(self)

    def facets(self) -> dict[str, str]:
        """What else must be equal for results to share a table, beside budget and trainer: `{"encoder": "pixels"}`.

        Problems that differ in the value of one facet alone are compared along it. A value is what `label` calls the
        hyperparameter that it stands for.
        """
        return {}

    def facet_roles(self) -> dict[str, FacetRole]:
        """What the values of its facets stand for in such comparisons, where they stand for something in particular."""
        return {}

    def facet_controls(self) -> dict[str, tuple[str, ...]]:
        """By facet the values, by name, without which nobody can say what its own gains by: `{"views": ("repeated",)}`.

        A suite that compares its value with others and lacks one of these says so.
        """
        return {}

    def series(self) -> tuple[Series, ...]:
        """Which scores belong on one curve: for each point an ordinary score of that name (`Series.score`)."""
        return ()

    def shown_scores(self) -> tuple[ShownScore, ...]:
        """Which scores boards show beside the one that ranks."""
        return ()

    def guards(self) -> tuple[Guard, ...]:
        """Which scores must not be given up for the one that ranks."""
        return ()

    def knows_truth(self) -> bool:
        """Whether what it shows holds what no learner can know, as views rendered from the true scene do.

        Its results are a bound: they are shown as one, and stand in no ranking.
        """
        return False

    def mirror_keeps_class(self) -> bool:
        """Whether its images may be mirrored in training."""
        return True

    def open(self, place: Place, streams: Streams) -> Instance:
        """Load the data and make the problem ready for the run with these random streams."""
        raise NotImplementedError

    def open_to_check(self, place: Place, streams: Streams) -> Instance:
        """The same for somebody who asks what was sold to whom and trains nothing: may put off what takes long."""
        return self.open(place, streams)


problems = Registry("problem", Problem, "labelbench_plus.problems")
