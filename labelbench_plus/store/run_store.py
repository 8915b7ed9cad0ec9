"""A run's folder: what was decided, round by round, in files whose bytes depend only on the run's spec.

config.json         the resolved spec
manifest.json       where the run comes from: code, versions, machine (written before round 0)
rounds/0000.json …  what was bought and what the model scored; each names the hash of the one before
costs/0000.json …   what the round cost in seconds and memory: differs from machine to machine
details/0000.json.gz …  what an evaluation says beyond scores, where it does; the round names its hash (see details.py)
attempts/0001.json  who worked on the run, and the right to do so (see lease.py)
checkpoints/0000.pt a training under way, or done (see checkpoint.py); gone when the next round is committed
model/              the last model, if it was to be kept; no part of the run
result.json         written last: a run is done if and only if it is there
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from labelbench_plus.budget import Purchase
from labelbench_plus.spec import RunSpec, canonical
from labelbench_plus.store import details as details_files
from labelbench_plus.store import told
from labelbench_plus.store.atomic import publish, publish_folder, replace, sweep_temporaries
from labelbench_plus.store.checkpoint import CheckpointFile, remove_before
from labelbench_plus.store.layout import RESULT, is_done, is_torn, run_files, run_folder, steadily
from labelbench_plus.store.lease import Judge, Lease, acquire
from labelbench_plus.store.numbered import file_name, numbered
from labelbench_plus.store.readable import Readable

T = TypeVar("T")

logger = logging.getLogger(__name__)


class StoreError(Exception):
    """A run's files contradict each other or the spec. The message names the file and what is wrong."""


class NondeterminismError(StoreError):
    """A recomputed round differs from the committed one."""


@dataclass(frozen=True)
class RoundRecord:
    """What a round decided. Nothing in it may differ between machines that compute the same.

    Attributes
    ----------
    number: of the round, from 0.
    purchase: what was bought.
    spent: money spent up to and including this round.
    scores: of the model trained on everything bought so far.
    details: the hash of what its evaluation said beyond scores; None if it said no more.
    """

    number: int
    purchase: Purchase
    spent: float
    scores: dict[str, float]
    details: str | None = None


class RunStore:
    """Reads and writes one run's folder.

    Parameters
    ----------
    root: the output directory; the run lives in `root/runs/<id>`.
    run_id: the run's id.
    """

    def __init__(self, root: Path, run_id: str) -> None:
        self.id = run_id
        self.folder = run_folder(root, run_id)
        self._root = root

    @property
    def files(self) -> Readable:
        """Where to read the run now: its folder or a pack."""
        return run_files(self._root, self.id)

    def _read(self, read: Callable[[Readable], T]) -> T:
        return steadily(self._root, self.id, read)

    def own_folder(self) -> Path:
        """The run's folder, to write to.

        Raises
        ------
        StoreError
            The run is packed.
        """
        if (files := self.files) != self.folder:
            unpack = f"lbp unpack SUITE --out {self._root}"
            raise StoreError(f"{files}: the run is packed, so nothing can be written to it: first {unpack}")
        return self.folder

    def open(
        self,
        spec: RunSpec,
        manifest: dict[str, Any],
        judge: Judge = lambda record: None,
        facts: Callable[[BaseException], dict[str, Any]] = lambda error: {},
        **about: Any,
    ) -> Lease:
        """Create the folder if necessary and become its only writer.

        Parameters
        ----------
        judge, about: see `lease.acquire`.
        facts: what else to note of an error that ends the attempt in here.

        Raises
        ------
        RunBusy
            Another process holds the run.
        OSError
            The folder cannot be written to.
        StoreError
            The run is packed.
        """
        self.own_folder()
        for part in ("rounds", "costs", "attempts"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        lease = acquire(self.folder / "attempts", judge, **about)
        try:
            self._sweep()
            replace(self.folder / "config.json", canonical(spec.as_json()) + b"\n")
            self._keep_manifest(manifest)
        except BaseException as error:
            ended = "failed" if isinstance(error, Exception) else "stopped"
            lease.release(ended, f"{type(error).__name__}: {error}", **facts(error))
            raise
        return lease

    def _sweep(self) -> None:
        for part in (".", "rounds", "costs", "attempts", "checkpoints", details_files.FOLDER):
            sweep_temporaries(self.folder / part)

    def _keep_manifest(self, manifest: dict[str, Any]) -> None:
        """The first attempt's stays. One that was damaged since is written anew, and says that it is another's."""
        path = self.folder / "manifest.json"
        if publish(path, _pretty(manifest)):
            return
        try:
            self.manifest()
        except StoreError as error:
            logger.warning("%s; it is written anew", error)
            replace(path, _pretty({**manifest, "written_anew_after_rounds": len(numbered(self.folder / "rounds"))}))

    def manifest(self) -> dict[str, Any]:
        """Where the run comes from (see manifest.py).

        Raises
        ------
        StoreError
            It is damaged or missing.
        """
        return self._read(lambda files: _object(files / "manifest.json"))

    def config(self) -> dict[str, Any]:
        """The run's spec, as plain values.

        Raises
        ------
        StoreError
            It is damaged or missing.
        """
        return self._read(lambda files: _object(files / "config.json"))

    def result(self) -> dict[str, Any]:
        """What a finished run came to.

        Raises
        ------
        StoreError
            It is damaged or missing.
        """
        return self._read(lambda files: _object(files / RESULT))

    @property
    def done(self) -> bool:
        """Whether the run is finished. Files decide, not processes."""
        return is_done(self._root, self.id)

    def rounds(self) -> list[RoundRecord]:
        """The committed rounds in order, each checked against the hash in the next one.

        Raises
        ------
        StoreError
            A round is missing, torn, or not the one its successor was built on.
        """
        return self._read(self._rounds)

    def _rounds(self, files: Readable) -> list[RoundRecord]:
        records, previous = [], self.id
        for number, (found, path) in enumerate(numbered(files / "rounds").items()):
            if found != number:
                raise StoreError(f"{path}: round {number:04d} is missing before it")
            content = path.read_bytes()
            try:
                record = json.loads(content)
                if record["previous"] != previous:
                    raise StoreError(f"{path}: follows {record['previous']}, but the round before it is {previous}")
                purchase = Purchase.from_json(record["purchase"])
                said = record.get("details")
                records.append(RoundRecord(record["round"], purchase, record["spent"], record["scores"], said))
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(
                    f"{path}: not a round file: {error}; remove it and the later ones, and the run resumes from there"
                ) from error
            previous = hashlib.sha256(content).hexdigest()
        return records

    def head(self) -> str:
        """The hash of the last committed round, and so of everything so far: each round names the previous one."""
        return self._read(lambda files: self._hash_before(max(numbered(files / "rounds"), default=-1) + 1, files))

    def _hash_before(self, number: int, files: Readable) -> str:
        """What a round names as the one before it: its hash, and of the first the run."""
        if not number:
            return self.id
        path = files / "rounds" / file_name(number - 1)
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            raise StoreError(f"{path} is missing: round {number:04d} cannot follow it") from None

    def details(self, number: int) -> dict[str, Any] | None:
        """What the evaluation of a committed round reported beyond scores: tables by name.

        None if it said no more, or if the file is not here: archives hold details only where asked to.

        Raises
        ------
        LookupError
            The round is not committed.
        StoreError
            The file is not what the round was committed with.
        """
        records = self.rounds()
        if not 0 <= number < len(records):
            raise LookupError(f"run {self.id} has no round {number}: {len(records)} are committed, counted from 0")
        return self.details_of(records[number])

    def details_of(self, record: RoundRecord) -> dict[str, Any] | None:
        """The same of a round that was read already.

        Raises
        ------
        StoreError
            The file is not what the round was committed with.
        """
        if (said := record.details) is None:
            return None
        try:
            return self._read(lambda files: details_files.read(files, record.number, said))
        except ValueError as error:
            raise StoreError(str(error)) from error

    def restore_details(self, record: RoundRecord, details: Mapping[str, Any]) -> None:
        """Write a committed round's details beside it.

        Raises
        ------
        StoreError
            The round was committed with others, or with none; or the run is packed, without them.
        """
        if details_files.digest(details) != record.details:
            number, said = record.number, record.details
            raise StoreError(f"{self.folder}: round {number} was committed with other details, whose hash is {said}")
        if self.files == self.folder or self.details_of(record) is None:
            details_files.write(self.own_folder(), record.number, details)

    def commit(
        self,
        record: RoundRecord,
        costs: dict[str, float | None],
        lease: Lease,
        details: Mapping[str, Any] | None = None,
    ) -> RoundRecord:
        """Make a round part of the run for good. Returns it with the hash of its details.

        Parameters
        ----------
        details: what its evaluation said beyond scores, as plain JSON values.

        Raises
        ------
        LeaseLost
            Another process took the run over.
        NondeterminismError
            The round exists and differs.
        """
        lease.check()
        name = file_name(record.number)
        record = dataclasses.replace(record, details=details_files.digest(details) if details else None)
        content = canonical(
            {
                "round": record.number,
                "previous": self._hash_before(record.number, self.folder),
                "purchase": record.purchase.as_json(),
                "spent": record.spent,
                "scores": record.scores,
                **({"details": record.details} if details else {}),
            }
        )
        if details and not (self.folder / "rounds" / name).exists():  # else what is there belongs to that round
            details_files.write(self.folder, record.number, details)
        # Costs first: once the round is there it counts, and a round without its costs would be a hole for ever.
        replace(self.folder / "costs" / name, canonical({**costs, "attempt": lease.number}) + b"\n")
        _publish_once(self.folder / "rounds" / name, content + b"\n")
        # The last round's stays: the next round's strategy needs that model, and a resumed run would train it again.
        remove_before(self.folder / "checkpoints", record.number)
        return record

    def checkpoint(self, number: int, lease: Lease) -> CheckpointFile:
        """Where the training of a round can keep its state."""
        return CheckpointFile(self.folder / "checkpoints", number, lease)

    @property
    def model_folder(self) -> Path:
        """Where the last model is, if it was kept."""
        return self.folder / "model"

    def keep_model(self, write: Callable[[Path], None], lease: Lease) -> None:
        """Keep the last model, atomically: what `write` puts into the folder it gets.

        Raises
        ------
        LeaseLost
            Another process took the run over.
        """
        publish_folder(self.model_folder, write, lease.check)

    def finish(self, spec: RunSpec) -> None:
        """Write `result.json`, after which the run is done."""
        records = self.rounds()
        result = {
            "run": self.id,
            "identity": spec.identity,
            "rounds": len(records),
            "labels": _running_total(record.purchase.labels for record in records),
            "spent": [record.spent for record in records],
            "scores": {name: [record.scores[name] for record in records] for name in records[-1].scores},
            "head": self.head(),
        }
        path, content = self.folder / RESULT, canonical(result) + b"\n"
        if is_torn(path):  # what it said is in the rounds
            replace(path, content)
        _publish_once(path, content)
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
        self._sweep()

    def costs(self) -> list[dict[str, float | None]]:
        """The costs of every committed round; empty, with a warning, for one whose costs are lost."""
        return self._read(
            lambda files: [_cost(files / "costs" / path.name) for path in numbered(files / "rounds").values()]
        )


def _cost(path: Readable) -> dict[str, float | None]:
    try:
        return _object(path)
    except (StoreError, OSError) as error:
        told.once(path, f"{error}; what the round cost is not known")
        return {}


def _pretty(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"


def _object(path: Readable) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise StoreError(f"{path}: cannot be read: it holds no JSON object")
    return found


def _publish_once(path: Path, content: bytes) -> None:
    if not publish(path, content) and (there := path.read_bytes()) != content:
        raise NondeterminismError(
            f"{path} was committed before with other content: the same spec gave two results\n"
            f"  before: {_difference(there, content)}\n  now:    {_difference(content, there)}"
        )


def _difference(content: bytes, other: bytes, width: int = 60) -> str:
    start = next((i for i, (a, b) in enumerate(zip(content, other, strict=False)) if a != b), 0)
    return f"…{content[max(0, start - width // 2) : start + width].decode(errors='replace')}…"


def _running_total(values: Any) -> list[int]:
    totals, total = [], 0
    for value in values:
        total += value
        totals.append(total)
    return totals
