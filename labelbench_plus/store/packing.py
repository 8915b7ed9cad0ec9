"""Moving finished runs from folders into packs, and back. Killed at any moment it loses nothing, and can be done again.

A pack is complete, durable and read back before a folder goes, and a folder goes only if it is, file for file, what the
pack holds. Back again, all folders are there before a pack goes. In between a run is in both places, which is one run.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from labelbench_plus.store.archive import lay_out
from labelbench_plus.store.atomic import remove, replacing, sweep_temporaries
from labelbench_plus.store.layout import PACKED, RESULT, is_whole
from labelbench_plus.store.lease import Lease, RunBusy, acquire, holder_of
from labelbench_plus.store.numbered import file_name, numbered
from labelbench_plus.store.packs import OWN, SUFFIX, File, find, packs, write_pack
from labelbench_plus.store.run_store import RunStore, StoreError


@dataclass
class Moved:
    """What was moved.

    Attributes
    ----------
    runs: how many. files: how many they have. bytes: how many are in those.
    left: the runs that stay where they are, by the reason in words.
    """

    runs: int = 0
    files: int = 0
    bytes: int = 0
    left: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, files: Mapping[str, File]) -> None:
        self.runs += 1
        self.files += len(files)
        self.bytes += sum(len(file.content) for file in files.values())


def pack(root: Path, runs: Iterable[str]) -> Moved:
    """Move runs below `root` into one new pack: those that are done, sound, held by nobody and hold nothing else.

    Raises
    ------
    RunBusy
        Another process packs or unpacks there.
    PackError
        A pack is damaged.
    """
    moved, ready, home = Moved(), list[str](), root / PACKED

    def new() -> Iterator[tuple[str, Mapping[str, File]]]:
        for run in sorted(set(runs)):
            store, before = RunStore(root, run), find(home, run)
            if before is not None and not is_whole(store.folder / RESULT):
                continue
            if why := _why_left(store):
                moved.left[why].append(run)
                continue
            files, _ = _contents(store.folder)
            ready.append(run)
            if before is None or before.pack.files(run) != files:
                yield run, files

    with _alone(root) as lease:
        found = new()
        if (first := next(found, None)) is not None:
            number = max(numbered(home, SUFFIX), default=0) + 1
            with replacing(home / file_name(number, SUFFIX)) as temporary:
                write_pack(temporary, chain([first], found))
                lease.check()
        for run in ready:
            folder, packed = RunStore(root, run).folder, find(home, run)
            files, strange = _contents(folder)
            if packed is None or strange or files != packed.pack.files(run) or holder_of(folder / "attempts"):
                moved.left["something came to them meanwhile"].append(run)
            elif remove(folder):
                moved.add(files)
    return moved


def unpack(root: Path, runs: Collection[str] | None = None) -> Moved:
    """Give runs below `root` their folders back, with the same files; all that are packed if none are named.

    Raises
    ------
    RunBusy
        Another process packs or unpacks there.
    PackError
        A pack is damaged.
    StoreError
        Something else is where a file belongs.
    """
    moved, home = Moved(), root / PACKED
    with _alone(root) as lease:
        known = packs(home)
        chosen = sorted({run for pack in known for run in pack.runs if runs is None or run in runs})
        for run in chosen:
            folder, packed = RunStore(root, run).folder, find(home, run)
            if packed is None or is_whole(folder / RESULT):
                continue
            _lay_out(packed.pack.files(run), folder, packed.pack.path)
            moved.add(packed.pack.files(run))
        for pack in known:
            rest = sorted(pack.runs.keys() - set(chosen))
            lease.check()
            if not rest:
                pack.path.unlink()
            elif len(rest) < len(pack.runs):
                with replacing(pack.path) as temporary:
                    write_pack(temporary, ((run, pack.files(run)) for run in rest))
    return moved


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[Lease]:
    """Become the only process that packs or unpacks below `root`, and clear away what killed ones left."""
    (turn := root / PACKED / "packers").mkdir(parents=True, exist_ok=True)
    try:
        lease = acquire(turn)
    except RunBusy as error:
        raise RunBusy(str(error).replace("is being computed by", "is being written to by")) from None
    ended = "stopped"
    try:
        for folder in (root / PACKED, root / "runs"):
            sweep_temporaries(folder)
        yield lease
        ended = "finished"
    finally:
        lease.release(ended)


def _why_left(store: RunStore) -> str:
    """Why a run stays a folder, in words; nothing if it need not."""
    if not store.done:
        return "not finished"
    if holder_of(store.folder / "attempts"):
        return "held by a process"
    if strange := _contents(store.folder)[1]:
        return f"beside the run they hold {', '.join(sorted(strange))}"
    try:
        result, rounds = store.result(), len(store.rounds())
        sound = (result["run"], result["rounds"], result["head"]) == (store.id, rounds, store.head())
    except (StoreError, OSError, KeyError):
        sound = False
    return "" if sound else "their files contradict each other"


def _contents(folder: Path) -> tuple[dict[str, File], set[str]]:
    """The files in a run's folder, and the names at its top of what no pack takes: links, and what is not the run's."""
    files, strange, skip = dict[str, File](), set[str](), len(str(folder)) + 1
    for place, folders, names in os.walk(folder):
        links = (name for name in folders if os.path.islink(f"{place}/{name}"))
        for path in (f"{place}/{name}" for name in chain(names, links)):
            name, told = path[skip:], os.lstat(path)
            if OWN.fullmatch(name) and stat.S_ISREG(told.st_mode):
                files[name] = File(Path(path).read_bytes(), told.st_mtime_ns)
            else:
                strange.add(name.partition("/")[0])
    return files, strange


def _lay_out(files: Mapping[str, File], folder: Path, source: Path) -> None:
    def dates(place: Path) -> None:
        for name, file in files.items():
            os.utime(place / name, ns=(file.changed, file.changed))

    last = sorted(files, key=lambda name: name == RESULT)
    lay_out({name: files[name].content for name in last}, folder, source, dates)
