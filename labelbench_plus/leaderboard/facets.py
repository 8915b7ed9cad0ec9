"""Comparison along one facet: what another encoder, base model or set of views gains, all else being equal.

Compared are settings that agree in everything but the value of one facet: the same problem otherwise, trainer, budgets
and metric. Differences are taken from one value, the reference, at the same strategy and seed, at each budget and in
the area under the budget curve; above zero is better. The reference is the value that the problem declares, otherwise
the first by name that is neither a control nor a bound. p-values are those of paired t-tests of the area, Holm-adjusted
over all strategies and values of one comparison: that is its family of tests. Controls, which should gain nothing, and
bounds, which know what no learner can know, are marked, and belong to the family too. The label factor is how many
times fewer labels reach 95 % of the reference's final value: the labels that the reference needs divided by those that
this needs, with intervals as for savings; it is a lower bound where the level is reached at the first budget.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.formatting import amount, p_value, sentence_list
from labelbench_plus.leaderboard.runs import BoardMeta
from labelbench_plus.leaderboard.setting import HEADLINE_SHARE, BoardSetting, gain_points
from labelbench_plus.leaderboard.statistics import (
    ALPHA,
    Estimate,
    Fits,
    Saving,
    holm,
    label_saving,
    paired_differences,
    paired_t_test,
    t_interval,
    target_level,
)
from labelbench_plus.leaderboard.table import Column, Table

BOUND = "bound"


@dataclass(frozen=True)
class FacetGain:
    """What one value gains over the reference with one strategy.

    `seeds`, `area`: in AUBC, seed by seed and over them; `points`: at each budget; `p`, `adjusted`: of the paired
    t-test of `area`; `labels`: the saving that the label factor is made of, None where there is no level to reach.
    """

    value: str
    strategy: str
    seeds: tuple[float, ...]
    area: Estimate
    points: tuple[Estimate, ...]
    p: float
    adjusted: float
    labels: Saving | None

    @property
    def better(self) -> bool:
        """Whether it is significantly better than the reference, within the family of the comparison."""
        return self.adjusted <= ALPHA and self.area.mean > 0

    @property
    def worse(self) -> bool:
        """Whether it is significantly worse."""
        return self.adjusted <= ALPHA and self.area.mean < 0


@dataclass(frozen=True, eq=False)
class FacetComparison:
    """All that differs in one facet alone.

    `problem`: what the settings have in common. `values`: of the facet, the reference first, then by mean gain; `roles`
    says of some what they stand for ("reference", "control", "oracle, bound"). `declared`: whether the reference was.
    `gains`: by value, best strategy first. `settings`: those that took part, by value.
    """

    facet: str
    problem: str
    trainer: str
    metric: str
    baseline: str
    unit: str
    budgets: tuple[float, ...]
    values: tuple[str, ...]
    roles: Mapping[str, str]
    declared: bool
    gains: tuple[FacetGain, ...]
    settings: Mapping[str, tuple[BoardSetting, ...]]

    @property
    def reference(self) -> str:
        """The value that the others are measured against."""
        return self.values[0]

    @property
    def title(self) -> str:
        """What is compared, in a line."""
        return f"{self.facet}: {self.problem} × {self.trainer}"

    @property
    def conditions(self) -> str:
        """Under what conditions."""
        first, last = amount(self.budgets[0]), amount(self.budgets[-1])
        spent = f"{last} {self.unit}" if len(self.budgets) == 1 else f"{first} to {last} {self.unit}"
        chosen = "declared by the problem" if self.declared else "first by name, as none is declared"
        return f"{self.metric} · {spent} · reference: {self.reference} ({chosen})"

    def named(self, value: str) -> str:
        """A value with what it stands for, if anything."""
        return f"{value} ({self.roles[value]})" if value in self.roles else value

    @property
    def drawn_strategy(self) -> str:
        """The strategy that a chart of it shows: the baseline, else the first that most values have."""
        names = [gain.strategy for gain in self.gains]
        return self.baseline if self.baseline in names else min(names, key=lambda name: (-names.count(name), name))

    def findings(self) -> tuple[str, ...]:
        """What the tests say of each value, a sentence each."""
        sentences = []
        for value in self.values[1:]:
            of_value = [gain for gain in self.gains if gain.value == value]
            said = [
                f"significantly {word} than {self.reference} with {len(names)} of {len(of_value)} strategies "
                f"({sentence_list(names)})"
                for word, names in (
                    ("better", [gain.strategy for gain in of_value if gain.better]),
                    ("worse", [gain.strategy for gain in of_value if gain.worse]),
                )
                if names
            ]
            nothing = f"not significantly different from {self.reference} with any of {len(of_value)} strategies"
            sentences.append(f"{self.named(value)}: {'; '.join(said) or nothing}.")
        return tuple(sentences)

    def table(self) -> Table:
        """A row for each value and strategy."""
        family = f"paired t-test of AUBC over seeds, Holm-adjusted over the {len(self.gains)} rows of this table"
        columns = (
            Column("strategy", "strategy", "label", "how labels were chosen, here and with the reference"),
            Column(
                "value",
                self.facet,
                "text",
                "what differs; a control should gain nothing, a bound knows what no learner can know",
            ),
            Column(
                "gain",
                "gain (AUBC)",
                "gain",
                f"gain over {self.reference} in the area under the budget curve of {self.metric}, with the same "
                "strategy and seed; above zero is better; ± half the width of the 95 % t-interval",
            ),
            Column("p", "p, Holm", "text", family),
            Column(
                "labels",
                "label factor",
                "factor",
                f"{self.unit} that {self.reference} needs to reach {HEADLINE_SHARE:.0%} of its final {self.metric}, "
                "divided by what this row needs; a lower bound where this row is there at the first budget".replace(
                    "%", " %"
                ),
            ),
            Column(
                "final", "gain at the end", "gain", f"the same gain in {self.metric} once the whole budget is spent"
            ),
            Column("seeds", "seeds", "count", "seeds that both have"),
        )
        rows = tuple(
            (
                gain.strategy,
                self.named(gain.value),
                gain.area,
                p_value(gain.adjusted),
                gain.labels,
                gain.points[-1],
                gain.area.n,
            )
            for gain in self.gains
        )
        return Table(columns, rows)

    def budgets_table(self) -> Table:
        """The gains at each budget, in the same rows."""
        columns = (
            Column("strategy", "strategy", "label", "how labels were chosen, here and with the reference"),
            Column("value", self.facet, "text", "what differs"),
            *(
                Column(f"at_{i}", amount(budget), "gain", f"gain in {self.metric} after {amount(budget)} {self.unit}")
                for i, budget in enumerate(self.budgets)
            ),
        )
        return Table(columns, tuple((gain.strategy, self.named(gain.value), *gain.points) for gain in self.gains))


def compare_facets(boards: Sequence[Board]) -> tuple[FacetComparison, ...]:
    """Every comparison along one facet that some settings allow, by facet and problem."""
    groups: dict[tuple[object, ...], dict[str, list[tuple[BoardMeta, BoardSetting]]]] = {}
    for board in boards:
        for setting in board.settings:
            for facet, value in setting.about.facets.items():
                rest = without_argument(setting.problem, facet, value)
                if setting.areas and rest is not None:
                    key = (facet, rest, *_all_else(board.meta, setting, facet))
                    groups.setdefault(key, {}).setdefault(value, []).append((board.meta, setting))
    found = [
        comparison
        for key, by_value in groups.items()
        if len(by_value) > 1 and (comparison := _comparison(str(key[0]), str(key[1]), by_value)) is not None
    ]
    return tuple(sorted(found, key=lambda one: (one.title, one.budgets, one.metric)))


def without_argument(label: str, facet: str, value: str) -> str | None:
    """What tables call a problem, without the hyperparameter that a facet's value stands for.

    That is the one argument, at any depth, that reads `value` or `facet=value`; a label without one leaves the default
    out and stays as it is. None where there are several, so that nobody can tell which one it is.
    """
    spans = [(start, end) for start, end in _arguments(label) if label[start:end] in (value, f"{facet}={value}")]
    if len(spans) > 1:
        return None
    for start, end in spans:
        before, after = label[:start], label[end:]
        label = before + after.removeprefix(", ") if after.startswith(", ") else before.removesuffix(", ") + after
    return label.replace("()", "")


def _arguments(label: str) -> list[tuple[int, int]]:
    """Where each argument begins and ends, at every depth."""
    spans, starts = [], []
    for i, letter in enumerate(label):
        if letter in "([":
            starts.append(i + 1)
        elif letter in ")]" and starts:
            spans.append((starts.pop(), i))
        elif letter == "," and starts and label[i + 1 : i + 2] == " ":
            spans.append((starts[-1], i))
            starts[-1] = i + 2
    return spans


def _all_else(meta: BoardMeta, setting: BoardSetting, facet: str) -> tuple[object, ...]:
    about = setting.about
    others = tuple(sorted((name, value) for name, value in about.facets.items() if name != facet))
    same = (about.task, about.dataset, setting.unit, setting.budgets, setting.trainer, meta.metric)
    return (*same, meta.higher_is_better, others)


def _comparison(
    facet: str, problem: str, by_value: Mapping[str, Sequence[tuple[BoardMeta, BoardSetting]]]
) -> FacetComparison | None:
    # The first setting that has a strategy speaks for it: one suite's runs, not a mixture.
    settings = {
        value: {name: setting for _, setting in reversed(found) for name in setting.areas}
        for value, found in by_value.items()
    }
    abouts = {value: found[0][1].about for value, found in by_value.items()}
    roles = {
        value: ", ".join([*([str(role)] if role is not None else []), *([BOUND] if about.knows_truth else [])])
        for value, about in abouts.items()
        if (role := about.facet_roles.get(facet)) is not None or about.knows_truth
    }
    named = sorted(value for value in by_value if roles.get(value) == "reference")
    methods = sorted(
        value
        for value, about in abouts.items()
        if not about.knows_truth and about.facet_roles.get(facet) in (None, "generator")
    )
    reference = (named or methods or sorted(by_value))[0]
    meta, _ = next(iter(by_value.values()))[0]
    gains: list[FacetGain] = []
    for value in sorted(by_value):
        for strategy in sorted(settings[value].keys() & settings[reference].keys()) if value != reference else ():
            gain = _gain(value, strategy, settings[value][strategy], settings[reference][strategy], problem)
            gains += [gain] if gain is not None else []
    if not gains:
        return None
    adjusted = holm([gain.p for gain in gains])
    means = {one: float(np.mean([g.area.mean for g in gains if g.value == one])) for one in {g.value for g in gains}}
    tested = [replace(gain, adjusted=float(p)) for gain, p in zip(gains, adjusted, strict=True)]
    first = next(iter(settings[reference].values()))
    return FacetComparison(
        facet=facet,
        problem=problem,
        trainer=first.trainer,
        metric=meta.metric,
        baseline=meta.baseline,
        unit=first.unit,
        budgets=first.budgets,
        values=(reference, *sorted(means, key=lambda value: (-means[value], value))),
        roles=roles,
        declared=bool(named),
        gains=tuple(sorted(tested, key=lambda g: (-means[g.value], g.value, -g.area.mean, g.strategy))),
        settings={value: tuple(setting for _, setting in by_value[value]) for value in sorted(by_value)},
    )


def _gain(value: str, strategy: str, of: BoardSetting, reference: BoardSetting, problem: str) -> FacetGain | None:
    sign = 1 if of.higher_is_better else -1
    differences = sign * paired_differences(of.areas[strategy], reference.areas[strategy])
    if not len(differences):
        return None
    ours, theirs = of.runs.runs[strategy], reference.runs.runs[strategy]
    return FacetGain(
        value,
        strategy,
        tuple(differences.tolist()),
        t_interval(differences),
        gain_points(ours, theirs, sign),
        paired_t_test(differences),
        math.nan,
        _labels(of, reference, strategy, f"{problem}\n{strategy}"),
    )


def _labels(of: BoardSetting, reference: BoardSetting, strategy: str, name: str) -> Saving | None:
    if len(of.budgets) < 2 or of.budgets[0] < 0:
        return None
    ours, theirs = of.runs.runs[strategy], reference.runs.runs[strategy]
    final = float(np.mean([run.values[-1] for run in theirs.values()]))
    seeds = sorted(ours.keys() & theirs.keys())
    a, b = (np.stack([runs[seed].values for seed in seeds]) for runs in (ours, theirs))
    draws = zlib.crc32(name.encode())
    fits, fits_of_reference = (Fits(of.budgets, curves, of.higher_is_better, draws) for curves in (a, b))
    return label_saving(fits, fits_of_reference, target_level(final, HEADLINE_SHARE, of.higher_is_better))
