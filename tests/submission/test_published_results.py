"""Every folder of results that is published passes the check that submissions pass."""

from pathlib import Path

import pytest

from labelbench_plus.leaderboard import curves_file
from labelbench_plus.leaderboard.results import read_results
from labelbench_plus.problems import Place
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.store.artefacts import default_cache_dir
from labelbench_plus.strangers import Allowed
from labelbench_plus.submission.arithmetic import check_run
from labelbench_plus.submission.bundle import SUBMISSION, read_bundle
from labelbench_plus.submission.check import check, is_imported
from labelbench_plus.submission.rebuilding import describe, rebuild
from labelbench_plus.submission.tables import check_tables

LARGE = 100 * 2**10  # bytes of an archive
LARGEST_TABLE = 10 * 2**20  # bytes of curves whose tables are made again
SHRINKS = 5  # times, by compression
SAMPLE = 40  # runs of a large folder that are built again in every test run; `make slow` builds all of them
MOST_ROUNDS = 1200  # of them
RESULTS = Path(__file__).parents[2] / "results"
FOLDERS = sorted(path.parent for path in RESULTS.glob("*/board.json"))
DEAR = {"objectives_smollm", "reviews", "source_tasks_pendulum"}  # to open them: language models, a simulation
OWN = [folder for folder in FOLDERS if not is_imported(folder)]


def small(folder):
    return folder.name not in DEAR and (folder / ARCHIVE).stat().st_size <= LARGE


@pytest.mark.parametrize(
    "folder",
    [pytest.param(folder, marks=() if small(folder) else pytest.mark.slow) for folder in OWN],
    ids=lambda folder: folder.name,
)
def test_published_results_pass_the_check(folder):
    signed = (folder / SUBMISSION).exists()
    others = [other for other in OWN if other != folder] if signed else []
    checked = check(folder, Place(default_cache_dir()), against=others, own=not signed)
    assert not checked.problems, "\n".join(map(str, checked.problems[:20]))
    assert checked.runs


@pytest.mark.parametrize("folder", [folder for folder in OWN if not small(folder)], ids=lambda folder: folder.name)
def test_files_tables_and_a_sample_of_runs_of_large_results_pass_the_check(folder):
    bundle = read_bundle(folder, own=True)
    found = list(bundle.findings)
    if folder.name not in DEAR:
        most = max(2, min(SAMPLE, MOST_ROUNDS // len(bundle.runs[0]["rounds"])))
        runs = bundle.runs[:: -(-len(bundle.runs) // most)]
        described = describe(runs, Allowed())
        assert len(described.specs) == len(runs)
        found += [*described.findings, *(finding for run in runs for finding in check_run(run))]
        found += rebuild(runs, described, Place(default_cache_dir())).findings
    curves = curves_file.find(folder)
    if curves.stat().st_size * (SHRINKS if curves.name == curves_file.COMPRESSED else 1) <= LARGEST_TABLE:
        found += check_tables(folder)
    assert not [str(finding) for finding in found if not finding.warning]


@pytest.mark.parametrize("folder", sorted(set(FOLDERS) - set(OWN)), ids=lambda folder: folder.name)
def test_imported_results_make_a_board(folder):
    assert read_results(folder).board().settings


def test_there_are_results_to_check():
    assert FOLDERS
