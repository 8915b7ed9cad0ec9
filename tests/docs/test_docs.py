"""The documentation builds strictly and asks nobody else for anything; test_carried_out.py does what it shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, missing

mkdocs = pytest.importorskip("material", reason="the documentation needs mkdocs-material: pip install '.[dev]'")
CHROMIUM = "/usr/bin/chromium"
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    identifiers = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identifiers)) == len(identifiers)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-6000:]
    return folder


def test_the_site_asks_no_other_host_for_anything(site):
    asked = re.compile(r"<(?:link|script|img|iframe)\b[^>]*\b(?:href|src)=[\"']?(?:https?:)?//[^>]*>")
    imported = re.compile(r"@import|url\(\s*[\"']?(?:https?:)?//")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    found = [f"{page.name}: {match[0]}" for page in pages for match in asked.finditer(page.read_text(encoding="utf-8"))]
    found += [style.name for style in site.rglob("*.css") if imported.search(style.read_text(encoding="utf-8"))]
    assert not found


def test_searching_works_from_the_folder_alone_and_asks_nobody(site):
    api = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip(f"needs {CHROMIUM}")
    asked: list[str] = []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "index.html").as_uri())
        page.wait_for_function("typeof __index === 'object' && document.querySelector('iframe')")
        page.locator(".md-search__input").click()
        page.keyboard.type("ledger", delay=50)
        page.wait_for_selector(".md-search-result__link[href*='glossary']", state="attached", timeout=60_000)
        browser.close()
    assert not [url for url in asked if not url.startswith(("file:", "about:", "data:"))]


def test_the_catalogue_has_every_method_and_the_reference_every_command(site):
    from labelbench_plus.plugins import registry

    methods = (site / "methods.html").read_text(encoding="utf-8")
    built_in = [name for name, entry in registry("strategies").entries().items() if entry.origin == "built in"]
    assert not [name for name in built_in if f'id="{name}"' not in methods]
    commands = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    for command in ("lbp run", "lbp sweep submit", "lbp leaderboard build", "lbp config hash"):
        assert f"{command}<" in commands


def test_a_block_nobody_would_run_is_refused():
    assert blocks("<!-- file: a.py -->\n```python\nx = 1\n```\n")[0].rest == "a.py"
    assert blocks("```bash\nlbp list\n```\n")[0].verb == ""
    for wrong in (
        "```sh\nlbp list\n```\n",
        "```yaml\na: 1\n```\n",
        "<!-- skip -->\n```bash\nlbp list\n```\n",
        "<!-- not run -->\n```bash\nlbp list\n```\n",
        "  ```bash\n  lbp list\n  ```\n",
    ):
        with pytest.raises(ValueError):
            blocks(wrong)


def test_what_a_page_shows_is_looked_for_line_by_line():
    assert missing("a ... c\n...\nd\n", "x\na  b c\ny\nd") == ""
    assert missing("a\nb\n", "b\na\n") == "b"
