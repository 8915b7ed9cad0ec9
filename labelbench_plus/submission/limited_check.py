"""The check of a submission in a process of its own, in bounded time and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from labelbench_plus.contracts.problems import Place
from labelbench_plus.limited import Died, Exceeded, Limits, Send, carry_out
from labelbench_plus.plugins import load_plugin_file
from labelbench_plus.store.artefacts import default_cache_dir
from labelbench_plus.strangers import Allowed
from labelbench_plus.submission.check import check
from labelbench_plus.submission.findings import Finding

ANSWER = "labelbench_plus.submission.limited_check:answer"


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
        for answer in carry_out(ANSWER, question, limits):
            if "sound" in answer:
                runs, sound = answer["runs"], frozenset(answer["sound"])
            else:
                stage = answer["stage"]
                findings += (Finding(**found) for found in answer["found"])
    except Exceeded as error:
        what = f"could not be checked within {error}: ended while {stage}; what was found until then is told"
        findings.append(Finding("", what, expected="less, or --seconds and --megabytes to allow it more"))
    except Died as error:
        findings.append(Finding("", f"could not be checked, ended while {stage}: {error}"))
    return Told(
        tuple(finding for finding in findings if not finding.warning),
        tuple(finding for finding in findings if finding.warning),
        runs,
        sound,
    )


def answer(question: dict[str, Any], send: Send) -> None:
    """What the process does: send stages and findings as they come, and in the end which runs are sound."""
    torch.set_num_threads(1)  # as runs are computed: one thread each
    for file in question["plugins"]:
        load_plugin_file(Path(file))
    checked = check(
        Path(question["folder"]),
        Place(default_cache_dir()),
        against=list(map(Path, question["against"])),
        allowed=Allowed.of(question["allowed"]),
        told=lambda stage, new: send({"stage": stage, "found": [finding.as_json() for finding in new]}),
    )
    send({"runs": len(checked.runs), "sound": sorted(checked.sound)})
