"""Weights & Biases as a mirror of a run's files.

The W&B run has the run's id, so mirroring twice, or again after a resume, lands in the same place; rounds that are
there already are not sent again. Whatever goes wrong costs one warning, never the run: W&B gets a limited time
to answer, and what it did not take can be sent later from the files (`lbp wandb push`).
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from labelbench_plus.plugins import label
from labelbench_plus.shown import say
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.run_store import RoundRecord, RunStore
from labelbench_plus.tracking.note import mirrored, note_mirrored

Mode = Literal["disabled", "offline", "online"]
LAST_ROUND = "lbp/last_round"
PROJECT = "labelbench-plus"
INIT_SECONDS = 60.0
FINISH_SECONDS = 120.0
NAME_LENGTH, JOB_TYPE_LENGTH = 128, 64  # W&B refuses what is longer, and tells only when it is sent
# Set by `wandb agent` for the one run that it thinks of as ours: all runs of a suite would become that one.
ONE_RUN = ("WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_LAUNCH", "WANDB_RESUME")
ABANDON_SECONDS = 10.0  # a job that was told to stop has little time left, and its rounds are on disk


@dataclass(frozen=True)
class Subject:
    """What W&B is told of a run beside its rounds."""

    id: str
    strategy: str
    seed: int
    config: dict[str, Any]

    @classmethod
    def of(cls, spec: RunSpec) -> Subject:
        """A run as its spec describes it."""
        return cls(spec.id, label(spec.strategy), spec.seed, spec.as_json())


class WandbMirror:
    """Sends rounds to W&B as they are committed (online), or all at once when the run is done (offline).

    Offline there is one file for the whole run rather than one an attempt, since W&B cannot merge several.

    Parameters
    ----------
    folder: the run's folder; W&B's files go below it, and `wandb.json` says what was mirrored.
    group: the sweep's or suite's name.
    not_before: W&B is not contacted before this time (as of `time.time`): many jobs that start at once would be
        refused. Rounds are computed meanwhile.
    """

    def __init__(self, run: Subject, folder: Path, group: str, mode: Mode, not_before: float = 0.0) -> None:
        self._about, self._folder, self._group, self._mode = run, folder, group, mode
        self._not_before = not_before
        self._rounds: list[tuple[RoundRecord, dict[str, float | None], int]] = []
        self._labels = 0
        self._run: Any = None
        self._sent = -1
        self._failed = False

    def round(self, record: RoundRecord, costs: dict[str, float | None]) -> None:
        """Take note of a committed round."""
        if self._mode == "disabled":
            return
        self._labels += record.purchase.labels
        self._rounds.append((record, costs, self._labels))
        if self._mode == "online" and time.time() >= self._not_before:
            self._guarded(self._send)

    def finish(self) -> bool:
        """The run is done: send what is left and close. Returns whether all of it is mirrored."""
        if self._mode == "disabled":
            return True
        if self._mode == "online" and not self._failed:
            time.sleep(max(0.0, self._not_before - time.time()))
        self._guarded(self._send)
        self._guarded(lambda: self._run.finish())
        if not self._failed:
            note_mirrored(self._folder, self._mode, len(self._rounds))
        return not self._failed

    def abandon(self, *, failed: bool) -> None:
        """This attempt ends before the run does: by a failure, or because it was told to stop and will go on later."""
        if self._run is None:
            return

        def close() -> None:
            if not failed:
                self._run.mark_preempting()
            self._run.finish(exit_code=1)

        closing = threading.Thread(target=self._guarded, args=(close,), daemon=True)
        closing.start()
        closing.join(ABANDON_SECONDS)

    def _guarded(self, step: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            step()
        except Exception as error:  # W&B raises anything from its own errors to timeouts of its helper process
            self._failed = True
            why = str(error).partition("\n")[0] or type(error).__name__
            say(f"warning: run {self._about.id} is not mirrored to W&B: {why}", file=sys.stderr)

    def _send(self) -> None:
        if self._run is None:
            self._open()
        for record, costs, labels in self._rounds:
            if record.number > self._sent:
                self._run.log(
                    {
                        "round": record.number,
                        "num_labels": labels,
                        "spent": record.spent,
                        **{f"test/{name}": score for name, score in record.scores.items()},
                        **{f"cost/{name}": cost for name, cost in costs.items() if cost is not None},
                        LAST_ROUND: record.number,
                    }
                )
                self._sent = record.number

    def _open(self) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # nodes without internet would try, and say so
        for name in ONE_RUN:
            os.environ.pop(name, None)
        import wandb

        known = wandb.setup().settings  # read before, if somebody else in this process uses W&B
        known.sweep_id = known.sweep_param_path = known.run_id = None
        seed = f" · seed {self._about.seed}"
        self._run = wandb.init(
            id=self._about.id,
            name=cut(self._about.strategy, NAME_LENGTH - len(seed)) + seed,
            project=PROJECT,
            group=cut(self._group, NAME_LENGTH),
            job_type=cut(self._about.strategy, JOB_TYPE_LENGTH),
            config={**self._about.config, "run_id": self._about.id},
            mode=self._mode,
            resume="allow",
            reinit="create_new",  # else a run whose predecessor in this process was not closed would be logged to that
            dir=str(self._folder),
            settings=wandb.Settings(
                silent=True,
                console="off",
                x_disable_stats=True,
                x_disable_meta=True,  # the machine's name and paths are no part of a result
                init_timeout=INIT_SECONDS,
                finish_timeout=FINISH_SECONDS,
                finish_timeout_raises=True,
            ),
        )
        self._run.define_metric("num_labels")
        self._run.define_metric("test/*", step_metric="num_labels")
        self._run.define_metric("cost/*", step_metric="num_labels")
        # The summary travels ahead of the history, so a connection that broke can have left a summary of rounds whose
        # lines never arrived. A round is one line, and one step: what is there is what both know of.
        self._sent = min(self._run.summary.get(LAST_ROUND, -1), self._run.starting_step - 1)


def cut(text: str, most: int) -> str:
    """The text, or as much of its beginning as is allowed with a hash of the whole, so that two never become one."""
    if len(text) <= most:
        return text
    end = f"~{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return text[: most - len(end)] + end


def mirror_from_files(run: Subject, store: RunStore, group: str, mode: Mode, not_before: float = 0.0) -> bool:
    """Mirror a finished run, unless that was done. Returns whether it is mirrored now.

    Raises
    ------
    StoreError
        The run's files contradict each other, or it has to be unpacked first: W&B keeps files in its folder.
    """
    if mode == "disabled" or mirrored(store.files) in (mode, "online"):
        return True
    mirror = WandbMirror(run, store.own_folder(), group, mode, not_before)
    for record, costs in zip(store.rounds(), store.costs(), strict=True):
        mirror.round(record, costs)
    return mirror.finish()
