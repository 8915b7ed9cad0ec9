"""A notebook as a page: its text, and its code as it stands."""

from __future__ import annotations

import json
from pathlib import Path


def as_page(path: Path) -> str:
    parts = [f"*This page is the notebook `docs/notebooks/{path.name}`.*"]
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    title, *rest = parts[1].split("\n", 1)
    return "\n\n".join([title, parts[0], *rest, *parts[2:]])
