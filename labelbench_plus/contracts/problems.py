"""Problems: one file per family. A problem is a pool, the oracle that hides its labels, and an evaluation."""

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
    """Where a run computes. It has no influence on results.

    Attributes
    ----------
    concurrency: how many runs share the device.
    answers: where questions and answers are kept for all runs: beside the output folder, since they must outlive caches
        and runs. None if nobody may be asked.
    purse: what may be paid for answers; None: nothing.
    """

    cache: Path
    device: str = "cpu"
    concurrency: int = 1
    answers: Path | None = None
    purse: Purse | None = None

    def desk(self) -> Desk | None:
        """Where a run puts its questions; None if nobody may be asked."""
        return None if self.answers is None else Desk(self.answers, self.purse)


class Instance(Protocol):
    """A problem that is ready to run. It holds no state of a run: every method takes the ledger.

    One that also scores what was bought (how many tasks it covers, say) has
    `score_bought(ledger) -> Mapping[str, float]`: additional scores with names of their own.

    One that sells demonstrations can have `sft_records(ledger) -> Sequence[Mapping[str, Any]]`: everything that was
    bought, then the seed demonstrations, as JSON objects that TRL's trainers read: `prompt`, `completion`, and
    `origin`, which is "bought" or "seed". It opens no model. Where trainers can write demonstrations of their own,
    evaluations keep them as the detail `synthetic`, a table with a column `fate`, and
    `synthetic_records(table) -> Sequence[Mapping[str, Any]]` is the same of those that were learned from: their
    `origin` is "synthetic", and `row` their place in the table.

    One that scores with metrics can also have `denominators() -> Mapping[str, frozenset[int] | None]`: what each
    metric declares (`Metric.denominators`).
    """

    @property
    def oracle(self) -> Oracle:
        """The only door to the hidden labels."""

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> View:
        """What a strategy with these `needs` is shown before it may spend `money`.

        `capabilities.providers_of_model` provides what is needed of the model.
        """

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> Any:
        """What a trainer is shown: never a label that was not bought, validation labels only if declared."""

    def evaluate(self, model: Any) -> Mapping[str, float] | Scored:
        """Scores on the test set, which nothing else sees: finite numbers, in every round under the same names.

        A `Scored` if there are details, or notes of what it cost.
        """


class Problem(Plugin):
    """What is to be learned.

    Attributes
    ----------
    query: the kind of question its oracle answers ("pool", "sources").
    task: what its trainers must solve ("classification").
    provides: capabilities that its views offer without a model; those of its task (`capabilities.OF_TASK`) are
        implied.
    declares: the problem's own capabilities among them, beside the well-known ones.
    precedence: those that it serves even where a trainer provides them too, since they come with its data.
    settles_prices: whether the charge can be lower than the price known before, since it depends on the answer. Its
        rounds then spend at most their allowance.
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
        """The kinds of inputs that it has for trainers beside features: possibly "images",
        and "option scores" where the first features are scores of the classes."""
        return frozenset()

    def fingerprint(self) -> str:
        """Hash of the data behind the hyperparameters; part of a run's identity."""
        raise NotImplementedError

    def capacity(self) -> float:
        """The most that can be spent on it (the price of the whole pool)."""
        raise NotImplementedError

    def max_price(self) -> float:
        """The highest price of anything it sells: less than this may be left unspent."""
        return 1.0

    def validation_labels(self) -> int:
        """How many labels a trainer that uses validation labels gets without buying."""
        raise NotImplementedError

    def primary_metric(self) -> tuple[str, bool]:
        """The name of the score that ranks, and whether higher is better."""
        raise NotImplementedError

    def is_scored(self) -> bool:
        """Whether there is a test set to score models on. If not, `evaluate` returns nothing and its runs make no
        board:
        they buy labels and train on them."""
        return True

    def averaged_metric(self) -> str:
        """The score that stands for `primary_metric` in averages over data sets, where that one is in a unit of the
        data's own; empty where it is in none."""
        return ""

    def dataset_name(self) -> str:
        """The data behind it: problems on the same data count once in averages over data sets."""
        return label(self)

    def facets(self) -> dict[str, str]:
        """What else must be equal for results to share a table, beside budget and trainer: `{"encoder": "pixels"}`.

        Problems that differ in the value of one facet alone are compared along it. A value is what `label` calls the
        hyperparameter that it stands for.
        """
        return {}

    def facet_roles(self) -> dict[str, FacetRole]:
        """The roles of its facets' values in such comparisons, where they have one."""
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

        Its results are a bound: they are shown as one and not ranked.
        """
        return False

    def mirror_keeps_class(self) -> bool:
        """Whether its images may be mirrored in training."""
        return True

    def open(self, place: Place, streams: Streams) -> Instance:
        """Load the data and make the problem ready for the run with these random streams."""
        raise NotImplementedError

    def open_to_check(self, place: Place, streams: Streams) -> Instance:
        """The same for checks that look at purchases and train nothing: may postpone what takes long."""
        return self.open(place, streams)


problems = Registry("problem", Problem, "labelbench_plus.problems")
