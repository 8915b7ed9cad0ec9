"""Write the site: pages, drawings, downloads, in one folder."""

from __future__ import annotations

import filecmp
import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow

from labelbench_plus.leaderboard import csv_form
from labelbench_plus.leaderboard.charts.svg import standalone
from labelbench_plus.leaderboard.frame import facets_frame, series_frame, to_frame
from labelbench_plus.leaderboard.matrix import matrices
from labelbench_plus.leaderboard.reported import Reported
from labelbench_plus.leaderboard.results import Results, meta_as_json
from labelbench_plus.leaderboard.runs import check_curves
from labelbench_plus.leaderboard.site import pages
from labelbench_plus.leaderboard.site.combinations_page import PATH as COMBINATIONS_PAGE
from labelbench_plus.leaderboard.site.combinations_page import combinations_page
from labelbench_plus.leaderboard.site.compare_page import compare_page
from labelbench_plus.leaderboard.site.facets_page import PATH as FACETS_PAGE
from labelbench_plus.leaderboard.site.facets_page import facets_page
from labelbench_plus.leaderboard.site.figures import Figure
from labelbench_plus.leaderboard.site.front_page import front_page, matrix_views
from labelbench_plus.leaderboard.site.matrix_view import matrix_frame
from labelbench_plus.leaderboard.site.names import slug
from labelbench_plus.leaderboard.site.render import Page, render, script, style_of_drawings, stylesheet
from labelbench_plus.leaderboard.site.reported_page import PATH as REPORTED_PAGE
from labelbench_plus.leaderboard.site.reported_page import reported_page
from labelbench_plus.leaderboard.site.run_pages import runs_pages
from labelbench_plus.leaderboard.site.setting_page import setting_page
from labelbench_plus.leaderboard.tracks import gather
from labelbench_plus.store.atomic import TEMPORARY, replacing, sweep_temporaries

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
    folder.mkdir(parents=True, exist_ok=True)
    sweep_temporaries(folder)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=folder) as beside:
        files = _Files(folder, Path(beside))
        _add_all(files, results, reported)
        files.appear()
    return folder / "index.html"


class _Files:
    """The files of a site: written beside their places while it is built, so that nothing holds them all."""

    def __init__(self, folder: Path, beside: Path) -> None:
        self._folder, self._beside, self._new = folder, beside, dict[str, Path]()

    def new(self, name: str) -> Path:
        """Where to write what becomes the file `name`."""
        return self._new.setdefault(name, self._beside / str(len(self._new)))

    def add(self, name: str, content: bytes, drawn: Iterable[Figure] = ()) -> None:
        """A file and the drawings on it."""
        self.new(name).write_bytes(content)
        for figure in drawn:
            self.add(figure.file, standalone(figure.wide, style_of_drawings()).encode())

    def appear(self) -> None:
        """Put them in their places, in the order in which they were added, and remove those of an earlier build."""
        for name, written in self._new.items():
            target = self._folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.is_file() or not filecmp.cmp(target, written, shallow=False):
                with replacing(target) as temporary:
                    written.rename(temporary)
        for optional in (COMBINATIONS_PAGE, FACETS_PAGE, REPORTED_PAGE):
            if optional not in self._new:
                (self._folder / optional).unlink(missing_ok=True)
        for ours in OURS:
            for path in (self._folder / ours).glob("*"):
                if path.relative_to(self._folder).as_posix() not in self._new:
                    path.unlink()


def _add_all(files: _Files, results: Sequence[Results], reported: Sequence[Reported]) -> None:
    for each in results:
        check_curves(each.curves, each.meta)
    pyarrow.default_memory_pool().release_unused()  # it keeps what sorting took
    suites = [each.suite for each in results]
    if twice := sorted({suite for suite in suites if suites.count(suite) > 1}):
        raise ValueError(f"several results of the suite(s) {', '.join(twice)}: pass each suite once")
    curves = [_add_curves(files, each) for each in results]  # first: they take most memory
    boards = [each.board() for each in results]
    pyarrow.default_memory_pool().release_unused()
    site = pages.make_site(results, boards, gather(boards))
    for track in site.tracks:
        files.add(*pages.track_page(site, track))
    for member in site.members:
        files.add(*setting_page(site, member))
        for path, content in runs_pages(site, member):
            files.add(path, content)
    for name in site.strategies:
        files.add(*pages.strategy_page(site, name))
    facets, drawn = facets_page(site)
    for path, content in facets.items():
        files.add(path, content, drawn)
    files.add("compare.html", compare_page(site))
    files.add("method.html", pages.method_page())
    _add_data(files, site, curves)
    trainers = {name: label for label, name in site.names.trainers.items()}
    combined = combinations_page(site.boards, trainers, site.names.titles)
    parts = matrices(boards, site.source_facets)
    views = matrix_views(site, parts)
    for path, content in (
        *((f"assets/{name}", content) for name, content in (stylesheet(), script())),
        *(combined | reported_page(reported)).items(),
        ("data/matrix.csv", csv_form.written(matrix_frame(parts))),
        *((view.file, standalone(view.picture(), "").encode()) for view in views),
        ("index.html", front_page(site, parts, views, [each.title for each in reported], combined=bool(combined))),
    ):
        files.add(path, content)


def _add_curves(files: _Files, results: Results) -> dict[str, object]:
    """What the page of downloads says of the files of some results: their digest, and links to them."""
    stem = f"data/{slug(results.suite)}"
    csv = files.new(f"{stem}-curves.csv")
    with open(csv, "wb") as file:
        results.write_curves(file)
    with open(csv, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    files.add(f"{stem}-board.json", meta_as_json(results.meta))
    pd.read_csv(csv).to_parquet(files.new(f"{stem}-curves.parquet"), index=False)
    pyarrow.default_memory_pool().release_unused()
    ends = (("-curves.csv", "CSV"), ("-curves.parquet", "Parquet"), ("-board.json", "what the board knows about them"))
    return {"digest": digest, "links": [(f"{stem}{end}", label) for end, label in ends]}


def _add_data(files: _Files, site: pages.Site, curves: Sequence[dict[str, object]]) -> None:
    boards = site.source_boards
    table = pd.concat([to_frame(board) for board in boards], ignore_index=True) if boards else pd.DataFrame()
    files.add("data/table.csv", csv_form.written(table))
    as_json = table.to_json(orient="records", indent=1, double_precision=15)
    files.add("data/table.json", f"{as_json}\n".encode())
    table.to_parquet(files.new("data/table.parquet"), index=False)
    more = []
    for name, label, rows in (
        ("series", "Points of all series at every budget", series_frame(boards)),
        ("facets", "Comparisons along one facet at every budget", facets_frame(site.source_facets)),
    ):
        if len(rows):
            files.add(f"data/{name}.csv", csv_form.written(rows))
            more.append((f"data/{name}.csv", label))
    listed = [row | of_results for row, of_results in zip(pages.data_rows(site), curves, strict=True)]
    page = Page("data.html", f"Data · {pages.TITLE}", "Data")
    files.add("data.html", render("data", page, boards=listed, schema=SCHEMA, more=more))
