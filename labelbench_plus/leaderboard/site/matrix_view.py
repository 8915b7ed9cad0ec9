"""The matrix in the words of a template: names, numbers, colours, marks, where each cell leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from labelbench_plus import questions
from labelbench_plus.leaderboard.charts.matrix_picture import Drawn, matrix_picture
from labelbench_plus.leaderboard.formatting import ABSENT, amount, in_words, number, percent
from labelbench_plus.leaderboard.matrix import CHOICE, LEVELS, TRAINING, Gain, Matrix
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.site.names import slug
from labelbench_plus.leaderboard.titles import Titles, Words, arguments_named, distinct, idea, plugin_of, words

TIMES = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class CellView:
    """One cell: `text` as shown, `sort` (None: blank), the `kind` that colours it, and what a pointer is told."""

    text: str
    sort: str | None
    kind: str
    said: str


@dataclass(frozen=True)
class RowView:
    """A strategy: its label, its `title`, its page, its standing, one cell a column, and whether it is a bound."""

    label: str
    title: str
    href: str
    bound: bool
    baseline: bool
    standing: str
    standing_sort: str | None
    cells: tuple[CellView, ...]


@dataclass(frozen=True)
class ColumnView:
    """A setting: short lines, the whole name, its page, what it can be filtered by, and whether a group begins."""

    lines: tuple[str, ...]
    whole: str
    href: str
    condition: str
    budget: str
    training: str
    bound: bool
    begins: bool


@dataclass(frozen=True)
class MatrixView:
    """One part of the matrix. `groups`: rows by idea, those with the best strategy first."""

    id: str
    title: str
    question: str
    about: str
    columns: tuple[ColumnView, ...]
    groups: tuple[tuple[str, tuple[RowView, ...]], ...]

    @property
    def file(self) -> str:
        """Its drawing as a file."""
        return f"figures/{self.id}.svg"

    def picture(self) -> str:
        """It as a drawing."""
        rows: list[tuple[str, list[Drawn | None]]] = []
        for idea_of_group, of_group in self.groups:
            rows.append((idea_of_group, []))
            rows += [(row.title + " ‡" * row.bound, [_drawn(cell) for cell in row.cells]) for row in of_group]
        alternative = f"{self.title}: {self.about} The table has every number."
        return matrix_picture([column.lines for column in self.columns], rows, alternative)


def _drawn(cell: CellView) -> Drawn | None:
    if cell.sort is None:
        return None
    sign = {"p": 1, "n": -1}.get(cell.kind[:1], 0)
    return Drawn(cell.text, sign * int(cell.kind[1:] or 0) / LEVELS, cell.text.endswith("*"))


def matrix_view(
    matrix: Matrix,
    titles: Titles,
    href: Callable[[BoardSetting], str],
    of_strategy: Callable[[str], str],
    also: str = "",
) -> MatrixView:
    """A part of the matrix for the template.

    Parameters
    ----------
    href: the page of a setting. of_strategy: that of a strategy. also: what the title says beside.
    """
    columns = column_views(matrix, titles, href)
    named = {label: said.whole for label, said in distinct({n: titles.strategy(n) for n in matrix.strategies}).items()}
    groups: dict[str, list[RowView]] = {}
    for name in matrix.strategies:
        standing = matrix.standing.get(name)
        groups.setdefault(idea(name), []).append(
            RowView(
                name,
                named[name],
                of_strategy(name),
                name in matrix.bounds,
                name == matrix.baseline,
                percent(standing) if standing is not None else "",
                repr(standing) if standing is not None else None,
                tuple(_cell(matrix, i, name, gain, named, columns[i].whole) for i, gain in enumerate(matrix.row(name))),
            )
        )
    title = title_of(matrix) + also
    return MatrixView(
        f"matrix-{slug(' '.join([title, *_needed(matrix)]))}",
        title,
        _question(matrix),
        _about(matrix, named[matrix.baseline]),
        columns,
        tuple((name, tuple(rows)) for name, rows in groups.items()),
    )


def title_of(matrix: Matrix) -> str:
    """A part in few words."""
    problems = {words(c.setting.problem, "problems").title for c in matrix.columns}
    task = problems.pop() if len(problems) == 1 else matrix.task.replace("_", " ").capitalize()
    return task if matrix.asks == CHOICE else f"{task} × {matrix.asks}"


def column_views(matrix: Matrix, titles: Titles, href: Callable[[BoardSetting], str]) -> tuple[ColumnView, ...]:
    """What stands above each column."""
    settings = [column.setting for column in matrix.columns]
    problems, trainers = distinct_settings(matrix, titles)
    one_title = len({said.title for said in problems.values()}) == 1
    found: list[ColumnView] = []
    for i, (column, setting) in enumerate(zip(matrix.columns, settings, strict=True)):
        said, trainer = problems[setting.problem], trainers[setting.trainer]
        told = _lines(said)[1 if one_title and said.parts else 0 :] if len(problems) > 1 else []
        if not told:
            told = _lines(trainer)
        elif len(trainers) > 1:
            told = [*told, ", ".join((trainer.title, *trainer.parts))]
        conditions = [words(each, "conditions").whole for each in arguments_named(setting.problem, "conditions")]
        found.append(
            ColumnView(
                tuple(told),
                titles.setting(setting.problem, setting.trainer),
                href(setting),
                ", ".join(conditions) or "none",
                f"up to {amount(column.decade)} {setting.unit}",
                trainer.whole,
                setting.about.knows_truth,
                i > 0 and column.board is not matrix.columns[i - 1].board,
            )
        )
    return tuple(found)


def _lines(said: Words) -> list[str]:
    # Of what an author wrote, what follows the first comma stands on a line of its own.
    return [said.title, ", ".join(said.parts)] if said.parts else said.title.split(", ", 1)


def distinct_settings(matrix: Matrix, titles: Titles) -> tuple[dict[str, Words], dict[str, Words]]:
    """Problems and trainers of the columns, as shortly as tells them apart."""
    settings = [column.setting for column in matrix.columns]
    return (
        distinct({setting.problem: titles.problem(setting.problem) for setting in settings}),
        distinct({setting.trainer: titles.trainer(setting.trainer) for setting in settings}),
    )


def shown_gain(matrix: Matrix, number_of_column: int, gain: float) -> str:
    """A gain as its column shows it."""
    column = matrix.columns[number_of_column]
    return number(gain * 10**column.power, column.decimals, signed=True)


def unit(matrix: Matrix) -> str:
    """What the numbers of a part are in."""
    power = matrix.columns[0].power
    times = "100" if power == 2 else f"10{str(power).translate(TIMES)}"
    scaled = f" × {times}" if power and not matrix.own_units else ""
    return f"{in_words(matrix.metric)}{scaled}"


def matrix_frame(matrices: Sequence[Matrix]) -> pd.DataFrame:
    """All cells below each other, in full precision."""
    return pd.DataFrame.from_records(
        [
            {
                "task": matrix.task,
                "asks": matrix.asks or "choice",
                "suite": column.board.suite,
                "problem": column.setting.problem,
                "trainer": column.setting.trainer,
                "strategy": name,
                "baseline": matrix.baseline,
                "metric": matrix.metric,
                **{part: getattr(gain.estimate, part) for part in ("mean", "low", "high", "n")},
                "p_holm": gain.p,
                "bound": name in matrix.bounds or column.setting.about.knows_truth,
                "standing": matrix.standing.get(name),
            }
            for matrix in matrices
            for i, column in enumerate(matrix.columns)
            for name, gain in matrix.column(i).items()
        ]
    )


def _cell(matrix: Matrix, i: int, name: str, gain: Gain | None, named: dict[str, str], where: str) -> CellView:
    column = matrix.columns[i]
    if gain is None:
        there = name == matrix.baseline and name in column.setting.areas
        return CellView("0" if there else "", "0.0" if there else None, "", "")
    estimate = gain.estimate
    text = shown_gain(matrix, i, estimate.mean)
    level = column.level(estimate.mean)
    kind = f"{'p' if level > 0 else 'n'}{abs(level)}" if level else ""
    low, high = (shown_gain(matrix, i, end) for end in (estimate.low, estimate.high))
    interval = "" if low == ABSENT else f" (95 %: {low} to {high})"
    seeds = f"{estimate.n} seed{'s' if estimate.n != 1 else ''}"
    verdict = "better, " if gain.better else "worse, " if gain.worse else ""
    said = f"{named[name]}, {where}: {text}{interval}, {verdict}{seeds}"
    return CellView(text + ("*" if gain.better or gain.worse else ""), repr(estimate.mean), kind, said)


def _about(matrix: Matrix, baseline: str) -> str:
    direction = "" if matrix.higher_is_better else " (lower is better, so a gain is a decrease)"
    scale = (
        "each column in the unit of its data, with its own colour scale"
        if matrix.own_units
        else "one colour scale for all columns"
    )
    return f"Gain over {baseline} in {unit(matrix)}, averaged over the budget{direction}; {scale}."


def _question(matrix: Matrix) -> str:
    cls = plugin_of(matrix.columns[0].setting.problem, "problems")
    asked = questions.of(getattr(cls, "query", "")).title if cls is not None else ""
    more = {CHOICE: "", TRAINING: "with which training"}.get(matrix.asks, f"and with which {matrix.asks}")
    return ", ".join(part for part in (asked or "Which strategy", more) if part) + "?"


def _needed(matrix: Matrix) -> list[str]:
    return [matrix.metric, matrix.baseline]
