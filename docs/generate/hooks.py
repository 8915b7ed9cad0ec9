"""Called by MkDocs: adds the pages that are made from the code and from files elsewhere in the repository.

A forge shows the files of `docs/` as they are committed. So a page that is made from the code has a committed stub,
which the page replaces here, and links lead to the file that a page is made of, which are turned here into links to the
page.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import catalogue
import commands
import notebook
import outside
import reference
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
FROM_CODE = {
    "methods.md": catalogue.methods,
    "plugins.md": catalogue.plugins,
    "reference/python.md": reference.python,
    "reference/contracts.md": reference.contracts,
    "reference/primitives.md": reference.primitives,
    "reference/commands.md": commands.commands,
    "reference/check.md": outside.check,
}
FROM_FILES = {
    "howto/slurm.md": "slurm/README.md",
    "howto/pairs.md": "benchmarks/selections/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    **{
        f"notebooks/{path.stem}.md": f"docs/notebooks/{path.name}"
        for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
    },
}
PAGES = {file: page for page, file in FROM_FILES.items()}
LINK = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages before the navigation is made."""
    for name, made in FROM_CODE.items():
        files.remove(files.get_file_from_path(name))  # its stub
        files.append(File.generated(config, name, content=made()))
    for name, source in FROM_FILES.items():
        path = ROOT / source
        text = notebook.as_page(path) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links between files of the repository as links between pages."""
    return relinked(markdown, page.file.src_uri)


def relinked(markdown: str, page: str) -> str:
    """The text with each link that leads to the source of a page, relative to the page's own source, leading to it."""
    here = posixpath.dirname(FROM_FILES.get(page, f"docs/{page}"))

    def link(found: re.Match[str]) -> str:
        leads_to = posixpath.normpath(posixpath.join(here, found[1]))
        to = PAGES.get(leads_to, leads_to.removeprefix("docs/"))
        return f"]({posixpath.relpath(to, posixpath.dirname(page) or '.')}{found[2] or ''})"

    return LINK.sub(link, markdown)
