"""Suites with third-party strategies, and what is printed when runs that isolate them start."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labelbench_plus import suite as suites
from labelbench_plus.isolation.cell import Cell, IsolationError
from labelbench_plus.plugins import PluginError, Strangers, is_built_in, load_plugin_file, with_parts
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.origins import kind_and_origin
from labelbench_plus.suite import Isolation, Suite, SuiteError


def load_suite(
    path: Path | str,
    overrides: Sequence[str] = (),
    *,
    plugin_files: Sequence[Path] = (),
    hidden: Sequence[Path] = (),
    absent: list[str] | None = None,
    as_read: bool = False,
) -> Suite:
    """Read, override and validate a suite, and check that every run of it can be made.

    Plugin files are loaded in this process, unless the suite says `isolate`: then a confined process loads them, and
    strategies of strangers are what it reports of them.

    Parameters
    ----------
    path: a YAML 1.2 file, or the name of a shipped suite.
    overrides: `dotted.path=value` with the value in YAML, e.g. `budget.rounds=5` or `strategies=[random, margin]`;
        list entries are addressed by number.
    plugin_files: Python files that register plugins the suite names.
    hidden: folders with results, which a confined process must not read.
    absent: where given, data and weights that are not on this machine are no fault: what is missing, and the ways to
        get it, is added here, a text a source. The runs then have no ids yet.
    as_read: skip that check, so that neither data nor weights are needed.

    Raises
    ------
    SuiteError
        All problems, up to twenty together; or a plugin file that cannot be loaded.
    """

    @contextmanager
    def reporting(terms: Isolation | None) -> Iterator[Strangers | None]:
        if terms is None:
            for file in plugin_files:
                load_plugin_file(file)
            yield None
        else:
            with Cell(plugin_files, hidden, terms) as cell:
                yield cell

    try:
        return suites.load_suite(path, overrides, reporting, absent, as_read=as_read)
    except (PluginError, IsolationError) as error:
        raise SuiteError(str(error)) from error


def statement(terms: Isolation, held: dict[str, Any], runs: Iterable[RunSpec]) -> str:
    """What isolation covers here and what it does not, in two lines for people.

    Parameters
    ----------
    held: what confines the process that strategies choose in (`Cell.held`).
    """
    missing = f"; NOT confined in full: {held['missing']}" if held["missing"] else ""
    first = f"isolate: {terms.kind}: strategies choose where no label is sent ({in_words(held)}){missing}"
    return f"{first}\n{not_covered(runs)}"


def not_covered(runs: Iterable[RunSpec]) -> str:
    """What isolation does not cover, in a line for people."""
    others = sorted({each for run in runs for each in beside_labels(run)})
    return f"beside the labels runs everything else, including third-party plugins: {', '.join(others) or 'none here'}"


def in_words(held: dict[str, Any]) -> str:
    """What confines a process."""
    landlock = f"Landlock {held['landlock']}" if held["landlock"] else "no Landlock"
    return f"{landlock}, {'seccomp' if held['seccomp'] else 'no seccomp'}"


def as_manifest(terms: Isolation, held: dict[str, Any], spec: RunSpec, plugin_files: Sequence[Path]) -> dict[str, Any]:
    """What a run's manifest says about how its strategies were kept from labels."""
    files = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in plugin_files}
    return {
        "asked": terms.kind,
        "in_words": f"{terms.kind} ({in_words(held)})",
        **held,
        **({"beside_labels": others} if (others := beside_labels(spec)) else {}),
        **({"plugin_files": files} if files else {}),
    }


def check_isolation(begun: dict[str, Any] | None, now: dict[str, Any] | None, folder: Path) -> None:
    """Refuse to continue a run with less isolation than its manifest promises.

    Raises
    ------
    IsolationError
        Its strategies were isolated, and are not now; or what confined them does not hold here.
    """
    if begun is None:
        return
    if now is None or (begun["landlock"] and not now["landlock"]) or (begun["seccomp"] and not now["seccomp"]):
        have = "they would choose beside the labels" if now is None else f"here is {in_words(now)}"
        raise IsolationError(
            f"{folder}: begun with strategies isolated ({begun['asked']}: {in_words(begun)}), but {have}; go on where "
            "and as it was begun, or remove the folder"
        )


def beside_labels(spec: RunSpec) -> list[str]:
    """The third-party plugins that run where the labels are, which isolation does not cover."""
    plugins = [spec.problem, spec.trainer, *([spec.proxy] if spec.proxy is not None else [])]
    parts = [part for plugin in plugins for part in with_parts(plugin) if not is_built_in(part)]
    return sorted({f"{part.name} ({kind_and_origin(part)[1]})" for part in parts})
