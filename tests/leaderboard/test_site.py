"""The site as files: complete, closed to the outside, the same bytes each time, hostile names only ever text."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from labelbench_plus.leaderboard import About, Results, build_site
from labelbench_plus.leaderboard.site.method import MODULES, definitions
from labelbench_plus.leaderboard.site.names import slug, slugs

from .synthetic import STRATEGIES, meta, synthetic_curves

HOSTILE = "<img src=x onerror=document.title='owned'>"
PROBLEMS = ["digits", "</script><b>fashion"]
LONG = "Ωμέγα, long enough to need a second line or an ellipsis"


def results(**changes: Any) -> Results:
    """Two problems with warnings, missing costs and hostile names; manifests for the runs of one strategy."""
    curves = synthetic_curves(STRATEGIES | {HOSTILE: 0.01, LONG: -0.005}, problems=PROBLEMS, **changes)
    curves.loc[curves["strategy"] == "entropy", "select_seconds"] = float("nan")
    curves = curves[~((curves["strategy"] == "badge") & (curves["seed"] == 3))]
    about = {problem: About("classification", "labels", problem, {"encoder": HOSTILE}) for problem in PROBLEMS}
    declared = dataclasses.replace(meta(problems=PROBLEMS), problems=about)
    manifest = {"code": {"commit": "abc", "dirty": None}, "cpu": HOSTILE, "device": "cpu", "packages": {"numpy": "2"}}
    runs = sorted(set(curves.loc[curves["strategy"] == "margin", "run_id"]))
    records = {run: {"config": {"seed": 1, "strategy": {"name": HOSTILE}}, "manifest": manifest} for run in runs}
    return Results(curves, declared, records)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site([results()], tmp_path_factory.mktemp("site")).parent


class Elements(HTMLParser):
    """Names and attributes of all elements of a page."""

    def __init__(self, shown: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(shown)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def pages(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.html"))


def test_has_a_page_for_everything(folder: Path) -> None:
    found = {path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file()}
    assert found == {
        "index.html", "compare.html", "method.html", "data.html",
        "track", "problem", "runs", "strategy", "assets", "data", "figures",
    }  # fmt: skip
    assert len(list((folder / "strategy").iterdir())) == len(STRATEGIES) + 2
    assert len(list((folder / "problem").iterdir())) == len(list((folder / "runs").iterdir())) == 2


def test_no_page_can_reach_outside_and_every_link_leads_somewhere(folder: Path) -> None:
    for path in pages(folder):
        shown = path.read_text(encoding="utf-8")
        elements = Elements(shown).found
        assert not {"img", "b", "iframe", "object", "form", "style"} & {tag for tag, _ in elements}
        assert not any(name == "style" or name.startswith("on") for _, attributes in elements for name in attributes)
        policy = next(attributes["content"] for _, attributes in elements if "http-equiv" in attributes)
        assert policy and policy.startswith("default-src 'none'; ") and "unsafe" not in policy
        ids = {attributes.get("id") for _, attributes in elements}
        for link in {attributes[name] for _, attributes in elements for name in ("href", "src") if name in attributes}:
            assert link
            if link.startswith("#"):
                assert link[1:] in ids, (path, link)
            elif link != "data:,":
                assert ":" not in link and (path.parent / link.partition("#")[0]).is_file(), (path, link)
        scripts = [attributes for tag, attributes in elements if tag == "script"]
        assert all("src" in each or each.get("type") == "application/json" for each in scripts)


def test_assets_hold_no_address(folder: Path) -> None:
    for path in (folder / "assets").iterdir():
        content = path.read_text(encoding="utf-8")
        assert "@import" not in content and "url(" not in content and "http" not in content
    for path in (folder / "figures").iterdir():
        assert set(re.findall(r"https?://[^\"]+", path.read_text(encoding="utf-8"))) == {"http://www.w3.org/2000/svg"}


def test_the_same_results_give_the_same_bytes_and_leave_nothing_old_behind(tmp_path: Path, folder: Path) -> None:
    shuffled = results()
    shuffled = dataclasses.replace(shuffled, curves=shuffled.curves.sample(frac=1, random_state=1))
    one = build_site([results(seeds=range(3))], tmp_path).parent
    (one / "strategy" / "gone.html").write_text("an older build")
    (one / "notes.txt").write_text("not ours")
    build_site([shuffled], one)
    ours = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    theirs = {path.relative_to(one): path.read_bytes() for path in one.rglob("*") if path.is_file()}
    assert theirs.pop(Path("notes.txt")) == b"not ours"
    assert theirs == ours


def test_data_can_be_downloaded_whole(folder: Path) -> None:
    data = folder / "data"
    csv, parquet = pd.read_csv(data / "synthetic-curves.csv"), pd.read_parquet(data / "synthetic-curves.parquet")
    pd.testing.assert_frame_equal(csv, parquet)
    assert len(csv) == len(results().curves)
    assert len(json.loads((data / "table.json").read_bytes())) == len(pd.read_parquet(data / "table.parquet")) == 16
    assert json.loads((data / "synthetic-board.json").read_bytes())["metric"] == "accuracy"


def test_every_statistic_has_its_definition_on_the_method_page(folder: Path) -> None:
    shown = (folder / "method.html").read_text(encoding="utf-8")
    found = {definition.anchor for definition in definitions()}
    assert set(MODULES) <= found and all(f'id="{anchor}"' in shown for anchor in found)
    assert all(definition.heading and all(definition.paragraphs) for definition in definitions())
    statistics = Path(__file__).parents[2] / "labelbench_plus" / "leaderboard" / "statistics"
    assert {path.stem for path in statistics.glob("*.py")} - {"__init__"} == set(MODULES)


def test_runs_say_where_they_come_from(folder: Path) -> None:
    shown = (folder / "runs" / "synthetic-digits-logistic.html").read_text(encoding="utf-8")
    assert "<dt>code</dt><dd>abc</dd>" in shown
    assert shown.count("no manifest") > 30  # the other strategies'
    assert 'id="run-digits-logistic-margin-0"' in shown


def test_renders_results_with_nothing_to_draw(tmp_path: Path) -> None:
    curves, declared = results().curves, results().meta
    for i, part in enumerate(
        (
            curves.iloc[:0],
            curves[curves["strategy"] == "margin"],
            curves[curves["seed"] == 0],
            curves.assign(complete=False),
        )
    ):
        assert build_site([Results(part, declared)], tmp_path / str(i)).is_file()
    one_shot = Results(synthetic_curves(budgets=[100.0]), meta(budgets=[100.0]))
    shown = (
        build_site([one_shot], tmp_path / "shot").parent / "problem" / "synthetic-digits-logistic.html"
    ).read_text()
    assert "Learning curves" not in shown and "over all budgets" in shown


def test_runs_of_different_machines_are_not_drawn_on_one_axis_of_cost(tmp_path: Path) -> None:
    one, other = ({"manifest": {"cpu": cpu, "code": {"commit": cpu}}, "config": {}} for cpu in ("a", "b"))
    curves = synthetic_curves(seeds=range(3))
    ids = list(curves["run_id"].unique())
    for name, second in (("same", one), ("mixed", other)):
        records = {ids[0]: one, ids[1]: second}
        page = build_site([Results(curves, meta(), records)], tmp_path / name).parent / "problem"
        shown = next(page.iterdir()).read_text()
        assert ("Gain against the cost of selection" in shown) == (name == "same")
        assert ("2 kinds of machine" in shown) == ("2 versions of the code: a, b" in shown) == (name == "mixed")


def test_a_suite_stands_on_a_site_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"several results of the suite\(s\) synthetic"):
        build_site([results(), results()], tmp_path)


def test_a_build_that_fails_leaves_the_site_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_site([results(seeds=range(3))], tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr("labelbench_plus.leaderboard.site.build.front_page", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build_site([results()], tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_names_of_files_are_readable_and_distinct() -> None:
    assert slug("a b") == "a-b" and slug("k_center(x=1)") == "k-center-x-1"
    assert slug("../../etc").startswith("etc") and "/" not in slug("../../etc")
    names = ["a b", "a-b", "A b", "§", "主动", "margin"]
    found = slugs(names)
    assert len(set(found.values())) == len(names) and found["margin"] == "margin"
    assert slugs(["a b"])["a b"] == "a-b"
