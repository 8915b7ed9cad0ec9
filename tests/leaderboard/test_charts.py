"""Charts as SVG: marks for every strategy, honest bands, colours that can be told apart."""

from __future__ import annotations

import itertools
import re
from importlib import resources
from xml.etree import ElementTree

import numpy as np
import pytest

from labelbench_plus.leaderboard.board import build_board
from labelbench_plus.leaderboard.charts.forest import Row, forest_chart
from labelbench_plus.leaderboard.charts.lines import Line, Plane, line_chart
from labelbench_plus.leaderboard.charts.pareto import Point, frontier, pareto_chart
from labelbench_plus.leaderboard.charts.ranks import rank_diagram
from labelbench_plus.leaderboard.charts.style import COLOURS, styles
from labelbench_plus.leaderboard.charts.svg import NARROW, is_geometric, log_ticks, nice_ticks, standalone
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.site.figures import Figure, distinguishing, of_setting, prominent
from labelbench_plus.leaderboard.site.render import style_of_drawings
from labelbench_plus.leaderboard.statistics import Estimate, ranking_over_datasets, t_interval

from .synthetic import BUDGETS, STRATEGIES, meta, synthetic_curves

SVG = "{http://www.w3.org/2000/svg}"


def setting_of(**changes: object) -> BoardSetting:
    return build_board(synthetic_curves(**changes), meta()).settings[0]  # type: ignore[arg-type]


def figures_of(setting: BoardSetting) -> dict[str, Figure]:
    drawn = styles([curve.strategy for curve in setting.curves], "random")
    lead, others = of_setting(setting, meta(), drawn, "s")
    return {figure.file.split("/s-")[1]: figure for figure in (*lead, *others)}


def parse(shown: str) -> ElementTree.Element:
    return ElementTree.fromstring(shown.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def draw(setting: BoardSetting, width: int = 580, gains: bool = False) -> ElementTree.Element:
    figure = figures_of(setting)["gain-curves.svg" if gains else "curves.svg"]
    return parse(figure.narrow if width == NARROW else figure.wide)


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [node for node in root.iter() if name in (node.get("class") or "").split()]


@pytest.mark.parametrize("width", [580, NARROW])
@pytest.mark.parametrize("gains", [False, True])
def test_every_strategy_has_a_line_a_band_and_marks(width: int, gains: bool) -> None:
    root = draw(setting_of(), width, gains)
    expected = len(STRATEGIES) - gains
    assert len(of_class(root, "line")) == len(of_class(root, "band")) == len(of_class(root, "mark")) == expected
    assert all(mark.get("d", "").count("Z") == len(BUDGETS) for mark in of_class(root, "mark"))
    assert root.get("role") == "img" and "strategies" in (root.get("aria-label") or "")
    names = {node.text for node in of_class(root, "name")}
    assert names == (set() if width == NARROW else set(STRATEGIES) - ({"random"} if gains else set()))


def test_two_seeds_have_no_band() -> None:
    root = draw(setting_of(seeds=[0, 1]))
    assert of_class(root, "band") == [] and len(of_class(root, "line")) == len(STRATEGIES)


def test_many_lines_are_pale_but_for_leaders_baseline_and_last() -> None:
    many = {f"strategy {i:02}": i / 1000 for i in range(24)} | {"random": 0.0}
    setting = setting_of(strategies=many, noise=0.001)
    shown = prominent(setting, "random")
    assert "random" in shown and setting.tests.names[0] in shown and setting.tests.names[-1] in shown
    assert len(shown) <= 7
    root = draw(setting)
    groups = of_class(root, "line-of")
    assert len(groups) == 25 and sum("pale" not in (g.get("class") or "") for g in groups) == len(shown)
    bold = [group for group in groups if "pale" not in (group.get("class") or "")]
    heights = sorted(float(name.get("y", "0")) for group in bold for name in of_class(group, "name"))
    assert len(heights) == len(shown) and min(np.diff(heights)) >= 14.9


def test_nothing_is_drawn_outside_the_chart() -> None:
    for gains, width in itertools.product([False, True], [580, NARROW]):
        root = draw(setting_of(noise=0.05, seeds=range(3)), width, gains)
        height, drawn = float(root.get("height", "0")), float(root.get("width", "0"))
        assert width != NARROW or drawn == NARROW
        for shape in of_class(root, "band") + of_class(root, "line"):
            x, y = np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", shape.get("d", "")), dtype=float).T
            assert x.min() >= 0 and x.max() <= drawn and y.min() >= 0 and y.max() <= height - 40


def test_a_line_is_interrupted_where_there_is_no_value() -> None:
    nan = float("nan")
    line = Line(
        "a", ((0, 0.1, nan, nan), (1, nan, nan, nan), (2, 0.3, nan, nan), (3, 0.4, 0.3, 0.5), (4, 0.5, 0.4, 0.6))
    )
    plane = Plane("x", "y", ((0.0, "0"), (4.0, "4")))
    root = parse(line_chart([line], plane, styles(["a"], "random"), ["a"], "a chart", 580))
    assert of_class(root, "line")[0].get("d", "").count("M") == 2
    assert of_class(root, "mark")[0].get("d", "").count("Z") == 4
    assert len(re.findall(r"[ML]", of_class(root, "band")[0].get("d", ""))) == 4


def test_gains_show_what_is_significant_and_every_seed() -> None:
    setting = setting_of()
    root = parse(figures_of(setting)["gains.svg"].wide)
    assert len(of_class(root, "interval")) == len(STRATEGIES) - 1
    against = setting.tests.names.index("random")
    apart = [n for i, n in enumerate(setting.tests.names) if setting.tests.adjusted[i, against] <= 0.05]
    assert len(of_class(root, "open")) == len(STRATEGIES) - 1 - len(apart)
    assert all(node.get("d", "").count("Z") == 5 for node in of_class(root, "seed"))


def test_intervals_of_few_values_are_not_drawn() -> None:
    row = Row("a", Estimate(0.1, -9.0, 9.2, 2), (0.0, 0.2), False, styles(["a"], "b")["a"])
    root = parse(forest_chart([row], "gain", "alternative", 580))
    assert of_class(root, "interval") == [] and len(of_class(root, "mark")) == 1


def test_values_that_never_vary_have_no_interval_to_draw() -> None:
    values = (0.1, 0.1, 0.1, 0.1)
    drawn = forest_chart([Row("a", t_interval(values), values, False, styles(["a"], "b")["a"])], "gain", "text", 580)
    assert "nan" not in drawn and of_class(parse(drawn), "interval") == []


def test_frontier_is_what_nothing_beats_in_both() -> None:
    points = [Point("a", 1, 0.1), Point("b", 2, 0.3), Point("c", 3, 0.2), Point("d", 2, 0.2), Point("e", 9, 0.4)]
    assert [point.strategy for point in frontier(points)] == ["a", "b", "e"]
    drawn = styles("abcde", "z")
    root = parse(pareto_chart(points, "cost", "gain", drawn, "alternative", 580))
    assert len(of_class(root, "mark")) == 5 and len(of_class(root, "open")) == 2
    assert {node.text for node in of_class(root, "name")} == {"1", "2", "3"}


def test_rank_diagram_has_every_name_and_a_bar_for_each_group() -> None:
    values = np.random.default_rng(7).normal(size=(20, 5)) + np.array([0.0, 3.0, 0.1, 3.1, 6.0])
    ranking = ranking_over_datasets(list("abcde"), values, True)
    root = parse(rank_diagram(ranking, "alternative", 580))
    assert {(node.text or "")[0] for node in of_class(root, "name")} == set("abcde")
    assert len(of_class(root, "group")) == len(ranking.groups) == 2


def test_a_drawing_alone_has_its_name_space_and_plain_colours() -> None:
    alone = standalone(figures_of(setting_of())["curves.svg"].wide, style_of_drawings())
    root = ElementTree.fromstring(alone)
    assert root.tag == f"{SVG}svg" and "var(" not in alone and "#3f6dd7" in alone


def test_the_same_input_gives_the_same_bytes() -> None:
    assert ElementTree.tostring(draw(setting_of())) == ElementTree.tostring(draw(setting_of()))


def test_styles_are_distinct_and_the_first_have_their_own_colours() -> None:
    names = [f"s{i:02}" for i in range(40)] + ["random"]
    drawn = styles(names, "random")
    looks = {(style.colour, style.dash, style.marker) for style in drawn.values()}
    assert len(looks) == len(names)
    assert drawn["random"].colour == "baseline"
    assert len({drawn[name].colour for name in names[:COLOURS]}) == COLOURS


def test_only_what_tells_names_apart_is_shown() -> None:
    names = ["problem(one data set, [a(1), b]) × t", "problem(one data set, [c(2), b]) × t"]
    assert distinguishing(names) == ["a(1", "c(2"]
    assert distinguishing(["room 1", "room 2"]) == ["room 1", "room 2"]
    assert distinguishing(["one"]) == ["one"] and distinguishing(["x", "x"]) == ["x", "x"]
    assert distinguishing(["ab" * 20, "ab" * 20 + "c"]) == ["ab" * 20, "c"]


@pytest.mark.parametrize(("low", "high"), [(0.01, 30), (0.5, 3), (2, 2.5), (1e-4, 1e3)])
def test_log_ticks_are_inside(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert ticks and min(ticks) >= low * 0.99 and max(ticks) <= high * 1.01


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.612, 0.953), (-0.03, 0.025), (1e-7, 2e-7), (3, 3), (0, 12345)])
def test_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    step = ticks[1] - ticks[0]
    assert round(step / 10 ** np.floor(np.log10(step) + 1e-9), 6) in (1, 2, 5)
    if high > low:
        assert ticks[0] >= low - 1e-9 * step and ticks[-1] <= high + 1e-9 * step


def test_geometric_budgets_get_a_log_axis() -> None:
    assert is_geometric([10, 20, 40, 80]) and not is_geometric([10, 20, 30, 40])
    assert not is_geometric([0, 1, 10]) and not is_geometric([1, 10])
    assert is_geometric([20, 50, 100, 200, 500, 1000])


# What people without one kind of cone see: Machado, Oliveira & Fernandes (2009), table 1, severity 1, linear RGB.
SIGHT = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "usual": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}


def linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    to_lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(to_lab) @ np.cbrt(np.array(to_lms) @ np.clip(rgb, 0, 1))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart_by_everybody(scheme: int) -> None:
    css = resources.files("labelbench_plus.leaderboard").joinpath("templates/palette.css").read_text(encoding="utf-8")
    values = dict(
        re.findall(
            r"--([\w-]+): (#[0-9a-f]{6});",
            css.split("color-scheme: light dark" if not scheme else "prefers-color-scheme: dark")[1].split("}")[0],
        )
    )
    colours = [values[f"c{i}"] for i in range(COLOURS)] + [values["baseline"]]

    def contrast(a: str, b: str) -> float:
        dim, bright = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
        return (bright + 0.05) / (dim + 0.05)

    assert min(contrast(colour, values["ground"]) for colour in colours) >= 3  # WCAG 2.2, 1.4.11
    assert contrast(values["ink"], values["ground"]) >= 7 and contrast(values["quiet"], values["ground"]) >= 4.5
    for sight in SIGHT.values():
        seen = [oklab(np.array(sight) @ linear(colour)) for colour in colours]
        assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) >= 0.09
