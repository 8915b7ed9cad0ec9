"""`lbp leaderboard build` and `lbp compare`, from folders of results and from suites."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard import Results, write_results

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


def test_compare_answers_and_knows_whom_it_knows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = runner.invoke(app, ["compare", "margin", "k_center_greedy", str(folder)])
    assert done.exit_code == 0 and "Yes: margin is better than k_center_greedy by" in done.output
    monkeypatch.chdir(folder.parents[1])
    assert runner.invoke(app, ["compare", "margin", "k_center_greedy"]).output == done.output
    unknown = runner.invoke(app, ["compare", "margin", "margn", str(folder)])
    assert unknown.exit_code == 2 and "there are: badge, entropy" in unknown.output


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
