"""What speaks against laying somebody else's runs out as if they had been computed here, where commands build them."""

from __future__ import annotations

import gzip
import shlex
import zlib
from collections.abc import Iterator
from pathlib import Path

from labelbench_plus.inputs import plain_json
from labelbench_plus.spec import canonical
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.strangers import Allowed, objections
from labelbench_plus.submission.arithmetic import check_run
from labelbench_plus.submission.bundle import MAX_LINE, MAX_UNPACKED
from labelbench_plus.submission.findings import Finding
from labelbench_plus.submission.schema import RunLine, misfits


def faults(archive: Path, allowed: Allowed) -> Iterator[Finding]:
    """What is wrong with an archive, line by line: its form, runs that contradict themselves, and what leads outside.

    Plugins that are not here are no fault: nothing is built.
    """
    number = unpacked = 0
    try:
        with gzip.open(archive, "rb") as lines:
            while text := lines.readline(MAX_LINE + 1):
                number, unpacked = number + 1, unpacked + len(text)
                if unpacked > MAX_UNPACKED:
                    yield Finding(archive.name, "unpacks to more than is read", expected=f"{MAX_UNPACKED:,} bytes")
                    return
                yield from _of_line(text, f"line {number}", allowed)
    except (OSError, EOFError, zlib.error) as error:
        yield Finding(archive.name, f"not a whole gzip file: {error}", field=f"after line {number}")


def _of_line(text: bytes, line: str, allowed: Allowed) -> Iterator[Finding]:
    try:
        run = plain_json.read(text)
    except plain_json.JsonRefused as error:
        yield Finding(ARCHIVE, error.what, "", f"{line}: {error.field}", error.expected, error.actual)
        return
    if isinstance(run, dict) and "run" in run and "rounds" not in run:
        yield Finding(ARCHIVE, "was imported: it has a curve, but no rounds to restore", str(run["run"]), line)
        return
    if wrong := misfits(RunLine, run, ARCHIVE, line):
        yield from wrong
        return
    if canonical(run) + b"\n" != text:
        yield Finding(ARCHIVE, "not the one text of its content", run["run"], line)
    yield from check_run(run)
    for objection in objections(run["config"], allowed):
        if objection.wrong or objection.allow:
            remedy = f"--allow {shlex.quote(objection.allow)}, if you mean it" if objection.allow else ""
            yield Finding(ARCHIVE, objection.what, run["run"], f"config.{objection.field}", remedy)
