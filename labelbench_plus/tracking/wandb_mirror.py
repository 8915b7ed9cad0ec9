"""Weights & Biases as a mirror of a run's files.

The W&B run has the run's id, so mirroring twice, or again after a resume, lands in the same place; rounds that are
there already are not sent again. Whatever goes wrong costs one warning, never the run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

from labelbench_plus.plugins import label
from labelbench_plus.spec import RunSpec, canonical
from labelbench_plus.store.atomic import replace
from labelbench_plus.store.run_store import RoundRecord

Mode = Literal["disabled", "offline", "online"]
LAST_ROUND = "lbp/last_round"


class WandbMirror:
    """Sends rounds to W&B as they are committed (online), or all at once when the run is done (offline).

    Offline there is one file for the whole run rather than one an attempt, since W&B cannot merge several.

    Parameters
    ----------
    folder: the run's folder; W&B's files go below it, and `wandb.json` says what was mirrored.
    """

    def __init__(self, spec: RunSpec, folder: Path, suite: str, mode: Mode) -> None:
        self._spec, self._folder, self._suite, self._mode = spec, folder, suite, mode
        self._rounds: list[tuple[RoundRecord, dict[str, float | None], int]] = []
        self._labels = 0
        self._run: Any = None
        self._failed = False

    def round(self, record: RoundRecord, costs: dict[str, float | None]) -> None:
        """Take note of a committed round."""
        if self._mode == "disabled":
            return
        self._labels += record.purchase.labels
        self._rounds.append((record, costs, self._labels))
        if self._mode == "online":
            self._guarded(self._send)

    def finish(self) -> None:
        """The run is done: send what is left and close."""
        if self._mode == "disabled":
            return
        self._guarded(self._send)
        self._guarded(self._close)
        if not self._failed:
            note = {"mode": self._mode, "rounds": len(self._rounds)}
            replace(self._folder / "wandb.json", canonical(note) + b"\n")

    def _guarded(self, step: Any) -> None:
        if self._failed:
            return
        try:
            step()
        except Exception as error:  # W&B raises anything from its own errors to timeouts of its helper process
            self._failed = True
            print(f"warning: run {self._spec.id} is not mirrored to W&B: {error}", file=sys.stderr)

    def _send(self) -> None:
        if self._run is None:
            self._open()
        sent = self._run.summary.get(LAST_ROUND, -1)
        for record, costs, labels in self._rounds:
            if record.number > sent:
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

    def _open(self) -> None:
        import wandb

        self._run = wandb.init(
            id=self._spec.id,
            name=f"{label(self._spec.strategy)} · seed {self._spec.seed}",
            project="labelbench-plus",
            group=self._suite,
            job_type=label(self._spec.strategy),
            config={**self._spec.as_json(), "run_id": self._spec.id},
            mode=self._mode,
            resume="allow",
            dir=str(self._folder),
            settings=wandb.Settings(silent=True, init_timeout=60, x_disable_stats=True, console="off"),
        )
        self._run.define_metric("num_labels")
        self._run.define_metric("test/*", step_metric="num_labels")
        self._run.define_metric("cost/*", step_metric="num_labels")

    def _close(self) -> None:
        if self._run is not None:
            self._run.finish()


def mirrored(folder: Path) -> bool:
    """Whether the finished run in `folder` was mirrored."""
    return (folder / "wandb.json").is_file()
