"""Every folder of results that is published passes the check that submissions pass."""

from pathlib import Path

import pytest

from labelbench_plus.leaderboard.results import read_results
from labelbench_plus.problems import Place
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.store.artefacts import default_cache_dir
from labelbench_plus.strangers import Allowed
from labelbench_plus.submission.arithmetic import check_run
from labelbench_plus.submission.bundle import SUBMISSION, read_bundle
from labelbench_plus.submission.check import check, is_imported
from labelbench_plus.submission.rebuilding import describe, rebuild

LARGE = 10 * 2**20  # bytes
RESULTS = Path(__file__).parents[2] / "results"
FOLDERS = sorted(path.parent for path in RESULTS.glob("*/curves.csv"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_published_results_pass_the_check(folder):
    if is_imported(folder):
        assert read_results(folder).board().settings
        return
    if (folder / ARCHIVE).stat().st_size > LARGE:
        assert not _problems_of_a_sample(folder)
        return
    signed = (folder / SUBMISSION).exists()
    others = [other for other in FOLDERS if other != folder and not is_imported(other)] if signed else []
    checked = check(folder, Place(default_cache_dir()), against=others, own=not signed)
    assert not checked.problems, "\n".join(map(str, checked.problems[:20]))
    assert checked.runs


def _problems_of_a_sample(folder):
    """What is wrong with the files of a large folder and with every twentieth run. Its whole check takes 90 seconds."""
    bundle = read_bundle(folder, own=True)
    runs = bundle.runs[::20]
    described = describe(runs, Allowed())
    found = [*bundle.findings, *described.findings, *(finding for run in runs for finding in check_run(run))]
    found += rebuild(runs, described, Place(default_cache_dir())).findings
    assert len(described.specs) == len(runs)
    return [str(finding) for finding in found if not finding.warning]


def test_there_are_results_to_check():
    assert FOLDERS
