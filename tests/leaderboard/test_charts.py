"""Charts as SVG: marks for every strategy, honest bands, colours that can be told apart."""

from __future__ import annotations

import itertools
import re
from importlib import resources
from xml.etree import ElementTree

import numpy as np
import pytest

from labelbench_plus.leaderboard import build_board
from labelbench_plus.leaderboard.board import Setting
from labelbench_plus.leaderboard.charts import (
    COLOURS,
    NARROW,
    curves_chart,
    gains_chart,
    is_geometric,
    nice_ticks,
    styles,
)

from .synthetic import BUDGETS, STRATEGIES, meta, synthetic_curves

SVG = "{http://www.w3.org/2000/svg}"


def setting_of(**changes: object) -> Setting:
    return build_board(synthetic_curves(**changes), meta()).settings[0]  # type: ignore[arg-type]


def draw(setting: Setting, width: int = 580, gains: bool = False) -> ElementTree.Element:
    drawn = styles([curve.strategy for curve in setting.curves], "random")
    curves = setting.gain_curves if gains else setting.curves
    shown = curves_chart(curves, setting, "accuracy", drawn, width, gains)
    return ElementTree.fromstring(shown.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


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


def test_nothing_is_drawn_outside_the_chart() -> None:
    for gains, width in itertools.product([False, True], [580, NARROW]):
        root = draw(setting_of(noise=0.05, seeds=range(3)), width, gains)
        height = float(root.get("height", "0"))
        for shape in of_class(root, "band") + of_class(root, "line"):
            x, y = np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", shape.get("d", "")), dtype=float).T
            assert x.min() >= 0 and x.max() <= width and y.min() >= 0 and y.max() <= height - 40


def test_names_at_the_line_ends_do_not_overlap() -> None:
    same = dict.fromkeys([f"strategy {i}" for i in range(24)], 0.0) | {"random": 0.0}
    root = draw(setting_of(strategies=same))
    heights = sorted(float(node.get("y", "0")) for node in of_class(root, "name"))
    assert len(heights) == 25 and min(np.diff(heights)) >= 14.9
    assert heights[0] > 0 and heights[-1] < float(root.get("height", "0"))


def test_gains_show_what_is_significant() -> None:
    setting = setting_of()
    drawn = styles(list(STRATEGIES), "random")
    shown = gains_chart(setting, "random", drawn, 580)
    assert shown.count('class="interval') == len(STRATEGIES) - 1
    apart = [
        n
        for n in setting.tests.names
        if n != "random"
        and setting.tests.adjusted[setting.tests.names.index(n), setting.tests.names.index("random")] <= 0.05
    ]
    assert shown.count('class="mark open') == len(STRATEGIES) - 1 - len(apart)


def test_the_same_input_gives_the_same_bytes() -> None:
    assert ElementTree.tostring(draw(setting_of())) == ElementTree.tostring(draw(setting_of()))


def test_styles_are_distinct_and_belong_to_the_strategy() -> None:
    names = [f"s{i:02}" for i in range(40)] + ["random"]
    drawn = styles(names, "random")
    looks = {(style.colour, style.dash, style.marker) for style in drawn.values()}
    assert len(looks) == len(names)
    assert drawn["random"].colour == "baseline"
    assert styles(list(reversed(names)), "random") == drawn


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
    css = resources.files("labelbench_plus.leaderboard").joinpath("templates/page.css").read_text(encoding="utf-8")
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
