"""What the matrix says, in sentences: each with its effect, interval, seeds and data sets, and true of the cells.

"Significantly" means what it means in the cells: a paired t-test over common seeds, Holm-adjusted over the comparisons
with the baseline in that setting. Settings are counted one by one, with no adjustment over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from labelbench_plus.leaderboard.formatting import number
from labelbench_plus.leaderboard.matrix import CHOICE, Gain, Matrix, MatrixColumn

MOST = 8


@dataclass(frozen=True, eq=False)
class Claim:
    """One sentence of `matrix`. `effect`: its figure; `text`: the rest; `columns`: the settings that it speaks of, of
    which the first is where one looks it up; `strategy`: whom it speaks of, empty for none."""

    matrix: Matrix
    effect: str
    text: str
    columns: tuple[int, ...]
    strategy: str = ""


@dataclass(frozen=True)
class Names:
    """How a claim calls things: strategies by label, settings by the number of their column, the part itself."""

    strategies: Mapping[str, str]
    settings: Sequence[str]
    part: str
    metric: str


Saying = Callable[[Matrix, Names], "Claim | None"]


def pays_most(matrix: Matrix, names: Names) -> Claim | None:
    """In which setting most strategies beat the baseline, and who gains most there; None where none does anywhere."""
    better = [[name for name, gain in matrix.column(i).items() if gain.better] for i in range(len(matrix.columns))]
    i = max(range(len(better)), key=lambda i: len(better[i]), default=0)
    if not better or not better[i]:
        return None
    cells = matrix.column(i)
    best = max(better[i], key=lambda name: cells[name].estimate.mean)
    tested = sum(gain.p == gain.p for gain in cells.values())
    beat = "beats" if len(better[i]) == 1 else "beat"
    return Claim(
        matrix,
        _shown(matrix.columns[i], cells[best].estimate.mean),
        f"in {names.metric} for {names.strategies[best]} over {names.strategies[matrix.baseline]} on "
        f"{names.settings[i]} ({_interval(matrix.columns[i], cells[best])}). "
        f"{len(better[i])} of {tested} strategies {beat} {names.strategies[matrix.baseline]} there.",
        (i,),
        best,
    )


def nothing_gained(matrix: Matrix, names: Names) -> Claim | None:
    """In how many settings no strategy is told to be better than the baseline; None where there are none or one."""
    tested = [i for i in range(len(matrix.columns)) if any(g.p == g.p for g in matrix.column(i).values())]
    without = [i for i in tested if not any(gain.better for gain in matrix.column(i).values())]
    if not without or len(tested) < 2:
        return None
    fewest, most = _seeds(matrix, without)
    seeds = f"{fewest} seeds" if fewest == most else f"{fewest} to {most} seeds"
    return Claim(
        matrix,
        f"{len(without)} of {len(tested)}",
        f"settings of {names.part} have no strategy that is significantly better than "
        f"{names.strategies[matrix.baseline]} ({_datasets(matrix, without)}, {seeds}).",
        tuple(without),
    )


def steadiest(matrix: Matrix, names: Names) -> Claim | None:
    """Who beats the baseline in most settings; None where nobody does in two."""
    return _counted(matrix, names, better=True)


def loses(matrix: Matrix, names: Names) -> Claim | None:
    """Who is worse than the baseline in most settings; None where nobody is in two."""
    return _counted(matrix, names, better=False)


def turns(matrix: Matrix, names: Names) -> Claim | None:
    """Who is significantly better in one setting and significantly worse in another; None where nobody is."""
    found: list[tuple[float, str, int, int]] = []
    for name in matrix.strategies:
        row = dict(enumerate(matrix.row(name)))
        ups = {i: g.estimate.mean for i, g in row.items() if g is not None and g.better}
        downs = {i: g.estimate.mean for i, g in row.items() if g is not None and g.worse}
        if ups and downs and not matrix.own_units:  # only gains in one unit can be held against each other
            up, down = max(ups, key=ups.__getitem__), min(downs, key=downs.__getitem__)
            found.append((min(ups[up], -downs[down]), name, up, down))
    if not found:
        return None
    _, name, up, down = max(found)
    gain, loss = matrix.cells[name, up], matrix.cells[name, down]
    return Claim(
        matrix,
        f"{_shown(matrix.columns[up], gain.estimate.mean)} or {_shown(matrix.columns[down], loss.estimate.mean)}",
        f"in {names.metric}: {names.strategies[name]} gains over {names.strategies[matrix.baseline]} with "
        f"{names.settings[up]} ({_interval(matrix.columns[up], gain)}) and loses with {names.settings[down]} "
        f"({_interval(matrix.columns[down], loss)}).",
        (up, down),
        name,
    )


def claims(matrices: Sequence[Matrix], names: Mapping[Matrix, Names]) -> tuple[Claim, ...]:
    """The sentences of a front page: all there are of the first part, the most telling one of the others."""
    said = [claim for claim in _told(matrices, names) if claim is not None]
    return tuple(said[:MOST])


def _told(matrices: Sequence[Matrix], names: Mapping[Matrix, Names]) -> Iterator[Claim | None]:
    for number_of_part, matrix in enumerate(matrices):
        of_part: tuple[Saying, ...] = (pays_most, steadiest, loses, nothing_gained) if number_of_part == 0 else ()
        if number_of_part and matrix.asks == CHOICE:
            of_part = (pays_most,)
        elif number_of_part:
            of_part = (turns,)
        for say in of_part:
            yield say(matrix, names[matrix])


def _counted(matrix: Matrix, names: Names, *, better: bool) -> Claim | None:
    counts: dict[str, list[int]] = {}
    for (name, i), gain in matrix.cells.items():
        if gain.better if better else gain.worse:
            counts.setdefault(name, []).append(i)
    order = {name: i for i, name in enumerate(matrix.strategies)}
    name = max(counts, key=lambda name: (len(counts[name]), -order[name] if better else order[name]), default="")
    if not name or len(counts[name]) < 2:
        return None
    ran = [i for i, gain in enumerate(matrix.row(name)) if gain is not None and gain.p == gain.p]
    cells = {i: matrix.cells[name, i] for i in ran}
    others = sum(gain.worse if better else gain.better for gain in cells.values())
    most = (max if better else min)(counts[name], key=lambda i: matrix.cells[name, i].estimate.mean)
    words = ("better", "worse") if better else ("worse", "better")
    fewest, largest = _seeds(matrix, ran)
    seeds = f"{fewest} seeds" if fewest == largest else f"{fewest} to {largest} seeds"
    ends = "best" if better else "worst"
    return Claim(
        matrix,
        f"{len(counts[name])} of {len(ran)}",
        f"settings of {names.part} show {names.strategies[name]} significantly {words[0]} than "
        f"{names.strategies[matrix.baseline]} ({words[1]} in {others or 'none'}), on {_datasets(matrix, ran)} "
        f"with {seeds}; at {ends} {_shown(matrix.columns[most], cells[most].estimate.mean)} in {names.metric} "
        f"({_interval(matrix.columns[most], cells[most], seeds=False)}).",
        (most, *(i for i in counts[name] if i != most)),
        name,
    )


def _shown(column: MatrixColumn, gain: float) -> str:
    return number(gain, column.decimals + column.power, signed=True)


def _interval(column: MatrixColumn, gain: Gain, *, seeds: bool = True) -> str:
    ends = f"95 %: {_shown(column, gain.estimate.low)} to {_shown(column, gain.estimate.high)}"
    return f"{ends}, {gain.estimate.n} seeds" if seeds else ends


def _seeds(matrix: Matrix, columns: Sequence[int]) -> tuple[int, int]:
    counts = [gain.estimate.n for (_, i), gain in matrix.cells.items() if i in set(columns)]
    return min(counts), max(counts)


def _datasets(matrix: Matrix, columns: Sequence[int]) -> str:
    n = len({matrix.columns[i].setting.about.dataset for i in columns})
    return f"{n} data set{'s' if n > 1 else ''}"
