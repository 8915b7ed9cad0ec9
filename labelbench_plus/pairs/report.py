"""What a selection kept and dropped, and why: counts, score histograms, overlaps, and the truth where it is known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelbench_plus.pairs.uids import intersection, read_uids
from labelbench_plus.pairs.workspace import Workspace
from labelbench_plus.plugins import label
from labelbench_plus.shown import markdown, markdown_line
from labelbench_plus.store.atomic import replace

BINS = 40
BAR = "▁▂▃▄▅▆▇█"


def write_report(workspace: Workspace, others: Sequence[Path] = ()) -> dict[str, Any]:
    """Describe a finished selection in `report.json` and `report.md`, and return the former's content.

    Parameters
    ----------
    others: uid files to compare with.
    """
    found = {
        "selection": workspace.folder.name,
        "strategy": label(workspace.selection.strategy),
        "pool": label(workspace.selection.pool),
        "rows": workspace.rows,
        "kept": len(read_uids(workspace.kept)),
        "stages": [_stage(workspace, number) for number in range(len(workspace.stages))],
        "kinds": _kinds(workspace),
        "overlaps": [_overlap(workspace.kept, path) for path in others],
    }
    replace(workspace.folder / "report.json", json.dumps(found, indent=1).encode() + b"\n")
    replace(workspace.folder / "report.md", _text(found).encode())
    return found


def _stage(workspace: Workspace, number: int) -> dict[str, Any]:
    """How many were in, stayed, had no score, were equal to the last that stayed; and the scores' histogram."""
    stage, cut = workspace.stages[number], workspace.cut(number)
    limit = cut.score
    low, high = np.inf, -np.inf
    total = without = tied = kept = 0
    for shard in range(len(workspace.shards)):
        _, _, scores = workspace.scored(number, shard)
        finite = scores[np.isfinite(scores)]
        total, without = total + len(scores), without + int((scores == -np.inf).sum())
        tied += int((scores == limit).sum())
        if len(finite):
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    edges = np.linspace(low, high, BINS + 1) if low < high else np.array([low, low + 1.0])
    counts, stayed = np.zeros(len(edges) - 1, dtype=np.int64), np.zeros(len(edges) - 1, dtype=np.int64)
    for shard in range(len(workspace.shards)):
        scores = workspace.scored(number, shard)[2]
        counts += np.histogram(scores[np.isfinite(scores)], edges)[0]
    for _, _, scores in workspace.survivors(number):
        stayed += np.histogram(scores[np.isfinite(scores)], edges)[0]
        kept += len(scores)
    known = np.isfinite(low)
    return {
        "strategy": label(stage.scorer),
        "in": total,
        "kept": kept,
        "without_score": without,
        "below_cut": total - kept - without,
        "threshold": float(limit) if np.isfinite(limit) else None,
        "equal_to_threshold": tied,
        "edges": edges.tolist() if known else [],
        "counts": counts.tolist() if known else [],
        "kept_counts": stayed.tolist() if known else [],
    }


def _kinds(workspace: Workspace) -> dict[str, dict[str, int]] | None:
    """For each kind of pair how many there are and how many were kept, if the pool knows."""
    everybody, kept = Counter[str](), Counter[str]()
    last = len(workspace.stages) - 1
    for shard, (rows, _, _) in enumerate(workspace.survivors(last)):
        kinds = workspace.pool.kinds(shard)
        if kinds is None:
            return None
        everybody.update(kinds.tolist())
        kept.update(kinds[rows].tolist())
    return {kind: {"in": everybody[kind], "kept": kept[kind]} for kind in sorted(everybody)}


def _overlap(kept: Path, other: Path) -> dict[str, Any]:
    ours, theirs = read_uids(kept), read_uids(other)
    common = len(intersection(ours, theirs))
    return {
        "with": other.parent.name + "/" + other.name,
        "size": len(theirs),
        "common": common,
        "share_of_ours": common / len(ours) if len(ours) else None,
        "jaccard": common / (len(ours) + len(theirs) - common) if len(ours) or len(theirs) else None,
    }


def _text(found: dict[str, Any]) -> str:
    lines = [
        f"# Selection {markdown(found['selection'])}",
        "",
        f"{markdown_line(found['strategy'])} on {markdown(found['pool'])}: ",
    ]
    lines[-1] += f"{found['kept']:,} of {found['rows']:,} pairs kept."
    for number, stage in enumerate(found["stages"], start=1):
        lines += ["", f"## Stage {number}: {markdown(stage['strategy'])}", ""]
        lines.append(f"{stage['in']:,} in, {stage['kept']:,} kept, {stage['below_cut']:,} below the cut, ")
        lines[-1] += f"{stage['without_score']:,} without a score (zero or non-finite vectors, or none stored)."
        if stage["threshold"] is not None:
            lines += [
                "",
                f"Cut at {stage['threshold']:.6g}; {stage['equal_to_threshold']:,} rows have exactly that score.",
            ]
        if stage["edges"]:
            ends = f"from {stage['edges'][0]:.4g} to {stage['edges'][-1]:.4g}"
            lines += ["", f"    all   {_bars(stage['counts'])}", f"    kept  {_bars(stage['kept_counts'])}  {ends}"]
    if found["kinds"]:
        lines += [
            "",
            "## What the pairs really are",
            "",
            "| kind | in the pool | kept | share of kept |",
            "|---|---|---|---|",
        ]
        for kind, count in found["kinds"].items():
            share = count["kept"] / found["kept"] if found["kept"] else 0.0
            lines.append(f"| {markdown(kind)} | {count['in']:,} | {count['kept']:,} | {share:.1%} |")
    if found["overlaps"]:
        lines += ["", "## Beside other selections", "", "| selection | size | common | share of ours | Jaccard |"]
        lines.append("|---|---|---|---|---|")
        for each in found["overlaps"]:
            shares = [f"{each[name]:.1%}" if each[name] is not None else "" for name in ("share_of_ours", "jaccard")]
            lines.append(f"| {markdown(each['with'])} | {each['size']:,} | {each['common']:,} | {' | '.join(shares)} |")
    return "\n".join([*lines, ""])


def _bars(counts: list[int]) -> str:
    top = max(max(counts), 1)
    return "".join(" " if not count else BAR[min(7, count * 8 // top)] for count in counts)
