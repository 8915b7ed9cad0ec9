"""Finished runs in one compact file, from which every relevant byte can be restored."""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from labelbench_plus.spec import canonical
from labelbench_plus.store.atomic import publish_folder, replace, sweep_temporaries
from labelbench_plus.store.layout import RESULT
from labelbench_plus.store.numbered import file_name, numbered
from labelbench_plus.store.readable import Readable
from labelbench_plus.store.run_store import RunStore, StoreError

ARCHIVE = "runs.jsonl.gz"
"""The name of an archive in a folder of results."""
MANIFEST = "manifest.json"


def write_archive(stores: Iterable[RunStore], path: Path, *, details: bool = False) -> int:
    """Write finished runs to `path`, one JSON line per run, gzip-compressed. Returns how many.

    A line holds the run's manifest, its rounds (what was bought, what was answered, what was scored, each with the
    hash of the one before), their costs and its result. The same runs give the same bytes.

    Parameters
    ----------
    details: hold what evaluations said beyond scores too: for each round its tables, null where there are none.

    Raises
    ------
    StoreError
        A run is not finished, its rounds do not follow from each other, or a file of it cannot be read. Costs that are
        lost are no reason: the round has none then.
    """
    buffer, count = io.BytesIO(), 0
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:
        for store in sorted(stores, key=lambda store: store.id):
            if not store.done:
                raise StoreError(f"{store.folder}: the run is not finished, so it cannot be archived")
            records = store.rounds()  # raises if the chain of hashes is broken
            line: dict[str, Any] = {
                "run": store.id,
                "manifest": store.manifest(),
                "config": store.config(),
                "rounds": [json.loads(file.read_bytes()) for file in numbered(store.files / "rounds").values()],
                "costs": store.costs(),
                "result": store.result(),
            }
            if details and any(record.details for record in records):
                line["details"] = [store.details_of(record) for record in records]
            file.write(canonical(line) + b"\n")
            count += 1
    replace(path, buffer.getvalue())
    return count


def restore_archive(path: Path, root: Path) -> int:
    """Restore the runs of an archive below `root`. Returns how many.

    Runs that are there already are compared, never overwritten.

    Raises
    ------
    StoreError
        The archive is damaged, a run below `root` differs from its own, a line's id is none, a line was imported and
        has no rounds, or details are not those that a round was committed with.
    """
    count = 0
    sweep_temporaries(root / "runs")
    for text in _lines(path):
        line = json.loads(text)
        if not re.fullmatch("[0-9a-f]{16}", str(line["run"])):  # it becomes a folder's name
            raise StoreError(f"{path}: {line['run']!r} is no run's id: expected sixteen hexadecimal digits")
        if "rounds" not in line:
            raise StoreError(f"{path}: run {line['run']} was imported: it has a curve, but no rounds to restore")
        store = RunStore(root, line["run"])
        if isinstance(there := store.files, Path):
            lay_out(_files(line), store.folder, path)
        else:
            compare(_files(line), there, path)
        for record, details in zip(store.rounds(), line.get("details", []), strict=False):
            if details is not None:
                store.restore_details(record, details)
        count += 1
    return count


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as lines:
            yield from lines
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise StoreError(f"{path} is damaged or cut short: {error}; get it again") from error


def _files(line: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a run by path in its folder; the one that marks the run as done comes last."""
    manifest = json.dumps(line["manifest"], indent=1, sort_keys=True).encode() + b"\n"
    files = {"config.json": canonical(line["config"]) + b"\n", MANIFEST: manifest}
    for part in ("rounds", "costs"):
        files |= {f"{part}/{file_name(number)}": canonical(each) + b"\n" for number, each in enumerate(line[part])}
    return files | {RESULT: canonical(line["result"]) + b"\n"}


def lay_out(
    files: Mapping[str, bytes], folder: Path, source: Path, dates: Callable[[Path], None] = lambda place: None
) -> None:
    """A new folder appears complete, each file synced once; an existing one gets what is missing.

    Parameters
    ----------
    source: what holds the files, for messages.
    dates: gives the files of a folder that is complete their dates.

    Raises
    ------
    StoreError
        A file is there and differs.
    """

    def write(place: Path) -> None:
        for name, content in files.items():
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_bytes(content)
        dates(place)

    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.exists() and publish_folder(folder, write):
        return
    compare({name: content for name, content in files.items() if (folder / name).exists()}, folder, source)
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            replace(target, content)
    dates(folder)


def compare(files: Mapping[str, bytes], there: Readable, source: Path) -> None:
    """Raise StoreError if a run has other files than those of `source`; costs and its origin may be others."""
    for name, content in files.items():
        if not name.startswith(("costs/", MANIFEST)) and (there / name).read_bytes() != content:
            raise StoreError(f"{there / name} differs from what {source} holds")
