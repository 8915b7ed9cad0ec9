"""All checks of a submission at once: all problems are reported together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelbench_plus.contracts.problems import Place
from labelbench_plus.inputs import plain_json
from labelbench_plus.leaderboard.badges import BADGES_FILE, BadgesError, read_badges, speaks_of_another_archive
from labelbench_plus.leaderboard.runs import BADGES
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.store.origins import unpublished
from labelbench_plus.strangers import Allowed
from labelbench_plus.submission.arithmetic import check_run
from labelbench_plus.submission.bundle import CURVES, SUBMISSION, TABLES, Bundle, read_bundle
from labelbench_plus.submission.coverage import by_setting, check_coverage, check_outliers, check_selections
from labelbench_plus.submission.findings import Finding, Findings, some
from labelbench_plus.submission.grain import check_grain
from labelbench_plus.submission.planned import check_seeds
from labelbench_plus.submission.published import check_published, published_beside
from labelbench_plus.submission.rebuilding import Rebuilt, describe, rebuild
from labelbench_plus.submission.schema import Submission
from labelbench_plus.submission.tables import check_board, check_curves, check_tables
from labelbench_plus.submission.times import check_times

NOTHING = Allowed()
Told = Callable[[str, list[Finding]], None]
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


def check(
    folder: Path,
    place: Place,
    *,
    against: Sequence[Path] = (),
    own: bool = False,
    allowed: Allowed = NOTHING,
    told: Told = lambda stage, new: None,
) -> Checked:
    """Check a submission.

    Nothing is built while a file or any run contradicts itself, and nothing at all that leads outside the benchmark:
    see `strangers`. `limited_check.check_within` does the same in bounded time and memory.

    Parameters
    ----------
    place: where problems are built again to compare with.
    against: folders of published results that the baseline may be taken from, and that runs are compared with which
        are there too; those beside it that hold any of its runs, if none is named.
    own: these are the benchmark's own results: see `bundle.read_bundle`.
    allowed: what may be built beside the benchmark's own plugins.
    told: called with what begins, and with what was found, as it is found.

    Raises
    ------
    NotADirectoryError
        `folder` or one of `against` is no folder.
    """
    stage = "its files are read"

    def begins(what: str) -> None:
        nonlocal stage
        stage = what
        told(stage, [])

    findings = Findings(lambda new: told(stage, new))
    begins(stage)
    bundle = read_bundle(folder, own=own)
    findings.add(bundle.findings)
    begins("its sums and hashes are checked")
    for run in bundle.runs:
        findings.add(check_run(run))
    broken = findings.runs
    described = describe([run for run in bundle.runs if run["run"] not in broken], allowed)
    findings.add(described.findings)
    rebuilt = Rebuilt()
    if not findings.problems:
        begins("its problems are built again")
        rebuilt = rebuild(bundle.runs, described, place)
        findings.add(rebuilt.findings)
        findings.add(check_grain(bundle.runs, rebuilt.denominators))
    begins("its runs are compared")
    others = [*against] or ([] if own else published_beside(folder, bundle.runs))
    reference = [run for other in others for run in read_bundle(other, own=True).runs]
    known = {**describe(reference, allowed).specs, **described.specs}
    baseline = bundle.submission.baseline if bundle.submission else None
    if baseline is None and _readable(bundle, "board.json"):
        baseline = _of_board(folder, "baseline")
    settings = by_setting(bundle.runs, known)
    if bundle.runs and isinstance(baseline, str):
        findings.add(check_coverage(settings, by_setting(reference, known), baseline))
    findings.add(check_outliers(settings))
    findings.add(check_selections(bundle.runs, reference))
    findings.add(check_published(bundle.runs, reference, rebuilt.specs, str(baseline)))
    findings.add(_tables(bundle, described.specs, rebuilt.specs))
    if bundle.submission and bundle.submission.planned:
        findings.add(check_seeds(bundle.submission.planned, SUBMISSION))
    if bundle.runs:
        findings.add(check_times(folder, bundle.runs))
    findings.add(_signature(bundle))
    findings.add(_machine_paths(bundle))
    findings.add(_badges(bundle))
    findings.close()
    return Checked(
        runs=bundle.runs,
        specs=rebuilt.specs,
        sound=frozenset() if findings.problems else frozenset(rebuilt.whole),
        problems=findings.problems,
        warnings=findings.warnings,
    )


def is_imported(folder: Path) -> bool:
    """Whether a folder of results was imported: it has no runs to check, and its board says so."""
    return bool(_of_board(folder, "badge") == BADGES[0])


def _of_board(folder: Path, name: str) -> Any:
    """An entry of board.json; None where there is none."""
    try:
        return plain_json.read_file(folder / "board.json")[name]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tables(bundle: Bundle, described: Mapping[str, RunSpec], rebuilt: Mapping[str, RunSpec]) -> list[Finding]:
    """`described`: the runs' specs, for what tables call them; `rebuilt`: those whose problems were built."""
    refused = {finding.file for finding in bundle.findings}  # a link, or too long to be read
    findings: list[Finding] = []
    curves = next((name for name in reversed(CURVES) if (bundle.folder / name).exists()), CURVES[0])
    for name in ("board.json", curves):
        path = bundle.folder / name
        if name in refused:
            continue
        if not path.exists():
            findings.append(Finding(name, "missing: the leaderboard reads it; `lbp submission pack` writes it"))
        elif name == "board.json":
            findings += check_board(path, rebuilt, bundle.submission, whole=len(rebuilt) == len(bundle.runs))
        else:
            findings += check_curves(path, bundle.runs, described, bundle.submission)
    if not findings and not refused.intersection(TABLES):  # else they would be made of what is wrong already
        findings += check_tables(bundle.folder)
    return findings


def _readable(bundle: Bundle, name: str) -> bool:
    """Whether a file is there to be read: no link, and not too long."""
    return (bundle.folder / name).exists() and name not in {finding.file for finding in bundle.findings}


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
        code = run["manifest"]["code"]
        if code["dirty"] is not None or code["commit"] is None:
            what = "a run's code is no published commit, and no difference is declared"
            yield Finding(SUBMISSION, what, run["run"], "differences", "what was changed, in words", "nothing")
            return
        if own := unpublished(run["manifest"]):
            what = "a run used a plugin of its own, and no difference is declared"
            yield Finding(SUBMISSION, what, run["run"], "differences", f"what {own[0]} is", "nothing")
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
