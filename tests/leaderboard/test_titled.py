"""Boards called by titles: the numbers of the boards that they were, and pairs that are told as the tests tell them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from labelbench_plus.leaderboard import Results, build_board, build_site
from labelbench_plus.leaderboard.facets import compare_facets
from labelbench_plus.leaderboard.results import meta_as_json, meta_from_json
from labelbench_plus.leaderboard.site.setting_page import with_pairs
from labelbench_plus.leaderboard.site.titled import called, titled, titled_facet
from labelbench_plus.leaderboard.text import findings
from labelbench_plus.leaderboard.titles import Titles

from .declared import facet_results, front_results
from .synthetic import meta, synthetic_curves
from .test_claims import setting_of


@pytest.mark.parametrize("made", [facet_results(4), front_results(4)], ids=["facets", "front"])
def test_titles_change_no_number(made):
    board = made.board()
    names = called([board], Titles())
    shown = titled(board, names)
    for plain, one in zip(board.settings, shown.settings, strict=True):
        assert [names.strategies[name] for name in plain.table.names()] == one.table.names()
        assert [tuple(v for v in row if not isinstance(v, str)) for row in plain.table.rows] == [
            tuple(v for v in row if not isinstance(v, str)) for row in one.table.rows
        ]
        np.testing.assert_array_equal(plain.tests.adjusted, one.tests.adjusted)
        for field in ("areas", "finals", "averaged_areas", "against_baseline", "savings"):
            of_plain, of_one = getattr(plain, field), getattr(one, field)
            assert {names.strategies[name]: value for name, value in of_plain.items()} == of_one
        assert "Random" in " ".join(findings(one, shown.meta.baseline)) or one.about.knows_truth
    assert shown.meta.baseline == "Random" and board.meta.baseline == "random"


def test_comparisons_along_a_facet_are_called_by_titles_too():
    board = facet_results(4).board()
    names = called([board], Titles())
    shown = titled(board, names)
    now = {id(plain): (shown, one) for plain, one in zip(board.settings, shown.settings, strict=True)}
    for plain in compare_facets([board]):
        one = titled_facet(plain, now, names)
        assert [gain.area for gain in plain.gains] == [gain.area for gain in one.gains]
        assert {gain.strategy for gain in one.gains} == {"Random", "Margin", "BADGE"}
        assert {setting for of in one.settings.values() for setting in of} <= set(shown.settings)
        assert one.reference == names.facets[plain.facet][plain.reference]


def test_two_labels_never_get_one_name():
    curves = synthetic_curves({"random": 0.0, "margin": 0.01, "Margin": 0.02, "x(a=1)": 0.0, "x(b=1)": 0.01})
    board = build_board(curves, meta())
    shown = titled(board, called([board], Titles()))
    assert len(set(shown.settings[0].table.names())) == 5


@pytest.mark.parametrize("seed", range(6))
def test_rows_say_from_how_many_others_a_strategy_is_told_apart(seed):
    setting = setting_of(seed, higher_is_better=bool(seed % 2))
    sign = 1 if setting.higher_is_better else -1
    table = with_pairs(setting)
    at = [column.key for column in table.columns].index("told_apart")
    for name, row in zip(table.names(), table.rows, strict=True):
        i = setting.tests.names.index(name)
        better = worse = 0
        for j, other in enumerate(setting.tests.names):
            if other != name and setting.tests.adjusted[i, j] <= 0.05:
                better += sign * setting.tests.difference[i, j] > 0
                worse += sign * setting.tests.difference[i, j] < 0
        assert row[at] == f"{better} · {worse} of 7"
    assert "told_apart" not in {column.key for column in setting.table.columns}  # archives keep their tables


def test_pages_are_found_under_titles_and_say_the_exact_configuration(tmp_path):
    results = facet_results(3)
    where = build_site([results], tmp_path).parent
    exact = "classification(digits, pixels, conditions=[subset(size=200)]) × logistic"
    found = [page for page in (where / "problem").glob("*.html") if f"<code>{exact}</code>" in page.read_text()]
    assert len(found) == 1 and "handwritten-digits-raw-pixels" in found[0].name
    badge = (where / "strategy" / "badge.html").read_text()
    assert "<h1>BADGE</h1>" in badge and "{ash2020," in badge and "<code>badge</code>" in badge
    again = build_site([dataclasses.replace(results), front_results(3)], tmp_path / "more").parent
    assert {page.name for page in (where / "problem").iterdir()} <= {p.name for p in (again / "problem").iterdir()}


def test_a_suite_may_call_its_problems_and_trainers_what_it_likes(tmp_path):
    results = Results(
        synthetic_curves(), dataclasses.replace(meta(), titles={"digits": "Figures", "logistic": "Probe"})
    )
    written = meta_as_json(results.meta)
    assert meta_from_json(written) == results.meta and b"titles" not in meta_as_json(meta())
    (page,) = (build_site([results], tmp_path / "ours").parent / "problem").iterdir()
    assert page.name == "synthetic-figures-probe.html" and "<h1>Figures × Probe</h1>" in page.read_text()
    assert "<code>digits × logistic</code>" in page.read_text()
    theirs = dataclasses.replace(results, sent_by="somebody")  # they may not rename what others sent
    (page,) = (build_site([theirs], tmp_path / "theirs").parent / "problem").iterdir()
    assert "<h1>digits × logistic</h1>" in page.read_text()


def test_what_is_too_long_for_a_heading_stands_below_it(tmp_path):
    long = "classification(digits, pixels, conditions=[" + ", ".join(f"long_tail(ratio={i}.0)" for i in range(9)) + "])"
    (page,) = (
        build_site([Results(synthetic_curves(problems=[long]), meta([long]))], tmp_path).parent / "problem"
    ).iterdir()
    shown = page.read_text()
    # One problem alone needs no details to be told apart; of two, each says what differs.
    assert "<h1>Handwritten digits × logistic</h1>" in shown
    other = long.replace("ratio=8.0", "ratio=80.0").replace("ratio=", "ratio=7")
    both = Results(synthetic_curves(problems=[long, other]), meta([long, other]))
    pages = list((build_site([both], tmp_path / "two").parent / "problem").iterdir())
    assert len(pages) == 2
    for each in pages:
        shown = each.read_text()
        assert "<h1>Handwritten digits × logistic</h1>" in shown and '<p class="quiet">Handwritten digits (' in shown


def test_bounds_are_marked_at_their_name_with_a_legend(tmp_path):
    curves = synthetic_curves({"random": 0.0, "margin": 0.01, "oracle": 0.05})
    results = Results(curves, dataclasses.replace(meta(), bounds=("oracle",)))
    (page,) = (build_site([results], tmp_path).parent / "problem").iterdir()
    shown = page.read_text()
    assert "oracle</a> ‡</span>" in shown and shown.count(" ‡</span>") == 1 and "‡: a bound" in shown
    (plain,) = (build_site([Results(curves, meta())], tmp_path / "plain").parent / "problem").iterdir()
    assert "‡" not in plain.read_text()
