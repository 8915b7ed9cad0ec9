"""Called by MkDocs: adds the pages that are made from the code and from files elsewhere in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catalogue
import commands
import notebook
import outside
import reference
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages before the navigation is made."""
    pages = {
        "methods.md": catalogue.methods(),
        "plugins.md": catalogue.plugins(),
        "reference/python.md": reference.python(),
        "reference/contracts.md": reference.contracts(),
        "reference/primitives.md": reference.primitives(),
        "reference/commands.md": commands.commands(),
        "reference/check.md": outside.check(),
        "howto/slurm.md": (ROOT / "slurm" / "README.md").read_text(encoding="utf-8"),
        "howto/pairs.md": (ROOT / "benchmarks" / "selections" / "README.md").read_text(encoding="utf-8"),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("(docs/", "("),
    }
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        pages[f"notebooks/{path.stem}.md"] = notebook.as_page(path)
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files
