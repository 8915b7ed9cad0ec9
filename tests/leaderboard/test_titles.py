"""Labels in words: titles of what is installed, names of what is not, and never two labels under one name."""

from __future__ import annotations

import pytest

from labelbench_plus.leaderboard.titles import ELSEWHERE, Titles, Words, distinct, idea, knows_truth, words
from labelbench_plus.plugins import kinds, label, registry


@pytest.mark.parametrize(
    ("said", "kind", "shown"),
    [
        ("typiclust", "strategies", "TypiClust"),
        ("two_stage(clip_score, vas, fraction=0.45)", "strategies",
         "Two stages (CLIP score, Variance alignment score, fraction 0.45)"),
        ("mlp(steps=300, dropout=0.2)", "trainers", "Multi-layer perceptron (steps 300, dropout 0.2)"),
        ("somebodys(margin, x=1.0)", "strategies", "somebodys (Margin, x 1)"),
        ("somebodys(", "strategies", "somebodys("),
        ("", "strategies", ""),
    ],
)  # fmt: skip
def test_labels_are_said_in_titles(said: str, kind: str, shown: str) -> None:
    assert words(said, kind).whole == shown


def test_a_problem_begins_with_its_data_set() -> None:
    said = "classification(fashion_mnist, pca(dimensions=50), conditions=[long_tail(ratio=50.0), subset(size=2000)])"
    problem = Titles().problem(said)
    assert problem.title == "Fashion-MNIST"
    assert problem.parts == (
        "Principal components",
        "dimensions 50",
        "Long tail",
        "ratio 50",
        "Smaller pool",
        "size 2000",
    )
    assert Titles({said: "Clothes"}).setting(said, "label_propagation") == "Clothes × Label propagation"


def test_names_are_as_short_as_tells_them_apart() -> None:
    said = {
        one: words(one, "strategies") for one in ("alc", "alc(posterior=rbf)", "margin", "x(a=1, b=2)", "x(a=1, b=3)")
    }
    found = {one: each.whole for one, each in distinct(said).items()}
    assert found == {
        "alc": "ALC", "alc(posterior=rbf)": "ALC (posterior rbf)", "margin": "Margin",
        "x(a=1, b=2)": "x (b 2)", "x(a=1, b=3)": "x (b 3)",
    }  # fmt: skip
    assert distinct({"a": Words("T", ("x",)), "b": Words("T", ("x",))}) == {"a": Words("a"), "b": Words("b")}


def test_every_plugin_that_has_an_example_can_be_said() -> None:
    for kind in ("strategies", "trainers", "conditions"):
        for name in registry(kind).entries():
            cls = registry(kind).load(name)
            if (example := cls.example()) is not None:
                said = words(label(registry(kind).build({"name": name, **example})), kind)
                assert said.title == cls.title and "=" not in said.whole


def test_strategies_stand_under_the_room_they_live_in() -> None:
    assert idea("k_center(x=1)") == "Geometry" and idea("nobodys") == ELSEWHERE
    assert knows_truth("known_clean") and not knows_truth("margin") and not knows_truth("nobodys")
    assert "strategies" in kinds()
