"""The pages of runs: what every run scored and cost, and where it comes from."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from labelbench_plus.leaderboard.site.names import slug
from labelbench_plus.leaderboard.site.pages import TITLE, Member, Site, run_ids, runs_href
from labelbench_plus.leaderboard.site.provenance import shared_and_differing
from labelbench_plus.leaderboard.site.render import Page, render
from labelbench_plus.leaderboard.site.tables import table_view
from labelbench_plus.leaderboard.statistics import areas_under_budget_curves
from labelbench_plus.leaderboard.table import Cell, Column, Table

RUNS_A_PAGE = 600


def runs_pages(site: Site, member: Member) -> list[tuple[str, bytes]]:
    """The runs of a setting, with what is known of where they come from: path and content of each page.

    A page holds whole strategies, and no more than `RUNS_A_PAGE` runs unless one strategy alone has more: longer tables
    are slow to sort in a browser.
    """
    parts: list[list[str]] = [[]]
    counts = {name: len(runs) for name, runs in member.setting.runs.shown.items()}
    for name in member.setting.table.names():
        if parts[-1] and sum(counts[one] for one in parts[-1]) + counts[name] > RUNS_A_PAGE:
            parts.append([])
        parts[-1].append(name)
    paths = [runs_href(member, number) for number in range(1, len(parts) + 1)]
    labels = [part[0] if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts if part]
    others = list(zip(paths, labels, strict=False)) if len(parts) > 1 else []
    return [(path, _runs_page(site, member, path, part, others)) for path, part in zip(paths, parts, strict=True)]


def _runs_page(
    site: Site, member: Member, path: str, strategies: Sequence[str], others: Sequence[tuple[str, str]]
) -> bytes:
    setting, board = member.setting, member.board
    records = site.records_of(board)
    ids = run_ids(setting)
    facts, each = shared_and_differing(records, ids)
    meta = board.meta
    columns = (
        Column("run", "run", "label", "hash of everything that determines the run"),
        Column("strategy", "strategy", "text", "how labels were chosen"),
        Column("seed", "seed", "count", "seed of all random streams"),
        Column("aubc", "AUBC", "number", f"area under the budget curve of {meta.metric}"),
        Column("final", f"final {meta.metric}", "number", f"{meta.metric} once the whole budget is spent"),
        Column("select_seconds", "select (s)", "seconds", "seconds spent on selection in the whole run"),
        Column("train_seconds", "train (s)", "seconds", "seconds spent on training in the whole run"),
        Column("evaluate_seconds", "evaluate (s)", "seconds", "seconds spent on evaluation in the whole run"),
        Column("badge", "trust", "text", "how far it was verified"),
        Column("differs", "differs in", "text", "where it differs from what all runs share"),
    )
    rows: list[tuple[Cell, ...]] = []
    names = []
    for name in strategies:
        runs = sorted(setting.runs.shown[name].items())
        areas = areas_under_budget_curves(setting.budgets, [run.values for _, run in runs]).tolist() if runs else []
        for (seed, run), area in zip(runs, areas, strict=True):
            names.append(name)
            rows.append(
                (
                    run.run_id,
                    name,
                    seed,
                    area,
                    float(run.values[-1]),
                    run.select_seconds if math.isfinite(run.select_seconds) else None,
                    run.train_seconds if math.isfinite(run.train_seconds) else None,
                    run.evaluate_seconds if math.isfinite(run.evaluate_seconds) else None,
                    site.trust(board, run.run_id),
                    each[run.run_id] or None,
                )
            )
    view = table_view(
        Table(columns, tuple(rows)),
        "runs",
        f"Runs, {setting.name}",
        meta.higher_is_better,
        "",
        details=True,
        anchors=[f"run-{slug(str(row[0]))}" for row in rows],
        names=names,
    )
    crumbs = (("index.html", "Overview"), (member.href, setting.name), ("", "Runs"))
    page = Page(path, f"Runs of {setting.name} · {TITLE}", f"Runs of {setting.name}", crumbs)
    left_out = [warning for warning in setting.warnings if "left out" in warning]
    configs = _configs(site, member, strategies)
    return render("runs", page, facts=facts, view=view, configs=configs, notes=left_out, others=others)


def _configs(site: Site, member: Member, strategies: Sequence[str]) -> list[tuple[str, str, str]]:
    """For every strategy with a manifest, everything that determines its runs except the seed: name, anchor, JSON."""
    records, found = site.records_of(member.board), []
    for name in strategies:
        for run in member.setting.runs.shown[name].values():
            if run.run_id in records:
                config = dict(records[run.run_id]["config"])  # type: ignore[call-overload]
                config.pop("seed", None)
                found.append((name, f"config-{site.strategies[name]}", json.dumps(config, indent=1, sort_keys=True)))
                break
    return found
