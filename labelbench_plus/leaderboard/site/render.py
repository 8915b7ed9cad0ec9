"""Templates, and the two files that all pages share."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jinja2

from labelbench_plus.shown import printable


@dataclass(frozen=True)
class Page:
    """What every page has: its path in the site, its title, its heading, the way to it (path and label)."""

    path: str
    title: str
    heading: str
    crumbs: tuple[tuple[str, str], ...] = ()

    @property
    def root(self) -> str:
        """From the page to the site's folder."""
        return "../" * self.path.count("/")


def render(template: str, page: Page, **context: Any) -> bytes:
    """The page as bytes; `context` is what the template asks for."""
    shared = {"page": page, "assets": {"css": stylesheet()[0], "js": script()[0]}}
    return _environment().get_template(f"{template}.html.j2").render(**shared, **context).encode()


@cache
def stylesheet() -> tuple[str, bytes]:
    """Name and content of the style sheet; the name changes with the content."""
    return _named(
        "site", "css", "".join(_asset(name) for name in ("palette.css", "page.css", "matrix.css", "charts.css"))
    )


@cache
def script() -> tuple[str, bytes]:
    """Name and content of the script."""
    return _named("site", "js", "".join(_asset(name) for name in ("site.js", "matrix.js")))


@cache
def style_of_drawings() -> str:
    """The style of a drawing that stands alone: the light palette, written out, since few programs read variables."""
    palette = dict(re.findall(r"--([\w-]+): ([^;]+);", _asset("palette.css").partition("}")[0]))
    return re.sub(r"var\(--([\w-]+)\)", lambda match: palette[match[1]], _asset("charts.css"))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    environment.filters["printable_lines"] = lambda text: "\n".join(map(printable, text.split("\n")))
    return environment


def _named(stem: str, ending: str, content: str) -> tuple[str, bytes]:
    return f"{stem}-{hashlib.sha256(content.encode()).hexdigest()[:10]}.{ending}", content.encode()


def _asset(name: str) -> str:
    return resources.files("labelbench_plus.leaderboard").joinpath("templates", name).read_text(encoding="utf-8")
