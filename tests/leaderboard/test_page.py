"""The page in a real browser: offline, sorted rightly, readable without JavaScript and on a phone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from labelbench_plus.leaderboard import build, build_board, page
from labelbench_plus.leaderboard.formatting import sort_key

from .synthetic import STRATEGIES, meta, synthetic_curves

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = "<img src=x onerror=document.title='owned'>"
PROBLEMS = ["digits", "</script><b>fashion"]
META = meta(problems=PROBLEMS)
CURVES = synthetic_curves(
    STRATEGIES | {HOSTILE: 0.01, "Ωμέγα, long enough to need a second line or an ellipsis": -0.005}, problems=PROBLEMS
)
CURVES.loc[CURVES["strategy"] == "entropy", "select_seconds"] = float("nan")
CURVES = CURVES[~((CURVES["strategy"] == "badge") & (CURVES["seed"] == 3))]
BOARD = build_board(CURVES, META)


class Elements(HTMLParser):
    """Names and attributes of all elements of a page."""

    def __init__(self, shown: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(shown)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_is_one_closed_file() -> None:
    shown = page.render(BOARD, "0" * 64)
    elements = Elements(shown).found
    links = {attributes[name] for _, attributes in elements for name in ("href", "src") if name in attributes}
    files = {link for link in links if link and not link.startswith("#")}
    assert files == {"data:,", "curves.csv", "table.csv", "table.md"}
    tags = [tag for tag, _ in elements]
    assert not {"img", "b", "iframe", "object", "form"} & set(tags)
    assert tags.count("script") == tags.count("style") == 1
    assert not any(name == "style" or name.startswith("on") for _, attributes in elements for name in attributes)
    policy = next(attributes["content"] for _, attributes in elements if "http-equiv" in attributes)
    assert policy and policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    assert "@import" not in shown and "url(" not in shown
    assert shown == page.render(BOARD, "0" * 64)


def test_renders_boards_with_nothing_to_draw() -> None:
    for curves in (
        CURVES.iloc[:0],
        CURVES[CURVES["strategy"] == "margin"],
        CURVES[CURVES["seed"] == 0],
        CURVES.assign(complete=False),
    ):
        assert "Definitions" in page.render(build_board(curves, META), "0" * 64)
    one_shot = synthetic_curves(budgets=[100.0])
    shown = page.render(build_board(one_shot, meta(budgets=[100.0])), "0" * 64)
    assert "Learning curves" not in shown and "over all budgets" in shown


def test_settings_have_readable_and_distinct_anchors() -> None:
    curves = synthetic_curves(problems=["a b", "a-b", "§", "method"], seeds=range(2))
    shown = page.render(build_board(curves, meta(problems=["a b", "a-b", "§", "method"])), "0" * 64)
    ids = re.findall(r'<section class="setting" id="([^"]+)"', shown)
    assert len(set(ids)) == len(ids) == 5 and "a-b-logistic" in ids


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build(CURVES, META, tmp_path_factory.mktemp("board")).as_uri()


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


def open_all(tab: Page) -> None:
    tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")


Opener = Callable[..., AbstractContextManager["Page"]]


@pytest.fixture
def opened(browser: Browser, index: str) -> Opener:
    @contextmanager
    def open_page(
        width: int = 1440, scripts: bool = True, scheme: Literal["light", "dark"] = "light"
    ) -> Iterator[Page]:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            offline=True,
            java_script_enabled=scripts,
            color_scheme=scheme,
        )
        context.set_default_timeout(5000)
        tab = context.new_page()
        tab.goto(index)
        yield tab
        context.close()

    return open_page


def test_no_request_leaves_and_nothing_complains(browser: Browser, index: str) -> None:
    context = browser.new_context(offline=True)
    tab = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(index)
    for heading in tab.locator("table.ranking").first.locator("th button").all():
        heading.click()
    tab.locator("table.ranking tbody tr").first.hover()
    open_all(tab)
    tab.wait_for_load_state("networkidle")
    assert [url for url in requests if url not in (index, "data:,")] == []
    assert complaints == []
    context.close()


def test_hostile_names_stay_text(opened: Opener) -> None:
    with opened() as tab:
        assert tab.title() == META.title
        assert tab.locator("img, main b").count() == 0
        assert tab.get_by_role("rowheader", name=HOSTILE).count() >= 2


def test_sorting_equals_pythons(opened: Opener) -> None:
    with opened() as tab:
        table = tab.locator("table.ranking").first
        ours = BOARD.settings[0].table
        headings = table.locator("thead th")
        for shown in range(headings.count()):
            label = headings.nth(shown).inner_text().strip()
            j = next(j for j, column in enumerate(ours.columns) if column.label == label)
            before = table.locator("tbody th[scope=row]").all_inner_texts()
            for _ in range(2):
                headings.nth(shown).locator("button").click()
                direction = headings.nth(shown).get_attribute("aria-sort")
                by_name = {str(row[1]): sort_key(row[j]) for row in ours.rows}
                present = [name for name in before if by_name[name] is not None]
                absent = [name for name in before if by_name[name] is None]
                expected = sorted(present, key=by_name.__getitem__, reverse=direction == "descending") + absent  # type: ignore[arg-type]
                after = table.locator("tbody th[scope=row]").all_inner_texts()
                assert after == expected, (label, direction)
                assert table.locator("[aria-sort]").count() == 1
                before = after
        assert tab.locator("table.ranking").nth(1).locator("tbody th").all_inner_texts() == [
            str(row[1]) for row in BOARD.settings[1].table.rows
        ]


def test_the_keyboard_sorts_too(opened: Opener) -> None:
    with opened() as tab:
        tab.get_by_role("button", name="strategy").first.focus()
        tab.keyboard.press("Enter")
        names = tab.locator("table.ranking").first.locator("tbody th").all_inner_texts()
        assert names == sorted(names)
        tab.keyboard.press("Space")
        assert tab.locator("table.ranking").first.locator("tbody th").all_inner_texts() == sorted(names, reverse=True)


def test_pointing_at_a_strategy_brings_out_its_line(opened: Opener) -> None:
    with opened() as tab:
        tab.locator("table.ranking tbody tr", has_text="margin").first.hover()
        assert (
            tab.locator(".setting").first.locator(".charts.focused svg.wide g.lit title").first.text_content()
            == "margin"
        )


def test_without_scripts_everything_can_be_read(opened: Opener) -> None:
    with opened(scripts=False) as tab:
        assert tab.locator("table.ranking").count() == 2
        assert tab.locator("table.ranking").first.locator("tbody tr").count() == len(STRATEGIES) + 2
        assert tab.locator("table.ranking button").count() == 0
        assert tab.locator("figure svg.wide:visible").count() == 6
        assert tab.locator("figure details table").first.locator("tbody tr").count() == 10


@pytest.mark.parametrize(("width", "chart"), [(375, "narrow"), (768, "wide"), (1440, "wide")])
def test_fits_the_screen(opened: Opener, width: int, chart: str) -> None:
    with opened(width) as tab:
        open_all(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        assert tab.locator(f"figure svg.{chart}:visible").count() == 6
        assert tab.locator("figure svg[role=img]:visible").count() == 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    curves = synthetic_curves({"random": 0.0, "margin": 0.05, HOSTILE: 0.0}, seeds=range(3), budgets=[10.0, 20.0])
    curves = curves[~((curves["strategy"] == HOSTILE) & (curves["seed"] == 2))]  # warnings are looked at too
    context = browser.new_context(offline=True, color_scheme=scheme)
    tab = context.new_page()
    tab.goto(build(curves, meta(budgets=[10.0, 20.0]), tmp_path).as_uri())
    open_all(tab)
    result = axe.Axe().run(tab)
    assert result.violations_count == 0, result.generate_report()
    context.close()


def test_print_shows_the_numbers(opened: Opener) -> None:
    with opened(scheme="dark") as tab:
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        tab.emulate_media(media="print")
        assert tab.locator("details:not([open])").count() == 0
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
