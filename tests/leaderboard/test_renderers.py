"""Text, Markdown and CSV: aligned, escaped, at full precision."""

from __future__ import annotations

import io
import math
import re

import numpy as np
import pandas as pd
import pytest

from labelbench_plus.leaderboard import build_board, markdown, text
from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.formatting import (
    amount,
    decimals_for,
    estimate,
    format_cells,
    memory,
    p_value,
    percent,
    printable,
    rank,
    seconds,
    sentence_list,
    sort_key,
)
from labelbench_plus.leaderboard.frame import to_frame
from labelbench_plus.leaderboard.statistics import Estimate, RankRange, Saving
from labelbench_plus.leaderboard.table import Column

from .synthetic import STRATEGIES, meta, synthetic_curves

HOSTILE = "<img src=x onerror=alert(1)>|`_*\x1b[31m\u202e\nnext"


@pytest.fixture(scope="module")
def board() -> Board:
    return build_board(synthetic_curves(), meta())


@pytest.fixture(scope="module")
def hostile() -> Board:
    return build_board(synthetic_curves(STRATEGIES | {HOSTILE: 0.01, "主动学习": 0.0}), meta())


class TestFormatting:
    def test_two_significant_digits_of_the_half_width(self) -> None:
        column = Column("aubc", "AUBC", "score", "")
        cells = [Estimate(0.91234, 0.90934, 0.91534, 5), Estimate(0.8, 0.796, 0.804, 5), None]
        assert format_cells(column, cells) == ["0.9123 ± 0.0030", "0.8000 ± 0.0040", "–"]
        gains = Column("gain", "gain", "gain", "")
        assert format_cells(gains, [Estimate(-0.02, -0.05, 0.01, 3)]) == ["−0.020 ± 0.030"]

    def test_without_an_interval_only_the_mean(self) -> None:
        alone = Estimate(0.5, float("nan"), float("nan"), 1)
        assert decimals_for([alone]) == 3
        assert estimate(alone, 3) == "0.500"

    def test_ranks_are_ranges(self) -> None:
        assert rank(RankRange(1, 3, 6)) == "1–3"
        assert rank(RankRange(4, 4, 6)) == "4"

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (0.0, "0"),
            (0.00123, "0.00123"),
            (0.5, "0.500"),
            (9.999, "10.0"),
            (12.34, "12.3"),
            (99.96, "100"),
            (12345.6, "12,346"),
        ],
    )
    def test_seconds(self, value: float, shown: str) -> None:
        assert seconds(value) == shown

    def test_memory_amounts_p_values_lists(self) -> None:
        assert [memory(v) for v in (0, 999, 1024, 3.5e6, 8e10)] == [
            "0.00 B",
            "999 B",
            "1.00 KiB",
            "3.34 MiB",
            "74.5 GiB",
        ]
        assert [amount(v) for v in (20, 12000.0, 2.5)] == ["20", "12,000", "2.5"]
        assert [p_value(v) for v in (0.5, 0.0123, 0.00456, 1e-9, float("nan"))] == [
            "0.50",
            "0.01",
            "0.0046",
            "<0.0001",
            "–",
        ]
        assert [sentence_list(list(v)) for v in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
        assert sentence_list(list("abcdef"), most=2) == "a, b and 4 more"
        assert sentence_list(["a" * 150, "b" * 150, "c"]) == "a" * 150 + " and 2 more"
        assert [percent(v) for v in (0.456, -0.2, float("nan"))] == ["46 %", "−20 %", "–"]

    def test_savings_say_what_is_censored_and_sort_it_last(self) -> None:
        column = Column("saving", "saved", "saving", "")
        reached = Saving(0.9, 50, 100, 200, 0.4, 0.3, 0.6, "t", 5, 5)
        never = Saving(0.9, math.inf, 100, 200, math.nan, math.nan, math.nan, "none", 5, 1)
        opened = Saving(0.9, 50, 100, 200, 0.4, -math.inf, 0.6, "resampled", 12, 9)
        assert format_cells(column, [reached, never, opened]) == ["50 % (30 to 60)", "> 200", "50 % (−∞ to 60)"]
        worst = Saving(0.9, 200, 100, 200, 0.4, 0.3, 0.6, "t", 5, 5)
        keys = [sort_key(cell) for cell in (never, worst, reached)]
        assert keys == sorted(keys)  # type: ignore[type-var]

    def test_sort_keys_are_true_numbers(self) -> None:
        assert sort_key(Estimate(0.12345678, 0, 1, 3)) == (0.12345678,)
        assert sort_key(RankRange(2, 5, 6)) == (2.0, 5.0)
        assert sort_key(None) is None and sort_key("b") == "b" and sort_key(3) == (3.0,)

    def test_labels_cannot_carry_control_characters(self) -> None:
        assert printable("a\x1b[31m\u202e\nb\u2028") == "a\\u001b[31m\\u202e\\u000ab\\u2028"
        assert printable("k-center 主动 é") == "k-center 主动 é"


class TestText:
    def test_columns_are_aligned_and_every_strategy_is_there(self, board: Board) -> None:
        lines = text.render(board).splitlines()
        top = next(i for i, line in enumerate(lines) if line.startswith("rank"))
        table = lines[top : top + 2 + len(STRATEGIES)]
        assert {line.split()[1] for line in table[2:]} == set(STRATEGIES)
        ends = {m.end() for m in re.finditer(r"seeds", table[0])}
        assert all(line[end - 1].isdigit() for line in table[2:] for end in ends)
        assert max(map(len, lines)) <= text.WIDTH

    def test_says_what_the_tests_say(self, board: Board) -> None:
        shown = text.render(board)
        assert "Leading group, in which no two differ significantly: " in shown
        assert "Significantly better than random (" in shown

    @pytest.mark.parametrize(
        ("strategies", "sentence"),
        [
            ({"random": 0.0, "good": 0.3, "bad": -0.3}, "good is significantly better than every other strategy."),
            (
                {"random": 0.0, "same": 0.0},
                "The two strategies do not differ significantly (adjusted over all pairs).",
            ),
            (
                {"random": 0.0, "bad": -0.3},
                "Significantly better than random (0 of 1, adjusted over these comparisons): none.",
            ),
        ],
    )
    def test_findings(self, strategies: dict[str, float], sentence: str) -> None:
        assert sentence in text.render(build_board(synthetic_curves(strategies), meta()))

    def test_a_page_opens_with_who_beats_the_baseline_and_a_table_says_the_same_last(self, board: Board) -> None:
        (setting, *_) = board.settings
        plain = text.findings(setting, "random")
        opened = text.findings(setting, "random", baseline_first=True)
        assert opened[0] == plain[-1] and opened[0].startswith("Significantly better than random (")
        assert opened[1:] == plain[:-1]

    def test_no_terminal_escapes_and_wide_letters_stay_aligned(self, hostile: Board) -> None:
        shown = text.render(hostile)
        assert "\x1b" not in shown and "\u202e" not in shown
        rows = [line for line in shown.splitlines() if "±" in line]
        wide = next(line for line in rows if "主动学习" in line)
        assert wide.index("±") == next(line for line in rows if "entropy" in line).index("±") - 4

    def test_many_warnings_are_counted_not_listed(self) -> None:
        curves = synthetic_curves(seeds=range(20))
        curves.loc[curves["strategy"] == "margin", "complete"] = False
        shown = text.render(build_board(curves, meta()))
        assert shown.count("is left out") == text.MOST_WARNINGS
        assert "more warnings; the page lists them all" in shown

    def test_notes_come_first(self) -> None:
        shown = text.render(build_board(synthetic_curves().iloc[:0], meta()))
        assert "note: there are no runs yet" in shown


class TestMarkdown:
    def test_a_table_that_parses_back(self, board: Board) -> None:
        lines = [line for line in markdown.render(board).splitlines() if line.startswith("|")]
        table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        assert {len(row) for row in table} == {9}
        assert {row[1].replace("\\", "") for row in table[2:]} == set(STRATEGIES)

    def test_hostile_names_stay_one_cell_of_text(self, hostile: Board) -> None:
        shown = markdown.render(hostile)
        assert "<img" not in shown
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in shown.splitlines() if line.startswith("|")}) == 1


class TestFrame:
    def test_round_trips_through_csv_at_full_precision(self, board: Board) -> None:
        frame = to_frame(board)
        again = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
        assert len(again) == len(STRATEGIES)
        assert np.array_equal(again["aubc_mean"], frame["aubc_mean"])
        assert np.array_equal(again["gain_low"], frame["gain_low"], equal_nan=True)
        assert again["seeds"].tolist() == [5] * 6 and (again["rank_best"] <= again["rank_worst"]).all()
        assert again.loc[again["gain_mean"].isna(), "strategy"].tolist() == ["random"]

    def test_an_empty_board_has_headings(self) -> None:
        frame = to_frame(build_board(synthetic_curves().iloc[:0], meta()))
        assert list(frame.columns) == ["suite", "problem", "trainer"] and len(frame) == 0
