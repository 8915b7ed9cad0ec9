"""Results as a folder: learning curves and what a board must know of them, readable without the plugins behind them.

board.json       title, metric, baseline, budgets, what each problem declares, badges (`BoardMeta`)
curves.csv       one row a run and round (columns in `runs.COLUMNS`, then the metrics); a long one is curves.csv.gz
runs.jsonl.gz    optional: every run whole (`store/archive.py`); its manifests are shown beside the runs
badges.json      optional: how far those runs were verified, by whoever checked them
table.md, .csv   the rankings, for a README and for further work

`lbp publish` and importers write such folders; `lbp leaderboard build` and `lbp compare` read them.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pandas as pd

from labelbench_plus.contracts.scores import Guard, Series, SeriesColumn, ShownScore
from labelbench_plus.inputs import plain_json
from labelbench_plus.leaderboard import csv_form, curves_file, markdown
from labelbench_plus.leaderboard.badges import Again, read_badges, read_rounds
from labelbench_plus.leaderboard.board import Board, build_board
from labelbench_plus.leaderboard.frame import to_frame
from labelbench_plus.leaderboard.runs import About, BoardMeta
from labelbench_plus.shown import printable
from labelbench_plus.store.atomic import replace

FORMAT = 1
TABLE_CSV, TABLE_MD = "table.csv", "table.md"
LABELS = ("run_id", "suite", "problem", "trainer", "strategy")  # columns of curves.csv that hold texts
LONGEST_QUOTE = 200
IDENTITY = "identity"  # in a manifest: what the config says and what the data are, so that no two runs have the same
WITHIN: plain_json.Within = {"config": {}, "manifest": {IDENTITY: {}}}  # what is read of it in parts
RUN = b',"run":'  # before the id that a line of an archive ends with
LATER = ("series", "knows_truth", "averaged", "facet_roles", "shown", "guards")  # fields of `About`
SUBMISSION = "submission.json"
"""The name of the file in which somebody signs a folder of results: its words are theirs."""


class ResultsError(Exception):
    """A folder of results cannot be used. The message names the file, what is wrong and what would be right."""


@dataclass(frozen=True, eq=False)
class Results:
    """Learning curves of one suite and what a board must know of them.

    `records`: by run id what is known of where it comes from (`config`, `manifest`), for those runs of which it is.
    `again`: by run id which rounds those who checked did again, for runs with such a badge. `sent_by`: who signed them;
    empty of the benchmark's own.
    """

    curves: pd.DataFrame
    meta: BoardMeta
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    again: Mapping[str, Again] = field(default_factory=dict)
    sent_by: str = ""

    @property
    def suite(self) -> str:
        """The suite that its runs belong to; empty without runs."""
        return str(self.curves["suite"].iloc[0]) if len(self.curves) else ""

    def board(self) -> Board:
        """The board of these results."""
        return build_board(self.curves, self.meta)

    def write_curves(self, file: IO[bytes]) -> None:
        """Write the curves as CSV, in an order that does not depend on the order of the rows."""
        keys = ["problem", "trainer", "strategy", "seed", "run_id", "round"]
        csv_form.write(self.curves.sort_values(keys, kind="stable"), file)

    def tables(self) -> dict[str, bytes]:
        """The rankings as files, by name."""
        board = self.board()
        csv = csv_form.written(to_frame(board))
        return {TABLE_CSV: csv, TABLE_MD: markdown.render(board).encode()}


def write_results(results: Results, folder: Path) -> None:
    """Write board.json, the curves, table.csv and table.md into `folder`: the same results give the same bytes."""
    tables = results.tables()
    folder.mkdir(parents=True, exist_ok=True)
    curves_file.write(folder, len(results.curves), results.write_curves)
    for name, content in tables.items():
        replace(folder / name, content)
    replace(folder / "board.json", meta_as_json(results.meta))


def read_results(folder: Path) -> Results:
    """Read what `write_results` wrote, and the runs beside it if they are there.

    Title and notes of a folder that somebody signed are shown as theirs, in quotation marks.

    Raises
    ------
    ResultsError
        A file is missing or is not what it should be.
    """
    results, archive = read_tables(folder), folder / "runs.jsonl.gz"
    try:
        meta = dataclasses.replace(results.meta, badges={**results.meta.badges, **read_badges(folder)})
        who = ""
        if (folder / SUBMISSION).is_file():
            who = str(plain_json.read_file(folder / SUBMISSION)["who"])
            meta = _as_theirs(meta, results.curves, who)
        records = _records(archive) if archive.is_file() else {}
        return Results(results.curves, meta, records, read_rounds(folder), who)
    except (ValueError, KeyError, TypeError, OSError, EOFError, zlib.error) as error:
        raise ResultsError(f"{error.__class__.__name__} in {folder}: {error}") from error


def read_tables(folder: Path) -> Results:
    """Curves and board alone, with title and notes as they were written.

    Raises
    ------
    ResultsError
        A file is missing or is not what it should be.
    """
    board = folder / "board.json"
    try:
        curves = curves_file.find(folder)
    except ValueError as error:
        raise ResultsError(str(error)) from error
    for path in (board, curves):
        if not path.is_file():
            raise ResultsError(f"{folder}: no {path.name}; a folder of results is what `lbp publish` writes")
    try:
        meta = meta_from_json(board.read_bytes())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f"{board}: not a board of format {FORMAT}: {error!r}") from error
    try:
        return Results(csv_form.read(curves_file.read(curves), dict.fromkeys(LABELS, str)), meta)
    except (ValueError, KeyError, OSError) as error:
        raise ResultsError(f"{error.__class__.__name__} in {folder}: {error}") from error


def meta_as_json(meta: BoardMeta) -> bytes:
    """board.json: sorted, indented, ending in a newline."""
    record = {"format": FORMAT, **dataclasses.asdict(meta)}
    for name in ("metric", "baseline"):  # what the curves beside it call by the same name
        record[name] = printable(record[name])
    for name in ("budgets", "slack", "problems"):
        record[name] = {printable(problem): value for problem, value in record[name].items()}
    for about in record["problems"].values():
        for later in LATER:  # boards were published before there were any
            if not about[later]:
                del about[later]
    for later in ("bounds", "titles"):  # likewise
        if not record[later]:
            del record[later]
    return (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()


def meta_from_json(content: bytes) -> BoardMeta:
    """What `meta_as_json` wrote.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        It is something else.
    """
    record: dict[str, Any] = plain_json.read(content)
    if record.pop("format") != FORMAT:
        raise ValueError("another format")
    record["budgets"] = {problem: tuple(map(float, grid)) for problem, grid in record["budgets"].items()}
    record["problems"] = {problem: _about(about) for problem, about in record.get("problems", {}).items()}
    for name in ("notes", "bounds"):
        record[name] = tuple(map(str, record.get(name, ())))
    record["titles"] = {str(label): str(title) for label, title in record.get("titles", {}).items()}
    meta = BoardMeta(**record)
    words, tables = (meta.title, meta.metric, meta.baseline, meta.badge), (meta.slack, meta.badges, meta.defects)
    if not all(isinstance(each, str) for each in words) or not all(isinstance(each, dict) for each in tables):
        raise TypeError("title, metric, baseline and badge are texts; slack, badges and defects go by name")
    return meta


def _as_theirs(meta: BoardMeta, curves: pd.DataFrame, who: str) -> BoardMeta:
    """A board with the words of who sent it in quotation marks: nobody here has said them."""
    named = {meta.title} == set(curves["suite"])
    title = meta.title if named else f"{_quoted(meta.title)} in the words of who sent it"
    notes = tuple(f"{_quoted(note)}, says who sent it" for note in meta.notes)
    return dataclasses.replace(meta, title=f"{title} (sent by {_quoted(who)})", notes=notes)


def _quoted(text: str) -> str:
    """Somebody's words, which can end the quotation by none of their own marks."""
    shown = re.sub('[“”„‟"]', "'", text)
    return f"“{shown if len(shown) <= LONGEST_QUOTE else shown[:LONGEST_QUOTE] + '…'}”"


def _about(record: dict[str, Any]) -> About:
    series = tuple(
        Series(
            each["name"],
            each["parameter"],
            tuple(each["at"]),
            tuple(SeriesColumn(**column) for column in each["columns"]),
            tuple(each["chart"]) if each["chart"] else None,
            tuple(each.get("given", ())),
        )
        for each in record.get("series", ())
    )
    shown = tuple(ShownScore(**each) for each in record.get("shown", ()))
    guards = tuple(Guard(**each) for each in record.get("guards", ()))
    return About(**{**record, "series": series, "shown": shown, "guards": guards})


def _records(archive: Path) -> dict[str, dict[str, Any]]:
    with gzip.open(archive, "rb") as lines:
        return dict(_origins(iter(lambda: lines.readline(plain_json.MOST_BYTES + 1), b"")))


def _origins(lines: Iterable[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What runs are and where they come from, by id. Results and rounds, by far the most of a line, are passed over:
    keys are in order, so that they stand between manifest and id. What many lines hold alike is read and kept once."""
    known: dict[bytes, Any] = {}

    def once(text: bytes) -> Any:
        if text not in known:
            known[text] = plain_json.read(text)
        return known[text]

    def each(of: Mapping[str, bytes]) -> dict[str, Any]:
        return {name: once(value) for name, value in of.items()}

    for line in lines:
        of_run = plain_json.parts(line, "manifest", WITHIN)
        of_run = of_run if "config" in of_run else plain_json.parts(line, within=WITHIN)
        manifest = of_run["manifest"]
        identity = {IDENTITY: each(manifest.pop(IDENTITY))} if IDENTITY in manifest else {}
        run = of_run["run"] if "run" in of_run else line[line.rindex(RUN) + len(RUN) :].rstrip()[:-1]
        yield plain_json.read(run), {"config": each(of_run["config"]), "manifest": each(manifest) | identity}
