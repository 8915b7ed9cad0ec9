"""The drawings of the README: up to date, small, closed to the outside, and of what they say they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard import Results, read_results
from labelbench_plus.leaderboard.site.pictures import CURVES, MATRIX, pictures

from .synthetic import meta, synthetic_curves
from .test_site import HOSTILE

ROOT = Path(__file__).parents[2]
DRAWN = ROOT / "docs" / "pictures"


def pictured(which: str) -> list[str]:
    """The results that `make pictures` draws."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", "")
    return re.findall(rf"^{which} := (.*)$", makefile, re.MULTILINE)[0].split()


def up_to_date(folder: Path, of: list[str]) -> None:
    found = pictures([read_results(ROOT / "results" / name) for name in of])
    assert {path.name for path in folder.iterdir() if path.is_file()} == set(found)
    for name, content in found.items():
        assert (folder / name).read_bytes() == content, f"{folder / name} is out of date: make pictures"
        assert len(content) < 100_000


def test_the_pictures_are_those_of_the_published_results() -> None:
    up_to_date(DRAWN, pictured("PICTURED"))
    # those of the tutorials come from carrying them out, and tests/docs/test_tutorials.py looks after them
    assert {path.name for path in DRAWN.iterdir() if path.is_dir()} == {*pictured("PICTURED_ALONE"), "tutorials"}
    for name in (MATRIX, CURVES):
        assert f"docs/pictures/{name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", pictured("PICTURED_ALONE"))
def test_a_page_shows_the_pictures_of_its_published_results(name: str) -> None:
    up_to_date(DRAWN / name, [name])
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")]
    assert any(re.search(rf"!\[[^]]+\]\((?:\.\./)?pictures/{name}/", page) for page in pages)


def test_hostile_names_stay_text_and_the_most_telling_setting_is_drawn() -> None:
    strategies = {"random": 0.0, HOSTILE: 0.05, "margin": 0.04}
    curves = synthetic_curves(strategies, problems=("pa", "pb"), noise=0.001)
    flat = (curves["problem"] == "pa") & (curves["strategy"] != "random")
    curves.loc[flat, "accuracy"] = 0.1
    found = pictures([Results(curves, meta(("pa", "pb")))])
    assert "pb × logistic" in found[CURVES].decode() and "pa × logistic" not in found[CURVES].decode()
    for content in found.values():
        assert b"<img" not in content and set(re.findall(rb"https?://[^\"]+", content)) == {
            b"http://www.w3.org/2000/svg"
        }
    assert found[MATRIX].count(b"<rect") == 1 + 2 * 3


def test_the_command_draws_and_says_why_it_cannot(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["leaderboard", "draw", str(ROOT / "results/digits"), "--to", str(tmp_path)])
    assert done.exit_code == 0 and {path.name for path in tmp_path.iterdir()} == {MATRIX, CURVES}
    once = pictures([Results(synthetic_curves(budgets=(20.0,)), meta(budgets=(20.0,)))])
    assert set(once) == {MATRIX}
    with pytest.raises(ValueError, match="nothing to draw"):
        pictures([Results(synthetic_curves({"random": 0.0}), meta())])
