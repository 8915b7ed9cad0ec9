"""The matrix in a real browser: whole columns at every width, sorted, filtered, one part at a time, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from labelbench_plus.leaderboard import Results, build_site

from .declared import facet_results
from .synthetic import meta, synthetic_curves
from .test_site import HOSTILE
from .test_site_in_browser import browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser"]
PROBLEMS = tuple(f"classification(digits, pixels, conditions=[long_tail(ratio={i}.0)])" for i in range(2, 32))
STRATEGIES = {"random": 0.0, "margin": 0.03, "badge": 0.02, "typiclust": -0.03, HOSTILE: 0.01, "k_center": 0.005}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    curves = synthetic_curves(STRATEGIES, range(4), PROBLEMS, budgets=(10.0, 20.0))
    curves = curves[~((curves["strategy"] == "k_center") & (curves["problem"] != PROBLEMS[0]))]
    return build_site(
        [Results(curves, meta(PROBLEMS, (10.0, 20.0))), facet_results(3)], tmp_path_factory.mktemp("site")
    ).parent


def opened(browser: Browser, folder: Path, width: int, place: str = "") -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    tab = context.new_page()
    tab.goto(f"{folder.as_uri()}/index.html{place}")
    return tab


def shown(tab: Page) -> list[str]:
    return tab.locator("section.part:not([hidden]) tbody tr:not(.idea):visible th").all_inner_texts()


@pytest.mark.parametrize("width", [375, 1280, 1920])
def test_no_column_is_cut_off_and_all_can_be_reached(browser: Browser, folder: Path, width: int) -> None:
    tab = opened(browser, folder, width)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    heads = tab.locator("section.part:not([hidden]) th.turned")
    seen: set[str] = set()
    for _ in range(30):
        region = tab.locator("section.part:not([hidden]) .scroll").first
        assert region.evaluate("e => e.scrollWidth <= e.clientWidth")
        seen |= {str(head.get_attribute("data-key")) for head in heads.all() if head.is_visible()}
        later = tab.locator("section.part:not([hidden])").get_by_role("button", name="later ›")
        if not later.is_visible() or later.is_disabled():
            break
        later.click()
    assert len(seen) == heads.count() >= 30
    tab.context.close()


def test_columns_sort_rows_across_ideas_and_a_link_restores_it(browser: Browser, folder: Path) -> None:
    tab = opened(browser, folder, 1280)
    by_idea = shown(tab)
    head = tab.locator("section.part:not([hidden]) th.turned").first
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    column = int(str(head.get_attribute("data-key")))
    cells = tab.locator("section.part:not([hidden]) tbody tr:not(.idea):visible").locator(f"td:nth-child({column + 2})")
    values = cells.evaluate_all("all => all.filter(e => e.dataset.sort !== undefined).map(e => +e.dataset.sort)")
    assert values == sorted(values) and len(values) > 3
    ordered, link = shown(tab), tab.url
    assert ordered != by_idea
    tab.get_by_role("button", name="Group by idea").click()
    assert shown(tab) == by_idea and "sort" not in tab.url
    again = opened(browser, folder, 1280, "#" + link.partition("#")[2])
    assert shown(again) == ordered
    again.context.close()
    tab.context.close()


def test_rows_and_columns_can_be_filtered(browser: Browser, folder: Path) -> None:
    tab = opened(browser, folder, 1280)
    part = tab.locator("section.part:not([hidden])")
    part.get_by_label("Idea").select_option("Hybrid")
    assert shown(tab) == ["BADGE"]
    part.get_by_label("Idea").select_option("")
    part.get_by_label("Condition").select_option("Long tail (ratio 3)")
    assert part.locator("th.turned:visible").count() == 1
    assert not any("k-center" in name for name in shown(tab))  # it was not run there
    tab.context.close()


def test_one_part_is_open_at_a_time_and_has_its_link(browser: Browser, folder: Path) -> None:
    tab = opened(browser, folder, 1280)
    tabs = tab.locator("nav.parts a")
    assert tabs.count() == 2 and tab.locator("section.part:visible").count() == 1
    tabs.nth(1).click()
    title = tabs.nth(1).inner_text()
    assert tab.locator("section.part:visible h2").inner_text() == title and tab.url.count("part=") == 1
    again = opened(browser, folder, 1280, "#" + tab.url.partition("#")[2])
    assert again.locator("section.part:visible h2").inner_text() == title
    again.context.close()
    tab.context.close()


def test_it_can_be_taken_away_as_latex_csv_and_picture(browser: Browser, folder: Path) -> None:
    tab = opened(browser, folder, 1280)
    part = tab.locator("section.part:not([hidden])")
    part.get_by_label("Condition").select_option("Long tail (ratio 3)")
    part.get_by_role("button", name="Copy as LaTeX").click()
    lines = part.locator("textarea.copy").input_value().splitlines()
    assert lines[0] == "\\begin{tabular}{lrr}" and sum(line.endswith(" \\\\") for line in lines) == 6
    with tab.expect_download() as download:
        part.get_by_role("button", name="Save as PNG").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / str(part.locator("details.picture .svg-file a").get_attribute("href"))).read_text()
    cells = pd.read_csv(folder / "data" / "matrix.csv")
    assert len(cells[cells["suite"] == "synthetic"]) == 30 * 4 + 1
    tab.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_part(browser: Browser, folder: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": 1280, "height": 900})  # type: ignore[arg-type]
    tab = context.new_page()
    tab.goto(f"{folder.as_uri()}/index.html")
    for link in tab.locator("nav.parts a").all():
        link.click()
        tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
        result = axe.Axe().run(tab)
        assert result.violations_count == 0, result.generate_report()
    context.close()
