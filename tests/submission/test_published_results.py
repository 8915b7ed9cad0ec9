"""Every folder of results that is published passes the check that submissions pass."""

from pathlib import Path

import pytest

from labelbench_plus.leaderboard.results import read_results
from labelbench_plus.problems import Place
from labelbench_plus.store.artefacts import default_cache_dir
from labelbench_plus.submission.bundle import SUBMISSION
from labelbench_plus.submission.check import check, is_imported

RESULTS = Path(__file__).parents[2] / "results"
FOLDERS = sorted(path.parent for path in RESULTS.glob("*/curves.csv"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_published_results_pass_the_check(folder):
    if is_imported(folder):
        assert read_results(folder).board().settings
        return
    signed = (folder / SUBMISSION).exists()
    others = [other for other in FOLDERS if other != folder and not is_imported(other)] if signed else []
    checked = check(folder, Place(default_cache_dir()), against=others, own=not signed)
    assert not checked.problems, "\n".join(map(str, checked.problems[:20]))
    assert checked.runs


def test_there_are_results_to_check():
    assert FOLDERS
