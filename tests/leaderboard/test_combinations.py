import numpy as np
import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard.board import build_board
from labelbench_plus.leaderboard.combinations import combinations, groups, report
from labelbench_plus.leaderboard.formatting import number
from labelbench_plus.leaderboard.site.combinations_page import best_pair, combinations_page, heats
from labelbench_plus.leaderboard.statistics import holm, paired_t_test, t_interval
from labelbench_plus.leaderboard.titles import Titles
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
    assert content.count('<th scope="row"') == 3 + 2 + 4  # gains with their mean, what is beyond the sum, all pairs
    assert "beyond the sum" in content
    assert combinations_page([build_board(synthetic_curves(trainers=("plain",)), meta())]) == {}


def test_trainers_are_called_as_their_suite_calls_them_and_boards_with_several_problems_list_them(board):
    titles = Titles({setting.trainer: f"{setting.trainer} of ours" for setting in board.settings})
    content = combinations_page([board], titles=titles)["combinations.html"].decode()
    assert all(f"{setting.trainer} of ours" in content for setting in board.settings)
    names = ("digits", "letters")
    two = build_board(synthetic_curves(problems=names, trainers=("plain", "better")), meta(problems=names))
    content = combinations_page([two])["combinations.html"].decode()
    assert ': <a href="#combination-1">digits</a> · <a href="#combination-2">letters</a>' in content


def test_a_folder_without_a_second_trainer_is_a_clear_error():
    result = CliRunner().invoke(app, ["leaderboard", "combine", "results/digits"])
    assert result.exit_code != 0
    assert "two trainers" in result.output


@pytest.mark.parametrize("seed", range(8))
def test_what_is_said_of_pairs_is_true_of_them(seed):
    rng = np.random.default_rng(seed)
    lifts = {"random": 0.0} | {f"s{i}": gain for i, gain in enumerate(rng.normal(0, 0.02, 3))}
    lower = bool(seed % 2)
    curves = synthetic_curves(lifts, range(5), trainers=("plain", "b", "c"), budgets=(10.0, 20.0), generator_seed=seed)
    curves = curves.assign(error=1 - curves["accuracy"])
    metric = "error" if lower else "accuracy"
    board = build_board(curves, meta(budgets=(10.0, 20.0), metric=metric, higher_is_better=not lower))
    (group,) = groups(board, "plain")
    pairs = group.pairs("random")
    areas = {
        (s.trainer, name): np.array([of[i] for i in range(5)]) for s in board.settings for name, of in s.areas.items()
    }
    sign = -1 if lower else 1

    def gain(pair):
        return sign * (areas[pair] - areas["plain", "random"])

    def beyond(trainer, strategy):
        parts = [
            areas[trainer, strategy],
            -areas[trainer, "random"],
            -areas["plain", strategy],
            areas["plain", "random"],
        ]
        return sign * sum(parts)

    others = [pair for pair in areas if pair != ("plain", "random")]
    adjusted = dict(zip(others, holm([paired_t_test(gain(pair)) for pair in others]), strict=True))
    inner = [pair for pair in areas if pair[0] != "plain" and pair[1] != "random"]
    of_sums = dict(zip(inner, holm([paired_t_test(beyond(*pair)) for pair in inner]), strict=True))
    for pair in pairs:
        key = (pair.trainer, pair.strategy)
        assert pair.p_over_neither == pytest.approx(adjusted.get(key, np.nan), nan_ok=True)
        assert pair.p_beyond == pytest.approx(of_sums.get(key, np.nan), nan_ok=True)

    best = max(areas, key=lambda pair: sign * areas[pair].mean())
    said = best_pair(pairs, group, "random")
    assert f"Best pair: {best[1]} with {best[0]}" in said
    if best in adjusted:
        assert number(gain(best).mean(), 4, signed=True) in said
        assert ("not significantly after" in said) == (adjusted[best] > 0.05)
    if best in of_sums:
        assert f"the pair gains {number(beyond(*best).mean(), 4, signed=True)}" in said
        assert said.endswith(", not significantly.") == (of_sums[best] > 0.05)

    gains, interaction = heats(pairs, group, "random")
    assert len(gains.rows) == 5 and gains.columns[-1] == "mean" and "plain" not in interaction.columns
    scale = int(gains.heading.rpartition(" × ")[2].replace(",", "")) if ", × " in gains.heading else 1
    for name, cells in gains.rows[:-1]:
        for trainer, cell in zip(gains.columns[:-1], cells, strict=False):
            value = float(cell.text.rstrip("*").replace("−", "-"))
            assert value == pytest.approx(scale * gain((trainer, name)).mean(), abs=0.06)
            assert cell.text.endswith("*") == (adjusted.get((trainer, name), 1.0) <= 0.05)
        row = np.mean([gain((trainer, name)).mean() for trainer in gains.columns[:-1]])
        assert float(cells[-1].text.replace("−", "-")) == pytest.approx(scale * row, abs=0.06)
