import numpy as np
import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard.board import build_board
from labelbench_plus.leaderboard.combinations import combinations, groups, report
from labelbench_plus.leaderboard.site.combinations_page import combinations_page
from labelbench_plus.leaderboard.statistics import t_interval
from tests.leaderboard.synthetic import meta, synthetic_curves


@pytest.fixture(scope="module")
def board():
    curves = synthetic_curves({"random": 0.0, "margin": 0.02}, trainers=("plain", "clever"), seeds=range(6))
    return build_board(curves, meta())


def test_every_difference_is_taken_seed_by_seed(board):
    areas = {(s.trainer, name): of for s in board.settings for name, of in s.areas.items()}
    found = {(one.trainer, one.strategy): one for one in combinations(board.settings, "plain", "random")}
    assert set(found) == set(areas)

    def curve(trainer, strategy):
        return np.array([areas[trainer, strategy][seed] for seed in range(6)])

    both, training = curve("clever", "margin"), curve("clever", "random")
    choosing, neither = curve("plain", "margin"), curve("plain", "random")
    pair = found["clever", "margin"]
    assert pair.area == t_interval(both)
    assert pair.over_neither == t_interval(both - neither)
    assert pair.over_choosing == t_interval(both - choosing)
    assert pair.over_training == t_interval(both - training)
    assert pair.beyond_sum.mean == pytest.approx((both - training - choosing + neither).mean())
    alone = found["plain", "margin"]
    assert alone.over_neither == t_interval(choosing - neither)
    assert alone.over_choosing is None
    assert alone.beyond_sum is None
    assert found["plain", "random"].over_neither is None


def test_the_best_comes_first_and_lower_may_be_better(board):
    means = [one.area.mean for one in combinations(board.settings, "plain", "random")]
    assert means == sorted(means, reverse=True)


def test_the_report_names_its_reference_and_refuses_unknown_ones(board):
    text = report(board, "plain")
    assert "neither: plain with random" in text
    assert text.count("clever") == 2
    with pytest.raises(ValueError, match="no trainer is called 'other'; there are clever, plain"):
        report(board, "other")
    one = build_board(synthetic_curves(trainers=("plain",)), meta())
    with pytest.raises(ValueError, match="nothing to combine"):
        report(one, None)


def test_the_quickest_trainer_stands_for_neither(board):
    seconds = {
        setting.trainer: np.mean([run.train_seconds for runs in setting.runs.runs.values() for run in runs.values()])
        for setting in board.settings
    }
    (group,) = groups(board)
    assert group.reference == min(seconds, key=seconds.get)


def test_the_site_has_a_page_of_them_where_there_are_any(board):
    content = combinations_page([board])["combinations.html"].decode()
    assert content.count("<tr>") == 5  # a head and four pairs
    assert "beyond the sum" in content
    assert combinations_page([build_board(synthetic_curves(trainers=("plain",)), meta())]) == {}


def test_a_folder_without_a_second_trainer_is_a_clear_error():
    result = CliRunner().invoke(app, ["leaderboard", "combine", "results/digits"])
    assert result.exit_code != 0
    assert "two trainers" in result.output
