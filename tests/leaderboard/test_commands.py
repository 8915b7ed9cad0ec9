"""`lbp leaderboard build` and `lbp compare`, from folders of results and from suites."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard import Results, write_results
from labelbench_plus.leaderboard.reported import read_reported

from .synthetic import meta, synthetic_curves

runner = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_results(Results(synthetic_curves(), meta()), tmp_path / "results" / "synthetic")
    return tmp_path / "results" / "synthetic"


def test_build_writes_a_site_and_says_where(folder: Path, tmp_path: Path) -> None:
    done = runner.invoke(app, ["leaderboard", "build", str(folder), "--to", str(tmp_path / "site")])
    assert done.exit_code == 0 and str(tmp_path / "site" / "index.html") in done.output.replace("\n", "")
    assert (tmp_path / "site" / "index.html").is_file()


def test_without_sources_all_results_are_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parents[1])
    assert runner.invoke(app, ["leaderboard", "build", "--to", "site"]).exit_code == 0
    assert "margin" in Path("site/index.html").read_text(encoding="utf-8")


LABEL = {"kind": "label", "label": "strategy", "about": "how"}
REPORTED = {
    "format": 1,
    "title": "A <b>table</b>",
    "about": "Of others.",
    "tables": ["scale"],
    "columns": {
        "strategy": LABEL,
        "accuracy": {"kind": "reported", "label": "accuracy", "about": "what came out"},
    },
}
ROWS = "scale,strategy,accuracy\nsmall,None,1.5\nsmall,other,\nlarge,None,<script>\n"
GOOD = ROWS.replace("<script>", "2.25")


def reported(folder: Path, rows: str, **changed: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "reported.json").write_text(json.dumps({**REPORTED, **changed}))
    (folder / "reported.csv").write_text(rows)


def test_what_others_published_is_listed_and_ranked_nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parents[1])
    reported(Path("results/published"), GOOD)
    assert runner.invoke(app, ["leaderboard", "build", "--to", "site"]).exit_code == 0
    page = Path("site/reported.html").read_text(encoding="utf-8")
    assert page.count(">reported, not run here<") == 3 and ">1.5<" in page and ">2.25<" in page
    assert "A &lt;b&gt;table&lt;/b&gt;" in page and "<h3>large</h3>" in page
    assert "reported.html" in Path("site/index.html").read_text(encoding="utf-8")
    assert "None" not in Path("site/data/table.csv").read_text(encoding="utf-8")
    (csv,) = Path("site/data").glob("*-reported.csv")
    assert csv.read_text() == Path("results/published/reported.csv").read_text()
    assert runner.invoke(app, ["leaderboard", "build", str(folder), "--to", "site"]).exit_code == 0
    assert not Path("site/reported.html").exists() and not list(Path("site/data").glob("*-reported.csv"))


@pytest.mark.parametrize(
    ("changed", "rows", "message"),
    [
        ({}, ROWS, "could not convert string to float"),
        ({"tables": ["scale", "year"]}, GOOD, "has no column year"),
        ({"columns": dict.fromkeys(("strategy", "scale"), LABEL)}, GOOD, "exactly one column must be the label"),
        ({"format": 2}, GOOD, "another format"),
        ({"columns": {"strategy": LABEL, "scale": {**LABEL, "kind": "rank"}}}, GOOD, "label, text or reported"),
    ],
)
def test_reported_results_that_are_not_in_form(
    tmp_path: Path, changed: dict[str, object], rows: str, message: str
) -> None:
    reported(tmp_path / "published", rows, **changed)
    done = runner.invoke(app, ["leaderboard", "build", str(tmp_path / "published"), "--to", str(tmp_path / "site")])
    assert done.exit_code == 2 and message in done.stderr


def test_the_published_rows_that_come_with_the_project() -> None:
    found = read_reported(Path(__file__).parents[2] / "results" / "data_selection_reported")
    headings = [heading for heading, _ in found.tables]
    assert headings[0] == "medium · DataComp leaderboard 2025-04-20" and len(set(headings)) == len(headings)
    labels = [column.key for column in found.tables[0][1].columns]
    best = {row[labels.index("strategy")]: row[labels.index("average")] for row in found.tables[0][1].rows}
    assert best["negCLIPLoss & NormSim + DFN + HYPE"] == 38.8 and best["Metagradient descent"] == 40.2


def test_compare_answers_and_knows_whom_it_knows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = runner.invoke(app, ["compare", "margin", "k_center_greedy", str(folder)])
    assert done.exit_code == 0 and "Yes: margin is better than k_center_greedy by" in done.output
    monkeypatch.chdir(folder.parents[1])
    assert runner.invoke(app, ["compare", "margin", "k_center_greedy"]).output == done.output
    unknown = runner.invoke(app, ["compare", "margin", "margn", str(folder)])
    assert unknown.exit_code == 2 and "there are badge, entropy" in unknown.output


def test_what_cannot_be_read_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "curves.csv").unlink()
    done = runner.invoke(app, ["leaderboard", "build", str(folder), "--to", str(tmp_path / "site")])
    assert done.exit_code == 2 and "no curves.csv" in done.stderr and not (tmp_path / "site").exists()
    monkeypatch.chdir(tmp_path / "results" / "synthetic")
    assert "no results/*/board.json here" in runner.invoke(app, ["compare", "a", "b"]).stderr


def test_a_suite_without_a_finished_run_has_no_site(suite_file, tmp_path: Path) -> None:
    suite = str(suite_file())
    done = runner.invoke(app, ["leaderboard", "build", suite, "--to", str(tmp_path / "site"), "--out", str(tmp_path)])
    assert done.exit_code == 2 and "no run of small is done" in done.stderr
    shown = runner.invoke(app, ["leaderboard", suite, "--out", str(tmp_path)])
    assert shown.exit_code == 1 and "nothing to rank" in shown.output
