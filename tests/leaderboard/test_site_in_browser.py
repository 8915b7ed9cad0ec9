"""The site in a real browser: offline, sorted and filtered rightly, readable without JavaScript and on a phone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from labelbench_plus.leaderboard import Results, build_site
from labelbench_plus.leaderboard.compare import compare_in
from labelbench_plus.leaderboard.formatting import sort_key
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.site.setting_page import with_pairs
from labelbench_plus.leaderboard.site.titled import called, titled
from labelbench_plus.leaderboard.titles import Titles

from .declared import facet_results, front_results
from .synthetic import STRATEGIES, meta, synthetic_curves
from .test_site import HOSTILE, LONG, results

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
PROBLEM = "problem/synthetic-digits-logistic.html"
MANY = {f"strategy {i:02}": i / 800 for i in range(20)} | {"random": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site([results()], tmp_path_factory.mktemp("site")).parent


@pytest.fixture(scope="module")
def setting() -> BoardSetting:
    board = results().board()
    return titled(board, called([board], Titles())).settings[1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip(f"needs {CHROMIUM}")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield chromium
        chromium.close()


Opener = Callable[..., AbstractContextManager["Page"]]


@pytest.fixture
def opened(browser: Browser, folder: Path) -> Opener:
    @contextmanager
    def open_page(
        path: str,
        width: int = 1440,
        scripts: bool = True,
        scheme: Literal["light", "dark"] = "light",
        where: Path = folder,
    ) -> Iterator[Page]:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, offline=True, java_script_enabled=scripts, color_scheme=scheme
        )
        context.set_default_timeout(20000)
        tab = context.new_page()
        tab.goto(where.as_uri() + "/" + path)
        yield tab
        context.close()

    return open_page


def open_all(tab: Page) -> None:
    tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")


def every_page(folder: Path) -> list[str]:
    """One page of each kind."""
    kinds = [next(folder.glob(f"{kind}/*.html")) for kind in ("track", "strategy")]
    paths = [path.relative_to(folder).as_posix() for path in kinds]
    return [
        "index.html",
        "compare.html",
        "method.html",
        "data.html",
        *paths,
        PROBLEM,
        PROBLEM.replace("problem", "runs"),
    ]


def names(tab: Page) -> list[str]:
    return tab.locator("table.ranking tbody tr:not([hidden]) th").all_inner_texts()


def test_no_request_leaves_and_nothing_complains(browser: Browser, folder: Path) -> None:
    context = browser.new_context(offline=True)
    tab = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    for path in every_page(folder):
        tab.goto(f"{folder.as_uri()}/{path}")
        open_all(tab)
        for button in tab.locator("main .tools button:enabled:visible").all()[:4]:
            button.click()
        assert tab.locator("img, main b").count() == 0 and tab.title() != "owned"
    assert all(url == "data:," or url.startswith(folder.as_uri()) for url in requests)
    assert complaints == []
    context.close()


def test_sorting_equals_pythons(opened: Opener, setting: BoardSetting) -> None:
    with opened(PROBLEM) as tab:
        tab.get_by_role("button", name="All columns").first.click()
        table, ours = tab.locator("table.ranking"), with_pairs(setting)
        headings = table.locator("thead th")
        for shown in range(headings.count()):
            key = headings.nth(shown).get_attribute("data-key")
            j = next(j for j, column in enumerate(ours.columns) if column.key == key)
            before = names(tab)
            for _ in range(2):
                headings.nth(shown).locator("button").click()
                direction = headings.nth(shown).get_attribute("aria-sort")
                by_name = {str(row[1]): sort_key(row[j]) for row in ours.rows}
                present = [name for name in before if by_name[name] is not None]
                absent = [name for name in before if by_name[name] is None]
                expected = sorted(present, key=by_name.__getitem__, reverse=direction == "descending") + absent  # type: ignore[arg-type]
                before = names(tab)
                assert before == expected, (key, direction)
                assert table.locator("[aria-sort]").count() == 1


def test_filtering_equals_pythons(opened: Opener, setting: BoardSetting) -> None:
    with opened(PROBLEM) as tab:
        everything = names(tab)
        for query in ("ma", "A", "e r", "<IMG", "nothing like it", ""):
            tab.get_by_role("searchbox").first.fill(query)
            terms = query.lower().split()
            expected = [name for name in everything if all(term in name.lower() for term in terms)]
            assert names(tab) == expected, query
            counted = tab.locator(".tools output").first.inner_text()
            assert counted == (f"{len(expected)} of {len(everything)}" if terms else "")


def test_a_link_restores_what_was_chosen(opened: Opener) -> None:
    with opened(PROBLEM) as tab:
        tab.locator("th[data-key=final] button").click()
        tab.get_by_role("searchbox").first.fill("a")
        tab.get_by_role("checkbox", name="entropy").uncheck()
        chosen, link = names(tab), tab.url
    assert "#" in link
    with opened(PROBLEM + "#" + link.partition("#")[2]) as tab:
        assert names(tab) == chosen
        assert tab.locator("th[data-key=final]").get_attribute("aria-sort") == "descending"
        assert not tab.get_by_role("checkbox", name="entropy").is_checked()
        entropy = tab.locator("svg.wide g.line-of", has=tab.locator("title", has_text="entropy")).first
        assert "pale" in (entropy.get_attribute("class") or "")
    with opened("compare.html#a=margin&b=badge") as tab:
        assert tab.locator("#choose-a").input_value() == "Margin" and tab.locator("#choose-b").input_value() == "BADGE"


def test_the_keyboard_sorts_too(opened: Opener) -> None:
    with opened(PROBLEM) as tab:
        tab.locator("th[data-key=strategy] button").focus()
        tab.keyboard.press("Enter")
        assert names(tab) == sorted(names(tab))
        tab.keyboard.press("Space")
        assert names(tab) == sorted(names(tab), reverse=True)


def test_comparing_equals_pythons(opened: Opener, setting: BoardSetting) -> None:
    with opened("compare.html") as tab:
        for a, b in (("Margin", "Random"), ("Random", "Margin"), (HOSTILE, "BADGE")):
            tab.locator("#choose-a").select_option(a)
            tab.locator("#choose-b").select_option(b)
            cells = tab.locator("#comparison tbody tr", has_text="digits").locator("td").all_inner_texts()
            found = compare_in(setting, a, b)
            assert found is not None
            better = "A is better" if found.area.mean > 0 else "B is better"
            assert cells[0] == (better if found.sure else "not clear")
            assert float(cells[1].replace("−", "-")) == pytest.approx(found.area.mean, abs=0.6e-3)
            assert int(cells[3]) == found.area.n and cells[6] == f"{round(100 * found.wins.mean)} %"
        tab.locator("#swap").click()
        assert tab.locator("#choose-a").input_value() == "BADGE"


def test_tables_are_copied_as_they_are_seen(opened: Opener) -> None:
    with opened(PROBLEM) as tab:
        tab.get_by_role("searchbox").first.fill("r_g")
        tab.get_by_role("searchbox").first.fill("k_center")
        tab.get_by_role("button", name="Copy as Markdown").click()
        lines = tab.locator("textarea.copy").input_value().splitlines()
        assert len(lines) == 3 and "k\\_center\\_greedy" in lines[2] and len({line.count(" | ") for line in lines}) == 1
        tab.get_by_role("searchbox").first.fill("")
        tab.get_by_role("button", name="Copy as LaTeX").click()
        latex = tab.locator("textarea.copy").input_value()
        assert latex.startswith("\\begin{tabular}{l") and "k\\_center\\_greedy" in latex and "$\\pm$" in latex
        assert "\\textless{}img" in latex and "<img" not in latex


def test_crowded_charts_show_few_lines_and_switch_others_on(opened: Opener, tmp_path: Path) -> None:
    where = build_site([Results(synthetic_curves(MANY, noise=0.001), meta())], tmp_path).parent
    with opened(PROBLEM, where=where) as tab:
        svg = tab.locator("figure svg.wide").first
        assert svg.locator("g.line-of").count() == len(MANY)
        few = svg.locator("g.line-of:not(.pale)").count()
        assert 3 <= few <= 7
        tab.get_by_role("button", name="All lines").click()
        assert svg.locator("g.pale").count() == 0
        places = svg.locator("text.name").evaluate_all("all => all.map(e => +e.getAttribute('y'))")
        heights = sorted(float(y) for y in places)
        assert all(upper - lower >= 14.9 for lower, upper in pairwise(heights))
        tab.get_by_role("button", name="The usual lines").click()
        assert svg.locator("g.line-of:not(.pale)").count() == few and "#" not in tab.url


def test_pointing_at_a_strategy_brings_out_its_line(opened: Opener) -> None:
    with opened(PROBLEM) as tab:
        tab.locator("table.ranking tbody tr", has_text="Margin").first.hover()
        assert tab.locator(".charts.focused svg.wide g.lit title").first.text_content() == "Margin"


def test_without_scripts_everything_can_be_read(opened: Opener) -> None:
    with opened(PROBLEM, scripts=False) as tab:
        assert len(names(tab)) == len(STRATEGIES) + 2 and LONG in names(tab)
        assert tab.locator("main button, main input").count() == 0
        assert tab.locator("figure svg.wide:visible").count() == 5
        assert tab.locator("figure details table").first.locator("tbody tr").count() == 10
        assert tab.locator("g.line-of path.line").first.is_visible()
    with opened("compare.html", scripts=False) as tab:
        assert "the page of each problem lists all pairs" in tab.locator("noscript").inner_text()


def test_charts_have_marks_and_words(opened: Opener) -> None:
    with opened(PROBLEM) as tab:
        charts = tab.locator("figure svg[role=img]:visible")
        assert charts.count() == 5
        for chart in charts.all():
            assert chart.locator("path.mark").count() >= len(STRATEGIES)
            assert len(chart.get_attribute("aria-label") or "") > 40


@pytest.mark.parametrize(("width", "chart"), [(375, "narrow"), (768, "wide"), (1440, "wide")])
def test_fits_the_screen(browser: Browser, folder: Path, width: int, chart: str) -> None:
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900})
    tab = context.new_page()
    for path in every_page(folder):
        tab.goto(f"{folder.as_uri()}/{path}")
        open_all(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") == width, path
        if path == PROBLEM:
            assert tab.locator(f"figure svg.{chart}:visible").count() == 5
    context.close()


def test_a_setting_opens_with_its_two_charts_and_a_table_that_fits(browser: Browser, folder: Path) -> None:
    for width, columns in ((375, ["rank", "strategy", "gain"]), (1280, None)):
        context = browser.new_context(offline=True, viewport={"width": width, "height": 900})
        tab = context.new_page()
        tab.goto(f"{folder.as_uri()}/{PROBLEM}")
        order = tab.locator("main figure svg[role=img]:visible, main table.ranking").evaluate_all(
            "all => all.map(e => e.tagName + ' ' + (e.getAttribute('aria-label') || ''))"
        )
        assert order[0].startswith("svg accuracy against") and order[1].startswith("svg Gain over Random in AUBC")
        assert order[2].startswith("TABLE")
        region = tab.locator("main .scroll", has=tab.locator("#ranking"))
        assert region.evaluate("e => e.scrollWidth <= e.clientWidth"), width
        shown = tab.locator("#ranking thead th:visible").evaluate_all("all => all.map(e => e.dataset.key)")
        assert columns is None or shown == columns
        tab.get_by_role("button", name="All columns").first.click()
        assert tab.locator("#ranking thead th:visible").count() > len(shown)
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    curves = synthetic_curves({"random": 0.0, "margin": 0.05, HOSTILE: 0.0}, seeds=range(3), budgets=[10.0, 20.0])
    curves = curves[~((curves["strategy"] == HOSTILE) & (curves["seed"] == 2))]  # warnings are looked at too
    where = build_site([Results(curves, meta(budgets=[10.0, 20.0]))], tmp_path).parent
    context = browser.new_context(offline=True, color_scheme=scheme)
    tab = context.new_page()
    for path in every_page(where):
        tab.goto(f"{where.as_uri()}/{path}")
        open_all(tab)
        result = axe.Axe().run(tab)
        assert result.violations_count == 0, path + result.generate_report()
    context.close()


def test_series_and_facets_can_be_read_by_everybody_and_fit(browser: Browser, tmp_path: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    where = build_site([front_results(3), facet_results(3, {"random": 0.0, HOSTILE: 0.01})], tmp_path).parent
    front = "problem/fronts-objectives-mod.html"
    for scheme, width in (("light", 375), ("dark", 1280)):
        context = browser.new_context(
            offline=True,
            color_scheme=scheme,
            viewport={"width": width, "height": 900},  # type: ignore[arg-type]
        )
        tab = context.new_page()
        for path in ("facets.html", front):
            tab.goto(f"{where.as_uri()}/{path}")
            open_all(tab)
            assert tab.evaluate("document.documentElement.scrollWidth") == width, path
            result = axe.Axe().run(tab)
            assert result.violations_count == 0, path + result.generate_report()
        table = tab.locator("#trainers-1-table")
        heading = table.locator("th[data-key=kl]")
        heading.locator("button").press("Enter")  # fewer is better: the least first
        assert heading.get_attribute("aria-sort") == "ascending"
        assert table.locator("tbody tr th").first.inner_text().startswith("reference")
        tab.locator(".legend.toggles input").first.uncheck()
        kinds = tab.locator("#series-1 figure svg.wide g.line-of").evaluate_all(
            "all => all.map(e => e.className.baseVal)"
        )
        assert sum("pale" in kind for kind in kinds) == 1
        assert tab.locator("#trainers-1 figure g.pale").count() == 0  # a trainer is no strategy
        context.close()


def test_print_shows_the_numbers(opened: Opener) -> None:
    with opened(PROBLEM, scheme="dark") as tab:
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        tab.emulate_media(media="print")
        assert tab.locator("details:not([open])").count() == 0
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert tab.locator(".tools:visible").count() == 0


def test_thousands_of_runs_can_be_read_sorted_and_filtered(opened: Opener, tmp_path: Path) -> None:
    problems, budgets = ["p0"], [10.0, 20.0, 40.0]
    strategies = {f"s{i:02}": i / 1000 for i in range(19)} | {"random": 0.0}
    curves = synthetic_curves(strategies, range(125), problems, budgets=budgets)
    where = build_site([Results(curves, meta(problems, budgets))], tmp_path).parent
    assert (where / "index.html").stat().st_size < 300_000
    assert len(list((where / "runs").iterdir())) == 5  # of at most 600 runs each, whole strategies
    with opened("runs/synthetic-p0-logistic-page-2.html", where=where) as tab:
        assert len(names(tab)) == 500
        strategy = tab.locator("table.ranking tbody td:nth-child(2)").first.inner_text()
        tab.locator("th[data-key=aubc] button").click()
        areas = tab.locator("table.ranking tbody td:nth-child(4)").evaluate_all("all => all.map(e => +e.dataset.sort)")
        assert areas == sorted(areas)
        tab.get_by_role("searchbox").fill(strategy)
        assert len(names(tab)) == 125
    with opened("index.html", where=where) as tab:
        assert (
            "2,500 runs · 1 setting · 20 strategies · 1 trainer · 1 data set · 125 seeds"
            in tab.locator("header").inner_text()
        )
