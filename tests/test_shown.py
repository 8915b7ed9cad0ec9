"""Names from anybody are read, never obeyed: by a terminal, a spreadsheet, a Markdown page, a browser."""

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard import csv_form
from labelbench_plus.leaderboard.combinations import report as combined
from labelbench_plus.leaderboard.compare import report as compared
from labelbench_plus.leaderboard.results import Results, read_results, write_results
from labelbench_plus.leaderboard.site import build_site
from labelbench_plus.leaderboard.text import render
from labelbench_plus.leaderboard.tracks import gather
from labelbench_plus.plugins import label
from labelbench_plus.shown import FORMULA, csv_cell, from_csv_cell, markdown, markdown_line, printable, say
from labelbench_plus.submission.findings import Finding
from tests.leaderboard import synthetic

CODES = "\x1b[31m\x07\x9b2J\u202e\u2066\u200f\r\x00"
HOSTILE = (
    f"=HYPERLINK(1){CODES}",
    f"+1{CODES}",
    f"-2+3|cmd{CODES}",
    f"@SUM(A1)\n| forged | row |{CODES}",
    f"\t=1{CODES}",
    f"<script>alert(1)</script>{CODES}",
    f"1. [here](javascript:alert(1)) https://evil.example www.evil.example `x` # a\n\n# b{CODES}",
)
PAGE = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ADDRESS = re.compile(r"(?i)https?:|www[.]|(?<!\\)@")
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


def obeyed(text):
    """Characters that a terminal or a line of text obeys."""
    return OBEYED.findall(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_is_no_formula_and_comes_back(text):
    cell = csv_cell(text)
    assert not cell.startswith((*FORMULA, "\t", "\r")) and not obeyed(cell)
    assert from_csv_cell(cell) == printable(text)


@pytest.mark.parametrize("text", ["=1", "'=1", "''+1", "'quoted'", "plain", "", "-", "'", "−0.5", "＝1"])
def test_cells_come_back_whatever_they_begin_with(text):
    assert from_csv_cell(csv_cell(text)) == text
    assert not csv_cell(text).startswith(FORMULA)


def test_numbers_stay_numbers_and_names_of_columns_are_texts():
    table = pd.DataFrame({"name": ["=1", None, "a"], "=gain": [-0.5, np.nan, 2.0], "count": [-3, 4, 5]})
    lines = list(csv.reader(io.StringIO(csv_form.written(table).decode())))
    assert lines == [["name", "'=gain", "count"], ["'=1", "-0.5", "-3"], ["", "", "4"], ["a", "2.0", "5"]]
    back = csv_form.read(csv_form.written(table), {"name": str})
    assert list(back.columns) == list(table.columns)
    assert back["name"].tolist() == ["=1", "", "a"] and back["=gain"].tolist()[0] == -0.5
    assert csv_form.written(pd.DataFrame()) == pd.DataFrame().to_csv(index=False, lineterminator="\n").encode()


@pytest.mark.parametrize(
    "text", [*HOSTILE, "- item", "+ item", "=====", "> quoted", "12) item", "    code", "a@b.example"]
)
def test_markdown_shows_the_text_and_nothing_else(text):
    page = PAGE.render(f"before\n\n{markdown_line(text)}\n")
    assert re.findall("<[^>]*>", page) == ["<p>", "</p>", "<p>", "</p>"], page
    table = PAGE.render(f"| a | b |\n|---|---|\n| {markdown(text)} | 1 |\n")
    assert set(re.findall("<([a-z]+)", table)) == {"table", "thead", "tr", "th", "tbody", "td"}, table
    assert table.count("<td>") == 2 and not obeyed(page)
    assert not ADDRESS.search(markdown(text))  # which GitHub would make a link of


def test_what_is_said_is_not_obeyed_and_keeps_its_lines(capsys):
    say(f"one{CODES}", "two\n\tthree", end="!\n")
    shown = capsys.readouterr().out
    assert shown.endswith("two\n\tthree!\n") and not obeyed(shown) and "\\u001b[31m" in shown
    assert "\n" not in str(Finding("file\n", f"what{CODES}", "run", "field", "=1\n", "2"))


def names_in(**replaced):
    """Curves and board with hostile names wherever a name can be."""
    curves = synthetic.synthetic_curves(trainers=("logistic", "net"))
    meta = synthetic.meta()
    for number, column in enumerate(("problem", "trainer", "strategy")):
        for place, name in enumerate(sorted(set(curves[column]))):
            if name != "random":
                hostile = f"{HOSTILE[(number + place) % len(HOSTILE)]} {name}"
                curves[column] = curves[column].replace(name, hostile)
    metric = f"=score{CODES}"
    curves = curves.rename(columns={"accuracy": metric})
    budgets = dict.fromkeys(set(curves["problem"]), meta.budgets["digits"])
    words = {"title": HOSTILE[0], "notes": HOSTILE, "metric": metric, "budgets": budgets}
    return Results(curves, replace(meta, **words, **replaced))


def test_no_renderer_obeys_a_name(tmp_path, capsys):
    results = names_in()
    board = results.board()
    a, b = sorted(set(results.curves["strategy"]))[:2]
    for text in (
        render(board),
        combined(board, None),
        compared(gather([board]), a, b),
        compared(gather([board]), "x", b),
    ):
        say(text)
    assert not obeyed(capsys.readouterr().out)
    write_results(results, tmp_path / "results")
    build_site([results], tmp_path / "site")
    files = [path for path in tmp_path.rglob("*") if path.suffix in (".csv", ".md", ".html", ".json", ".svg", ".js")]
    assert len(files) > 20
    for path in files:
        text = path.read_bytes().decode()
        assert not obeyed(text), path
        if path.suffix == ".csv":
            for row in csv.reader(io.StringIO(text)):
                assert not [cell for cell in row if cell.startswith(FORMULA) and not is_number(cell)], path
        elif path.suffix in (".html", ".svg"):
            assert "<script>alert" not in text and 'javascript:alert(1)"' not in text, path
    shown = PAGE.render((tmp_path / "results" / "table.md").read_text())
    assert not {"a", "script", "img", "code"} & set(re.findall("<([a-z]+)", shown))
    again = read_results(tmp_path / "results")
    assert set(again.curves["strategy"]) == set(map(printable, results.curves["strategy"]))
    assert again.board().settings[0].n_runs == board.settings[0].n_runs


def is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_a_label_is_one_line_of_print():
    from labelbench_plus.datasets.feature_table import FeatureTable

    named = label(FeatureTable("a\n\x1b[2J.csv", label=f"x{CODES}"))
    assert not obeyed(named) and "\n" not in named


def test_a_run_is_shown_and_not_obeyed(tmp_path):
    from labelbench_plus.running.job import Job, Where, carry_out
    from labelbench_plus.suite import load_suite
    from tests.conftest import SUITE

    (tmp_path / "small.yaml").write_text(SUITE.replace("0..1", "[0]").replace("[random, margin]", "[random]"))
    (spec,) = load_suite(tmp_path / "small.yaml").runs()
    carry_out(Job.of(spec, Where(tmp_path / "out", tmp_path / "cache")), lambda rounds: None)
    (attempt,) = (tmp_path / "out" / "runs" / spec.id / "attempts").glob("*.json")
    record = json.loads(attempt.read_text())
    attempt.write_text(json.dumps({**record, "host": f"here{CODES}\nrun 1: done", "detail": f"{CODES}\nforged line"}))
    (costs,) = (tmp_path / "out" / "runs" / spec.id / "costs").glob("0001.json")
    costs.write_text(json.dumps({**json.loads(costs.read_text()), f"strategy.{CODES}\nforged line": 1.0}))
    done = CliRunner().invoke(app, ["show", spec.id, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert not obeyed(done.output.replace("\n", "")) and "forged line" in done.output
    assert not any(line.startswith(("forged", "run 1")) for line in done.output.splitlines())


def test_a_sweep_at_a_glance_obeys_no_name():
    from rich.console import Console

    from labelbench_plus.sweep.matrix import _table

    drawn = Console(file=io.StringIO(), force_terminal=False, width=400)
    drawn.print(_table({f"[red]row{CODES}": {f"[bold]column{CODES}": []}}, "strategy"))
    text = drawn.file.getvalue()
    assert not obeyed(text.replace("\n", "")) and "[red]row\\u001b" in text and "[bold]column" in text


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
def test_csv_has_the_digits_that_pandas_writes(rows, monkeypatch):
    monkeypatch.setattr(csv_form, "ROWS_AT_ONCE", rows)
    draw = np.random.default_rng(0)
    odd = [0.0, -0.0, 1e-5, 1e16, 1e22, 1 / 3, np.nan, np.inf, -np.inf, 5e-324, 123456789.0]
    table = pd.DataFrame(
        {
            "text": [f'a,"{i}"' for i in range(len(odd))],
            "none, or a text": [None, "", "b", float("nan"), 1, 0.5, True, 'c"', ",", " d", "e "],
            "odd": odd,
            "random": draw.normal(size=len(odd)) * 10.0 ** draw.integers(-300, 300, len(odd)),
            "single": np.float32(odd),
            "whole": range(len(odd)),
            "some": pd.array([1, None] * 5 + [3], dtype="Int64"),
            "yes": [True, False] * 5 + [True],
        }
    )
    for part in (table, table[["text"]], table[["none, or a text"]], table[["odd"]], table[["some"]], table[:0]):
        assert csv_form.written(part) == part.to_csv(index=False, lineterminator="\n").encode()
