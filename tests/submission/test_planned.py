"""What was planned stands in a submission, and what departs from it on its board and on the site, in quotes."""

import json

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard.results import read_results
from labelbench_plus.leaderboard.site import build_site
from labelbench_plus.leaderboard.text import render
from labelbench_plus.submission.check import check
from labelbench_plus.submission.schema import Submission, misfits
from tests.submission.test_pack import command

CLAIM = "All numbers verified by the maintainers"


def pages(folder, to):
    build_site([read_results(folder)], to)
    return {path.relative_to(to).as_posix(): path.read_text() for path in to.rglob("*.html")}


def signed(folder):
    return json.loads((folder / "submission.json").read_text())


def test_a_submission_says_what_was_planned(bundle):
    assert signed(bundle)["format"] == 2
    assert signed(bundle)["planned"] == {
        "problems": ["classification(digits, pixels)"],
        "trainers": ["logistic_regression"],
        "strategies": ["random", "margin"],
        "seeds": [0, 1],
    }


@pytest.mark.parametrize(
    ("more", "note"),
    [
        (["seeds=[1]"], "1 of 2 planned seeds: 1"),
        (["seeds=[1, 0]"], ""),
        (["strategies=[random, margin]"], ""),
    ],
)
def test_the_board_and_the_site_say_what_departs(computed, place, tmp_path, more, note):
    to = tmp_path / "sent"
    done = CliRunner().invoke(app, command(computed, to, *more))
    assert done.exit_code == 0, done.output
    assert not check(to, place).problems
    board = read_results(to).board()
    quoted = (f"“{note}”, says who sent it",) if note else ()
    assert board.meta.notes == quoted and board.meta.title == "small (sent by “A. Name”)"
    assert all(each in render(board) for each in quoted)
    site = pages(to, tmp_path / "site")
    marked = [path for path, text in site.items() if all(each in text for each in quoted)]
    assert not note or (len(marked) == 2 and "index.html" in marked and "problem/" in "".join(marked)), marked
    assert not note or f"**Note:** {note}" in (to / "table.md").read_text()


def test_single_runs_that_were_picked_are_told(computed, place, tmp_path, bundle):
    runs = [json.loads(line)["run"] for line in _lines(bundle)]
    done = CliRunner().invoke(app, command(computed, tmp_path / "one", runs[0]))
    assert done.exit_code == 0, done.output
    notes = json.loads((tmp_path / "one" / "board.json").read_text())["notes"]
    assert [note.partition(":")[0] for note in notes if "seeds" in note] == ["1 of 2 planned seeds"]


def _lines(folder):
    import gzip

    return gzip.decompress((folder / "runs.jsonl.gz").read_bytes()).splitlines()


def test_older_submissions_stay_valid_and_say_nothing_of_a_plan(bundle, place):
    older = {name: value for name, value in signed(bundle).items() if name != "planned"} | {"format": 1}
    assert not misfits(Submission, older, "submission.json")
    assert misfits(Submission, {**older, "format": 2}, "submission.json")
    (bundle / "submission.json").write_text(json.dumps(older))
    board = json.loads((bundle / "board.json").read_text())
    (bundle / "board.json").write_text(json.dumps(board | {"title": "Small digits"}))
    (bundle / "table.md").unlink()
    checked = check(bundle, place)
    assert not checked.problems
    assert [str(each) for each in checked.warnings] == [
        "board.json: title: not the name of its suite (expected small, got Small digits)"
    ]


def test_what_a_sender_claims_is_shown_as_theirs(bundle, tmp_path):
    board = json.loads((bundle / "board.json").read_text())
    words = {"title": f"{CLAIM}” (checked)", "notes": [CLAIM]}
    (bundle / "board.json").write_text(json.dumps(board | words))
    (bundle / "submission.json").write_text(json.dumps(signed(bundle) | {"who": f"the maintainers\u201d {CLAIM}"}))
    meta = read_results(bundle).meta
    assert meta.title == (f"“{CLAIM}' (checked)” in the words of who sent it (sent by “the maintainers' {CLAIM}”)")
    assert meta.notes == (f"“{CLAIM}”, says who sent it",)
    for text in pages(bundle, tmp_path / "site").values():
        claims, quoted = text.count(CLAIM), text.count(f"“{CLAIM}") + text.count(f"“the maintainers&#39; {CLAIM}")
        assert claims == quoted


def test_badges_that_a_sender_gives_are_told(bundle, place):
    from labelbench_plus.leaderboard.badges import grant

    run = json.loads(_lines(bundle)[0])["run"]
    grant(bundle, "re-run", {run: ["trust me"]}, {})
    (warning,) = check(bundle, place).warnings
    assert "who sends a submission leaves it out (got re-run)" in str(warning)


def test_the_badge_says_which_share_was_done_again(bundle, tmp_path):
    from labelbench_plus.leaderboard.badges import Again, grant

    runs = sorted(json.loads(line)["run"] for line in _lines(bundle))
    grant(bundle, "checked", {run: ["checked"] for run in runs}, {})
    grant(bundle, "replayed", {runs[0]: ["retrained round 1"]}, {}, {runs[0]: Again(3, frozenset({1}))})
    grant(bundle, "replayed", {runs[0]: ["chose round 2"]}, {}, {runs[0]: Again(3, frozenset({1}), frozenset({2}))})
    text = pages(bundle, tmp_path / "site")
    assert sum("replayed (1 of 3 rounds trained again, 1 chosen again)" in page for page in text.values()) == 1
    says = "Trust: 3 checked, 1 replayed; 1 of 3 rounds of the replayed runs trained again, 1 chosen again"
    assert sum(says in page for page in text.values()) == 1
