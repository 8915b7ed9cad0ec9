"""The matrix and what is said of it, over random boards: cells are those of the settings, sentences those of cells."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from labelbench_plus.leaderboard import About, Board, build_board
from labelbench_plus.leaderboard.claims import (
    Claim,
    Names,
    claims,
    loses,
    nothing_gained,
    pays_most,
    steadiest,
    turns,
)
from labelbench_plus.leaderboard.facets import compare_facets
from labelbench_plus.leaderboard.formatting import number
from labelbench_plus.leaderboard.frame import to_frame
from labelbench_plus.leaderboard.matrix import CHOICE, LEVELS, TRAINING, Matrix, matrices
from labelbench_plus.leaderboard.site.matrix_view import column_views, matrix_frame
from labelbench_plus.leaderboard.statistics import holm, paired_t_test, t_interval
from labelbench_plus.leaderboard.titles import Titles

from .declared import facet_results
from .synthetic import meta, synthetic_curves

PROBLEMS = ("pa", "pb", "pc")
SEEDS = range(5)


def random_board(seed: int, trainers: tuple[str, ...] = ("t",), higher_is_better: bool = True) -> Board:
    """Strategies that gain in one setting and lose in another; one was not run everywhere."""
    rng = np.random.default_rng(seed)
    parts = [
        synthetic_curves(
            {"random": 0.0} | {f"s{i}": gain for i, gain in enumerate(rng.normal(0, 0.03, 6))},
            range(int(rng.integers(3, 6))),
            [problem],
            trainers,
            (10.0, 20.0, 40.0),
            generator_seed=seed,
        )
        for problem in PROBLEMS
    ]
    curves = pd.concat(parts, ignore_index=True)
    curves = curves[~((curves["strategy"] == "s5") & (curves["problem"] == "pa"))]
    curves = curves.assign(error=1 - curves["accuracy"])
    metric = "accuracy" if higher_is_better else "error"
    declared = meta(PROBLEMS, (10.0, 20.0, 40.0), metric=metric, higher_is_better=higher_is_better)
    abouts = {problem: About("choosing", "labels", "d1" if problem == "pc" else problem) for problem in PROBLEMS}
    return build_board(curves, replace(declared, problems=abouts))


def named(matrix: Matrix) -> Names:
    return Names({name: f"<{name}>" for name in matrix.strategies}, [f"set{i}" for i in range(9)], "the part", "score")


def recomputed(board: Board) -> dict[tuple[str, int], tuple[float, float]]:
    """Mean gain and adjusted p of every cell, from the areas alone."""
    found = {}
    for i, setting in enumerate(board.settings):
        sign = 1 if board.meta.higher_is_better else -1
        base = setting.areas["random"]
        gains = {
            name: [sign * (of[seed] - base[seed]) for seed in sorted(of.keys() & base.keys())]
            for name, of in setting.areas.items()
            if name != "random"
        }
        adjusted = holm([paired_t_test(np.array(of)) for of in gains.values()])
        for (name, of), p in zip(gains.items(), adjusted, strict=True):
            found[name, i] = (float(np.mean(of)), float(p))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_cells_are_paired_gains_with_holm_over_the_comparisons_with_the_baseline(seed: int) -> None:
    board = random_board(seed, higher_is_better=bool(seed % 2))
    (matrix,) = matrices([board], ())
    expected = recomputed(board)
    assert matrix.cells.keys() == expected.keys() and ("s5", 0) not in matrix.cells
    for key, gain in matrix.cells.items():
        assert (gain.estimate.mean, gain.p) == pytest.approx(expected[key])
        assert gain.better == (expected[key][1] <= 0.05 and expected[key][0] > 0)
        assert gain.worse == (expected[key][1] <= 0.05 and expected[key][0] < 0)
        assert dict(board.settings[key[1]].gains)[key[0]] == gain.estimate  # one number, one interval
        level = matrix.columns[key[1]].level(gain.estimate.mean)
        assert abs(level) <= LEVELS and math.copysign(1, level) == math.copysign(1, gain.estimate.mean)


def test_standing_counts_a_data_set_once_and_is_blank_below_two_settings() -> None:
    board = random_board(1)
    (matrix,) = matrices([board], ())
    above: dict[str, dict[str, list[float]]] = {}
    for setting in board.settings:
        means = {name: np.mean(list(of.values())) for name, of in setting.areas.items()}
        for name, mean in means.items():
            share = sum(other > mean for other in means.values()) / (len(means) - 1)
            above.setdefault(name, {}).setdefault(setting.about.dataset, []).append(share)
    expected = {name: np.mean([np.mean(of) for of in by.values()]) for name, by in above.items()}
    assert matrix.standing == pytest.approx(expected)
    one = replace(board, settings=board.settings[:1])
    assert matrices([one], ())[0].standing == {}


def test_bounds_have_a_gain_and_neither_test_nor_standing() -> None:
    board = random_board(2)
    declared = replace(board.meta, bounds=("s1",))
    curves = synthetic_curves({"random": 0.0, "s1": 0.2, "s2": 0.1}, SEEDS, PROBLEMS, budgets=(10.0, 20.0, 40.0))
    (matrix,) = matrices([build_board(curves, declared)], ())
    assert matrix.bounds == {"s1"} and "s1" not in matrix.standing
    assert all(gain.p != gain.p and gain.estimate.mean > 0 for gain in matrix.row("s1") if gain)
    said = claims([matrix], {matrix: named(matrix)})
    assert said and not any("<s1>" in claim.text for claim in said)


def test_a_bound_changes_nothing_of_what_is_said_of_others() -> None:
    strategies = {"random": 0.0, "s2": 0.1, "s3": 0.02}
    without = synthetic_curves(strategies, SEEDS, PROBLEMS, budgets=(10.0, 20.0, 40.0))
    bound = without[without["strategy"] == "s2"].assign(strategy="s1", run_id=lambda rows: "b" + rows["run_id"])
    bound["accuracy"] += 0.01
    declared = replace(random_board(2).meta, bounds=("s1",))
    before, after = (build_board(each, declared) for each in (without, pd.concat([without, bound])))
    (one,), (other,) = matrices([before], ()), matrices([after], ())
    assert one.standing == other.standing
    assert {key: gain.p for key, gain in other.cells.items() if key[0] != "s1"} == pytest.approx(
        {key: gain.p for key, gain in one.cells.items()}, nan_ok=True
    )
    rows, more = (
        [[str(row[name]) for name in frame] for _, row in frame.iterrows()] for frame in map(to_frame, (before, after))
    )
    assert len(more) == len(rows) + len(PROBLEMS) and [row for row in more if "s1" not in row] == rows


def test_parts_hold_what_has_one_unit_and_one_question() -> None:
    choosing, training = random_board(0), random_board(0, ("t", "u"))
    facets = facet_results().board()
    found = matrices([choosing, training, facets], compare_facets([facets]))
    assert [(m.task, m.asks) for m in found if m.task == "choosing"] == [("choosing", CHOICE), ("choosing", TRAINING)]
    assert {m.asks for m in found if m.task == "classification"} <= {"encoder", "views"}
    assert not any(m.own_units for m in found)
    abouts = {name: replace(about, averaged="nll") for name, about in choosing.meta.problems.items()}
    curves = synthetic_curves(problems=PROBLEMS, budgets=(10.0, 20.0, 40.0))
    (own,) = matrices([build_board(curves, replace(choosing.meta, problems=abouts))], ())
    assert own.own_units and len({column.strongest for column in own.columns}) == len(PROBLEMS)


def test_all_cells_can_be_taken_away() -> None:
    found = matrices([random_board(0), random_board(1, ("t", "u"))], ())
    assert len(matrix_frame(found)) == sum(len(matrix.cells) for matrix in found)


def test_a_title_stands_above_its_column_on_two_lines_and_a_generated_one_says_what_differs() -> None:
    (matrix,) = matrices([random_board(0)], ())
    given = Titles({"pa": "Clothes, long tail, few", "pb": "Clothes"})
    heads = {
        c.setting.problem: view.lines
        for c, view in zip(matrix.columns, column_views(matrix, given, lambda setting: ""), strict=True)
    }
    assert heads == {"pa": ("Clothes", "long tail, few"), "pb": ("Clothes",), "pc": ("pc",)}


def figures(claim: Claim) -> list[str]:
    return re.findall(r"[+−]?\d+(?:\.\d+)?", claim.effect + " " + claim.text)


def interval_of(matrix: Matrix, name: str, column: int) -> str:
    gain, shown = matrix.cells[name, column], matrix.columns[column]
    decimals = shown.decimals + shown.power
    low, high = (number(end, decimals, signed=True) for end in (gain.estimate.low, gain.estimate.high))
    return f"95 %: {low} to {high}"


@pytest.mark.parametrize("seed", range(20))
def test_what_is_said_is_true_of_the_cells(seed: int) -> None:
    board = random_board(seed, ("t", "u") if seed % 3 == 0 else ("t",), higher_is_better=bool(seed % 2))
    (matrix,) = matrices([board], ())
    cells, names = recomputed(board), named(matrix)
    better = {key for key, (gain, p) in cells.items() if p <= 0.05 and gain > 0}
    worse = {key for key, (gain, p) in cells.items() if p <= 0.05 and gain < 0}
    in_column = [sum(i == column for _, i in better) for column in range(len(matrix.columns))]
    of = {name: sum(n == name for n, _ in better) for name in matrix.strategies}

    said = pays_most(matrix, names)
    assert (said is None) == (not better)
    if said:
        (i,) = said.columns
        assert in_column[i] == max(in_column) and (said.strategy, i) in better
        assert cells[said.strategy, i][0] == max(cells[name, j][0] for name, j in better if j == i)
        tested = sum(j == i for _, j in cells)
        assert f"{in_column[i]} of {tested} strategies" in said.text and f"<{said.strategy}> over <random>" in said.text
        assert interval_of(matrix, said.strategy, i) in said.text and f"set{i} " in said.text
        values = board.settings[i].paired_gains(said.strategy, "random")
        assert t_interval(values) == matrix.cells[said.strategy, i].estimate and f"{len(values)} seeds" in said.text

    said = nothing_gained(matrix, names)
    without = tuple(i for i, count in enumerate(in_column) if not count)
    assert (said is None) == (not without)
    if said:
        assert said.columns == without and said.effect == f"{len(without)} of {len(matrix.columns)}"
        datasets = {board.settings[i].about.dataset for i in without}
        assert f"{len(datasets)} data set" in said.text

    for say, told, against in ((steadiest, better, worse), (loses, worse, better)):
        said = say(matrix, names)
        counts = {name: sum(n == name for n, _ in told) for name in matrix.strategies}
        assert (said is None) == (max(counts.values()) < 2)
        if said:
            assert counts[said.strategy] == max(counts.values())
            ran = sum(name == said.strategy for name, _ in cells)
            assert said.effect == f"{counts[said.strategy]} of {ran}"
            others = sum(name == said.strategy for name, _ in against)
            assert f" in {others or 'none'})" in said.text and all((said.strategy, i) in told for i in said.columns)
            pick: Callable[..., int] = max if say is steadiest else min
            assert said.columns[0] == pick(said.columns, key=lambda i: cells[said.strategy, i][0])
            assert interval_of(matrix, said.strategy, said.columns[0]) in said.text

    said = turns(matrix, names)
    assert (said is None) == (not {name for name, _ in better} & {name for name, _ in worse})
    if said:
        up, down = said.columns
        assert (said.strategy, up) in better and (said.strategy, down) in worse
        assert all(interval_of(matrix, said.strategy, i) in said.text for i in (up, down))
    assert all(figures(claim) for claim in claims([matrix], {matrix: names})) and sum(of.values()) == len(better)
