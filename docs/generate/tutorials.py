"""The pictures of the tutorials: `make pictures` calls `python -m docs.generate.tutorials`.

Each tutorial is carried out as the tests do it, and what it ends in is kept under docs/pictures/tutorials: a drawing as
it is, a page of a site as a browser shows it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.carry_out import main as carry_out

DOCS = Path(__file__).parents[1]
CHROMIUM = "/usr/bin/chromium"
ENDS_IN = {"sweep": "pictures/curves.svg", "strategy": "site/index.html", "data": "pictures/curves.svg"}


def screenshot(page: Path) -> bytes:
    """The top of a page, down to the last row of its matrix."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page(viewport={"width": 800, "height": 960})
        shown.goto(page.as_uri())
        return shown.screenshot()


def main() -> int:
    """Draw them; how many tutorials failed."""
    failed = 0
    for name, end in ENDS_IN.items():
        with tempfile.TemporaryDirectory() as folder:
            if carry_out([DOCS / "tutorials" / f"{name}.md"], Path(folder)):
                failed += 1
                continue
            found = Path(folder) / end
            drawn = found.suffix == ".svg"
            to = DOCS / "pictures" / "tutorials" / f"{name}{'.svg' if drawn else '.png'}"
            to.parent.mkdir(exist_ok=True)
            to.write_bytes(found.read_bytes() if drawn else screenshot(found))
            print(f"drawing: {to}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
