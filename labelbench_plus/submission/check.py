"""Everything that is checked of a submission, in one go: all that is wrong is told at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelbench_plus.contracts.problems import Place
from labelbench_plus.leaderboard.badges import BADGES_FILE, BadgesError, read_badges, speaks_of_another_archive
from labelbench_plus.leaderboard.runs import BADGES
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.submission.arithmetic import check_run
from labelbench_plus.submission.bundle import RESULTS, SUBMISSION, Bundle, read_bundle
from labelbench_plus.submission.coverage import by_setting, check_coverage, check_outliers, check_selections
from labelbench_plus.submission.findings import Finding, some
from labelbench_plus.submission.grain import check_grain
from labelbench_plus.submission.planned import check_seeds
from labelbench_plus.submission.published import check_published, published_beside
from labelbench_plus.submission.rebuilding import rebuild
from labelbench_plus.submission.schema import Submission
from labelbench_plus.submission.tables import check_board, check_curves, check_tables
from labelbench_plus.submission.times import check_times

MACHINE_PATH = re.compile(r"(?<![\w.-])(/(home|root|Users|mnt|media|scratch|tmp)/|[A-Za-z]:\\)")


@dataclass(frozen=True, eq=False)
class Checked:
    """What a check found.

    Attributes
    ----------
    runs: the well-formed runs.
    specs: by run id, those that could be built again.
    sound: ids of the runs that deserve the badge `checked`: all was checked, and nothing in the submission is wrong.
    problems, warnings: what is wrong, and what is odd or could not be checked.
    """

    runs: tuple[dict[str, Any], ...]
    specs: Mapping[str, RunSpec]
    sound: frozenset[str]
    problems: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def check(folder: Path, place: Place, *, against: Sequence[Path] = (), own: bool = False) -> Checked:
    """Check a submission.

    Parameters
    ----------
    place: where problems are built again to compare with.
    against: folders of published results that the baseline may be taken from, and that runs are compared with which
        are there too; those beside it that hold any of its runs, if none is named.
    own: these are the benchmark's own results: see `bundle.read_bundle`.

    Raises
    ------
    NotADirectoryError
        `folder` or one of `against` is no folder.
    """
    bundle = read_bundle(folder, own=own)
    findings = [*bundle.findings, *(finding for run in bundle.runs for finding in check_run(run))]
    broken = {finding.run for finding in findings}
    # Only runs that do not contradict themselves are built: what a contradiction would lead to is no news.
    rebuilt = rebuild([run for run in bundle.runs if run["run"] not in broken], place)
    findings += rebuilt.findings
    findings += check_grain(bundle.runs, rebuilt.denominators)
    others = [*against] or ([] if own else published_beside(folder, bundle.runs))
    reference = [run for other in others for run in read_bundle(other, own=True).runs]
    known = {**rebuild_specs(reference), **rebuilt.specs}
    settings = by_setting(bundle.runs, known)
    baseline = bundle.submission.baseline if bundle.submission else _of_board(folder, "baseline")
    if bundle.runs and isinstance(baseline, str):
        findings += check_coverage(settings, by_setting(reference, known), baseline)
    findings += check_outliers(settings)
    findings += check_selections(bundle.runs, reference)
    findings += check_published(bundle.runs, reference, rebuilt.specs, str(baseline))
    findings += _tables(bundle, rebuilt.specs)
    if bundle.submission and bundle.submission.planned:
        findings += check_seeds(bundle.submission.planned, SUBMISSION)
    if bundle.runs:
        findings += check_times(folder, bundle.runs)
    findings += _signature(bundle)
    findings += _machine_paths(bundle)
    findings += _badges(bundle)
    findings = list(dict.fromkeys(findings))
    problems = tuple(finding for finding in findings if not finding.warning)
    return Checked(
        runs=bundle.runs,
        specs=rebuilt.specs,
        sound=frozenset() if problems else frozenset(rebuilt.whole),
        problems=problems,
        warnings=tuple(finding for finding in findings if finding.warning),
    )


def is_imported(folder: Path) -> bool:
    """Whether a folder of results was imported: it has no runs that could be checked, and its board says so."""
    return bool(_of_board(folder, "badge") == BADGES[0])


def _of_board(folder: Path, name: str) -> Any:
    """An entry of board.json; None where there is none."""
    try:
        return json.loads((folder / "board.json").read_bytes())[name]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def rebuild_specs(runs: Sequence[Mapping[str, Any]]) -> dict[str, RunSpec]:
    """The specs of published runs, for those whose plugins are here: for their labels."""
    found = {}
    for run in runs:
        try:
            found[str(run["run"])] = RunSpec.from_json(run["config"])
        except Exception:  # a published run whose plugins are not here goes by its strategy's name
            continue
    return found


def _tables(bundle: Bundle, specs: Mapping[str, RunSpec]) -> list[Finding]:
    refused = {finding.file for finding in bundle.findings}  # a link, or too long to be read
    findings: list[Finding] = []
    for name in ("board.json", "curves.csv"):
        path = bundle.folder / name
        if name in refused:
            continue
        if not path.exists():
            findings.append(Finding(name, "missing: the leaderboard reads it; `lbp submission pack` writes it"))
        elif name == "board.json":
            findings += check_board(path, specs, bundle.submission, whole=len(specs) == len(bundle.runs))
        else:
            findings += check_curves(path, bundle.runs, specs, bundle.submission)
    if not findings and not refused.intersection(RESULTS):  # else they would be made of what is wrong already
        findings += check_tables(bundle.folder)
    return findings


def _signature(bundle: Bundle) -> Iterator[Finding]:
    """Whether submission.json says of the code what the manifests say."""
    submission = bundle.submission
    if submission is None:
        return
    said = {(code.commit, code.dirty) for code in submission.code}
    found = {(run["manifest"]["code"]["commit"], run["manifest"]["code"]["dirty"]) for run in bundle.runs}
    if bundle.runs and said != found:
        yield Finding(SUBMISSION, "is not the code that the manifests name", "", "code", _codes(found), _codes(said))
    yield from _undeclared(bundle.runs, submission)


def _undeclared(runs: Sequence[Mapping[str, Any]], submission: Submission) -> Iterator[Finding]:
    if submission.differences:
        return
    for run in runs:
        code, plugins = run["manifest"]["code"], run["manifest"]["plugins"]
        if code["dirty"] is not None or code["commit"] is None:
            what = "a run's code is no published commit, and no difference is declared"
            yield Finding(SUBMISSION, what, run["run"], "differences", "what was changed, in words", "nothing")
            return
        if local := sorted(origin for origin in plugins.values() if origin.startswith("local")):
            what = "a run used a plugin of its own, and no difference is declared"
            yield Finding(SUBMISSION, what, run["run"], "differences", f"what {local[0]} is", "nothing")
            return


def _machine_paths(bundle: Bundle) -> Iterator[Finding]:
    """A warning of the first place where runs tell a path of the machine that computed them."""
    for run in bundle.runs:
        for part in ("config", "manifest"):
            for field, text in _texts(run[part], part):
                if MACHINE_PATH.search(text):
                    what = "a path of somebody's machine will be published with it"
                    yield Finding(ARCHIVE, what, run["run"], field, actual=text[:80], warning=True)
                    return


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(part, f"{path}.{key}")


def _codes(codes: set[tuple[Any, Any]]) -> str:
    return ", ".join(sorted(f"{commit}{' with changes ' + dirty if dirty else ''}" for commit, dirty in codes))


def _badges(bundle: Bundle) -> Iterator[Finding]:
    if {finding.file for finding in bundle.findings} & {ARCHIVE, BADGES_FILE}:
        return
    try:
        if speaks_of_another_archive(bundle.folder):
            yield Finding(BADGES_FILE, "speaks of another archive: its badges count for nothing here")
        elif given := read_badges(bundle.folder):
            what = "gives badges: who reviews writes it, and who sends a submission leaves it out"
            yield Finding(BADGES_FILE, what, "", "badges", "", some(sorted(set(given.values()))), warning=True)
    except BadgesError as error:
        yield Finding(BADGES_FILE, str(error).partition(": ")[2])
