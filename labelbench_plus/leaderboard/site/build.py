"""Write the site: pages, drawings, downloads, in one folder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from labelbench_plus.leaderboard import csv_form
from labelbench_plus.leaderboard.charts.svg import standalone
from labelbench_plus.leaderboard.frame import facets_frame, series_frame, to_frame
from labelbench_plus.leaderboard.matrix import matrices
from labelbench_plus.leaderboard.reported import Reported
from labelbench_plus.leaderboard.results import Results, digest, meta_as_json
from labelbench_plus.leaderboard.site import pages
from labelbench_plus.leaderboard.site.combinations_page import PATH as COMBINATIONS_PAGE
from labelbench_plus.leaderboard.site.combinations_page import combinations_page
from labelbench_plus.leaderboard.site.compare_page import compare_page
from labelbench_plus.leaderboard.site.facets_page import PATH as FACETS_PAGE
from labelbench_plus.leaderboard.site.facets_page import facets_page
from labelbench_plus.leaderboard.site.front_page import front_page, matrix_views
from labelbench_plus.leaderboard.site.matrix_view import matrix_frame
from labelbench_plus.leaderboard.site.names import slug
from labelbench_plus.leaderboard.site.render import Page, render, script, style_of_drawings, stylesheet
from labelbench_plus.leaderboard.site.reported_page import PATH as REPORTED_PAGE
from labelbench_plus.leaderboard.site.reported_page import reported_page
from labelbench_plus.leaderboard.site.run_pages import runs_pages
from labelbench_plus.leaderboard.site.setting_page import setting_page
from labelbench_plus.leaderboard.tracks import gather
from labelbench_plus.store.atomic import replace

OURS = ("assets", "data", "figures", "problem", "runs", "strategy", "track")  # folders that a build may clean

SCHEMA = (
    ("run_id", "hash of everything that determines the run"),
    ("suite", "the suite that it belongs to"),
    ("problem", "what is learned, with all parameters that are not the default"),
    ("trainer", "how a model is trained on what was bought"),
    ("strategy", "how the items to buy were chosen"),
    ("seed", "seed of all random streams; equal seeds share split, first round and initial model"),
    ("round", "from 0"),
    ("labels", "items bought so far"),
    ("spent", "budget spent so far"),
    ("declared_validation_labels", "labels used beside the budget, for early stopping or tuning"),
    ("beside_…", "whatever else was used beside the budget, by name"),
    ("select_seconds, train_seconds, evaluate_seconds", "wall time of the round’s selection, training, evaluation"),
    ("select_peak_bytes, train_peak_bytes, evaluate_peak_bytes", "peak memory beyond what was already in use"),
    ("strategy.…, trainer.…, problem.…, annotator.…", "what each of them recorded about the round"),
    ("complete", "whether the run has all of its rounds"),
    ("the others", "metrics on the test split"),
)


def build_site(results: Sequence[Results], folder: Path, reported: Sequence[Reported] = ()) -> Path:
    """Write the whole site into `folder` and return the path of index.html.

    `reported`: what others published, on a page of its own.

    The same results give the same bytes. Each file is replaced in one step and the overview last, so that nobody meets
    half a page; files of an earlier build that are no longer part of the site are removed. ValueError if two results
    are of the same suite, since a run would then stand on the board twice.
    """
    boards = [each.board() for each in results]
    suites = [board.suite for board in boards]
    if twice := sorted({suite for suite in suites if suites.count(suite) > 1}):
        raise ValueError(f"several results of the suite(s) {', '.join(twice)}: pass each suite once")
    site = pages.make_site(results, boards, gather(boards))
    files: dict[str, bytes] = {}
    figures = []
    for track in site.tracks:
        path, content, drawn = pages.track_page(site, track)
        files[path] = content
        figures += drawn
    for member in site.members:
        path, content, drawn = setting_page(site, member)
        files[path] = content
        figures += drawn
        files |= dict(runs_pages(site, member))
    for name in site.strategies:
        path, content, drawn = pages.strategy_page(site, name)
        files[path] = content
        figures += drawn
    facets, drawn = facets_page(site)
    files |= facets
    for figure in [*figures, *drawn]:
        files[figure.file] = standalone(figure.wide, style_of_drawings()).encode()
    files["compare.html"] = compare_page(site)
    files["method.html"] = pages.method_page()
    files |= _downloads(site)
    for name, content in (stylesheet(), script()):
        files[f"assets/{name}"] = content
    combined = combinations_page(
        site.boards, {name: label for label, name in site.names.trainers.items()}, site.names.titles
    )
    files |= combined | reported_page(reported)
    parts = matrices(boards, site.source_facets)
    files["data/matrix.csv"] = csv_form.written(matrix_frame(parts))
    views = matrix_views(site, parts)
    files |= {view.file: standalone(view.picture(), "").encode() for view in views}
    files["index.html"] = front_page(site, parts, views, [each.title for each in reported], combined=bool(combined))
    return _write(files, folder)


def _downloads(site: pages.Site) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    boards = site.source_boards
    listed = pages.data_rows(site)
    for row, each, board in zip(listed, site.results, site.source_boards, strict=True):
        stem, csv = f"data/{slug(board.suite)}", each.ordered_csv()
        files |= {f"{stem}-curves.csv": csv, f"{stem}-board.json": meta_as_json(each.meta)}
        files[f"{stem}-curves.parquet"] = _parquet(pd.read_csv(io.BytesIO(csv)))
        ends = (
            ("-curves.csv", "CSV"),
            ("-curves.parquet", "Parquet"),
            ("-board.json", "what the board knows about them"),
        )
        row |= {"digest": digest(csv), "links": [(f"{stem}{end}", label) for end, label in ends]}
    table = pd.concat([to_frame(board) for board in boards], ignore_index=True) if boards else pd.DataFrame()
    files["data/table.csv"] = csv_form.written(table)
    files["data/table.json"] = (table.to_json(orient="records", indent=1, double_precision=15) + "\n").encode()
    files["data/table.parquet"] = _parquet(table)
    more = []
    for name, label, rows in (
        ("series", "Points of all series at every budget", series_frame(boards)),
        ("facets", "Comparisons along one facet at every budget", facets_frame(site.source_facets)),
    ):
        if len(rows):
            files[f"data/{name}.csv"] = csv_form.written(rows)
            more.append((f"data/{name}.csv", label))
    page = Page("data.html", f"Data · {pages.TITLE}", "Data")
    files["data.html"] = render("data", page, boards=listed, schema=SCHEMA, more=more)
    return files


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _write(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file() or target.read_bytes() != content:
            replace(target, content)
    for optional in (COMBINATIONS_PAGE, FACETS_PAGE, REPORTED_PAGE):
        if optional not in files:
            (folder / optional).unlink(missing_ok=True)
    for ours in OURS:
        for path in (folder / ours).glob("*"):
            if path.relative_to(folder).as_posix() not in files:
                path.unlink()
    return folder / "index.html"
