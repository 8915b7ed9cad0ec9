"""A selection as small tasks on files: each can be repeated, and what it wrote is there as a whole or not at all.

plan.json                    the selection, its shards and stages
stage-0/state/               what every shard needs to be scored: one `.npy` file an array
stage-0/scores/<shard>.parquet   row, uid and score of every row that is in, shard by shard
stage-0/cut.json             where the stage cuts: who stays follows from a row's score and uid alone
stage-1/ ...                 the same of those that are left
kept.npy                     the uid file

The folder's name is the hash of the selection, so results of another configuration are never taken for this one's. A
task whose output is there is done. Which process does it, in which order and in what pieces changes no bit.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from labelbench_plus.algorithms.blocks.stream_top_n import UID, Cut, Part
from labelbench_plus.contracts.pair_pools import OpenPool
from labelbench_plus.pairs.choose import check_columns, find_cut, keeps, score_unit, score_whole_pool
from labelbench_plus.pairs.columns import read_numbers, write_numbers
from labelbench_plus.pairs.reading import CHUNK_ROWS, PoolReader
from labelbench_plus.pairs.spec import Selection, SelectionError
from labelbench_plus.pairs.strategy import Stage, State
from labelbench_plus.pairs.tasks import SelectionTask
from labelbench_plus.pairs.uids import repeated, uids_to_hex, write_uids
from labelbench_plus.plugins import load_plugin_file
from labelbench_plus.seeding import Streams
from labelbench_plus.store.atomic import publish_folder, replace


class Workspace:
    """The folder of one selection.

    Parameters
    ----------
    folder: as `plan` made it.
    chunk: rows read at a time. device: where scores are computed. Neither is part of the selection.
    """

    def __init__(self, folder: Path, *, chunk: int = CHUNK_ROWS, device: str = "cpu") -> None:
        self.folder, self._chunk, self._device = folder, chunk, device

    @cached_property
    def selection(self) -> Selection:
        for file in self._plan["plugins"]:
            load_plugin_file(Path(file))
        return Selection.model_validate(self._plan["selection"])

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        return self.selection.stages(self.rows)

    @property
    def rows(self) -> int:
        """Of the whole pool."""
        return sum(rows for _, rows in self._plan["shards"])

    @property
    def shards(self) -> list[str]:
        """Their names."""
        return [name for name, _ in self._plan["shards"]]

    @property
    def kept(self) -> Path:
        """The uid file."""
        return self.folder / "kept.npy"

    def phases(self) -> list[list[SelectionTask]]:
        """All tasks in groups: those of one group need all of the groups before it, but nothing of each other."""
        groups: list[list[SelectionTask]] = []
        for number, stage in enumerate(self.stages):
            groups.append([SelectionTask("prepare", number)])
            if stage.scorer.whole_pool:
                groups.append([SelectionTask("score_all", number)])
            else:
                groups.append([SelectionTask("score", number, unit) for unit in range(len(self._units(number)))])
            groups.append([SelectionTask("cut", number)])
        return [*groups, [SelectionTask("write")]]

    def done(self, task: SelectionTask) -> bool:
        """Whether a task's output is there."""
        stage = self._stage(task.stage)
        if task.kind in ("score", "score_all"):
            shards = self._units(task.stage)[task.unit] if task.kind == "score" else range(len(self.shards))
            return all(self._scores(task.stage, shard).exists() for shard in shards)
        return {"prepare": stage / "state", "cut": stage / "cut.json", "write": self.kept}[task.kind].exists()

    def carry_out(self, task: SelectionTask) -> bool:
        """Do a task unless it is done. Returns whether it was done now."""
        if self.done(task):
            return False
        if task.kind == "prepare":
            self._write_state(task.stage, self.stages[task.stage].scorer.prepare(self._reader(task.stage)))
        elif task.kind == "score":
            unit, reader = self._units(task.stage)[task.unit], self._reader(task.stage)
            scorer = self.stages[task.stage].scorer
            found = score_unit(scorer, [reader.shard(shard) for shard in unit], self._state(task.stage))
            for shard, scores in zip(unit, found, strict=True):
                self._write_scores(task.stage, shard, scores)
        elif task.kind == "score_all":
            readers = list(self._reader(task.stage).shards())
            found = score_whole_pool(self.stages[task.stage], readers, self._state(task.stage))
            for shard, scores in enumerate(found):
                self._write_scores(task.stage, shard, scores)
        elif task.kind == "cut":
            self._cut(task.stage)
        else:
            last = len(self.stages) - 1
            write_uids(self.kept, lambda: (uids for _, uids, _ in self.survivors(last)))
        return True

    def scored(self, stage: int, shard: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows (n,), uids (n,) and scores (n,) of a shard in a stage."""
        rows, high, low, scores = read_numbers(self._scores(stage, shard), "row", "uid_hi", "uid_lo", "score")
        uids = np.empty(len(rows), dtype=UID)
        uids["f0"], uids["f1"] = high, low
        return rows, uids, scores

    def cut(self, stage: int) -> Cut:
        """Where a stage cuts.

        Raises
        ------
        FileNotFoundError
            It has not done so yet.
        """
        found = json.loads((self._stage(stage) / "cut.json").read_bytes())
        uid = int(found["uid"][:16], 16), int(found["uid"][16:], 16)
        return Cut(found["key"], uid, found["bits"], found["threshold"])

    def survivors(self, stage: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Rows, uids and scores of those that a stage keeps, shard by shard."""
        cut = self.cut(stage)
        for shard in range(len(self.shards)):
            rows, uids, scores = self.scored(stage, shard)
            stay = keeps(cut, scores, partial(np.asarray, uids))
            yield rows[stay], uids[stay], scores[stay]

    @cached_property
    def pool(self) -> OpenPool:
        """The pool, found to be the one that was planned for.

        Raises
        ------
        SelectionError
            Its files have changed since.
        """
        pool = self.selection.pool.open(Streams(self.selection.seed))
        if [[shard.name, shard.rows] for shard in pool.shards] != self._plan["shards"]:
            raise SelectionError(f"{self.folder}: the pool has other shards than when the selection was planned")
        return pool

    @cached_property
    def _plan(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "plan.json").read_bytes())
        return content

    def _units(self, stage: int) -> list[list[int]]:
        return self.stages[stage].scorer.units(self.shards, self.selection.seed)

    def _reader(self, stage: int) -> PoolReader:
        needs, seed = self.stages[stage].scorer.needs, self.selection.seed
        return PoolReader(self.pool, partial(self._alive, stage), needs, seed, stage, self._chunk, self._device)

    def _alive(self, stage: int, shard: int) -> np.ndarray:
        if stage == 0:
            return np.ones(self.pool.shards[shard].rows, dtype=bool)
        rows, uids, scores = self.scored(stage - 1, shard)
        alive = np.zeros(self.pool.shards[shard].rows, dtype=bool)
        alive[rows[keeps(self.cut(stage - 1), scores, partial(np.asarray, uids))]] = True
        return alive

    def _parts(self, stage: int) -> Iterator[Part]:
        for shard in range(len(self.shards)):
            (scores,) = read_numbers(self._scores(stage, shard), "score")
            yield scores, partial(self._uids, stage, shard)

    def _uids(self, stage: int, shard: int) -> np.ndarray:
        return self.scored(stage, shard)[1]

    def _cut(self, stage: int) -> None:
        cut = find_cut(self.stages[stage], partial(self._parts, stage), self.selection.ties)
        limit = np.array([cut.uid], dtype=UID)
        record = {"key": cut.key, "uid": uids_to_hex(limit)[0], "score": repr(cut.score)}
        record |= {"bits": cut.bits, "threshold": cut.threshold}
        replace(self._stage(stage) / "cut.json", json.dumps(record).encode() + b"\n")

    def _write_scores(self, stage: int, shard: int, scores: np.ndarray) -> None:
        alive = self._alive(stage, shard)
        uids = self.pool.uids(shard)[alive]
        rows, buffer = np.flatnonzero(alive).astype(np.uint32), io.BytesIO()
        write_numbers({"row": rows, "uid_hi": uids["f0"], "uid_lo": uids["f1"], "score": scores}, buffer)
        path = self._scores(stage, shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, buffer.getvalue())

    def _write_state(self, stage: int, state: State) -> None:
        folder = self._stage(stage)
        folder.mkdir(parents=True, exist_ok=True)

        def write(new: Path) -> None:
            for name, array in state.items():
                np.save(new / f"{name}.npy", array, allow_pickle=False)

        publish_folder(folder / "state", write)  # if another process was as fast, it had the same bits

    def _state(self, stage: int) -> State:
        files = sorted((self._stage(stage) / "state").glob("*.npy"))
        return {path.stem: np.load(path, mmap_mode="c", allow_pickle=False) for path in files}

    def _stage(self, stage: int) -> Path:
        return self.folder / f"stage-{stage}"

    def _scores(self, stage: int, shard: int) -> Path:
        return self._stage(stage) / "scores" / f"{self.shards[shard]}.parquet"


def plan(selection: Selection, root: Path, plugins: Sequence[Path] = ()) -> Path:
    """Make a selection's folder below `root` and return it; nothing changes if it is there.

    Parameters
    ----------
    plugins: files that workers run for the plugins they register.

    Raises
    ------
    SelectionError
        The pool cannot be read, has a uid twice, or more is asked for than it has.
    """
    try:
        folder = root / selection.id
        if (folder / "plan.json").exists():
            return folder
        pool = selection.pool.open(Streams(selection.seed))
        rows = pool.rows
        check_columns(selection.stages(rows), pool)
        twice = repeated(lambda: (pool.uids(shard) for shard in range(len(pool.shards))), rows)
    except (OSError, ValueError, KeyError) as error:
        raise SelectionError(str(error)) from error
    if len(twice):
        raise SelectionError(f"{len(twice)} uids occur more than once in the pool, first {uids_to_hex(twice[:1])[0]}")
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "selection": selection.as_json(),
        "shards": [[shard.name, shard.rows] for shard in pool.shards],
        "plugins": [str(path.resolve()) for path in plugins],
    }
    replace(folder / "plan.json", json.dumps(record, indent=1).encode() + b"\n")
    return folder
