"""The check of a submission in a process of its own, in bounded time and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelbench_plus.limited import Died, Exceeded, Limits, carry_out
from labelbench_plus.submission.findings import Finding

CHECK = "labelbench_plus.submission.check_told:check_told"


@dataclass(frozen=True)
class Told:
    """What the check told: `runs` is how many well-formed ones there are; else see `check.Checked`."""

    problems: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    runs: int = 0
    sound: frozenset[str] = frozenset()


def check_within(
    folder: Path,
    limits: Limits,
    *,
    against: Sequence[Path] = (),
    plugins: Sequence[Path] = (),
    allowed: Sequence[str] = (),
) -> Told:
    """Check a submission. Where the limits do not suffice, that is a problem beside those that were found before.

    Parameters
    ----------
    against: see `check.check`.
    plugins: files of plugins to load first.
    allowed: see `strangers.Allowed.of`.

    Raises
    ------
    NotADirectoryError
        `folder` or one of `against` is no folder.
    """
    for each in (folder, *against):
        if not each.is_dir():
            raise NotADirectoryError(f"{each}: not a folder; a submission is what `lbp submission pack` writes")
    question = {
        "folder": str(folder),
        "against": list(map(str, against)),
        "plugins": list(map(str, plugins)),
        "allowed": list(allowed),
    }
    findings: list[Finding] = []
    stage, runs, sound = "it began", 0, frozenset[str]()
    try:
        for answer in carry_out(CHECK, question, limits):
            if "sound" in answer:
                runs, sound = answer["runs"], frozenset(answer["sound"])
            else:
                stage = answer["stage"]
                findings += (Finding(**found) for found in answer["found"])
    except Exceeded as error:
        what = f"could not be checked within {error}: ended while {stage}; findings up to then are reported"
        findings.append(Finding("", what, expected="less, or --seconds and --megabytes to allow it more"))
    except Died as error:
        findings.append(Finding("", f"could not be checked, ended while {stage}: {error}"))
    return Told(
        tuple(finding for finding in findings if not finding.warning),
        tuple(finding for finding in findings if finding.warning),
        runs,
        sound,
    )
