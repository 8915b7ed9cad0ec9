"""How `lbp show --details` shows what an evaluation said beyond scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS, WIDEST = 10, 40


def shown(tables: Mapping[str, pd.DataFrame]) -> str:
    """The beginning of each table, and how long it is."""
    blocks = []
    for name, table in tables.items():
        text = table.head(MOST_ROWS).to_string(max_colwidth=WIDEST)
        lines = [f"{name}: {len(table):,} rows", *(f"  {line}" for line in text.splitlines())]
        if len(table) > MOST_ROWS:
            lines.append(f"  and {len(table) - MOST_ROWS:,} more: labelbench_plus.run_details has them all")
        blocks.append("\n".join(lines))
    return "\n".join(blocks)
