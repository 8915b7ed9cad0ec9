"""What a script or notebook does with a suite: run it, read its curves, rank its strategies."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labelbench_plus.running.job import Where, local_jobs, why_no_models
from labelbench_plus.running.local import Event, run_local

if TYPE_CHECKING:
    import pandas as pd

    from labelbench_plus.suite import Suite


class RunsFailed(Exception):
    """Runs failed; the others continued. The message has one line per failed run."""


def run_suite(
    suite: Suite,
    out: Path | str = "outputs",
    *,
    workers: int = 1,
    device: Literal["cpu", "cuda"] = "cpu",
    plugin_files: Sequence[Path] = (),
    keep_models: bool = False,
    answers: Path | str | None = None,
    pay: float | None = None,
) -> None:
    """Compute every unfinished run of a suite, and return when all have ended. `lbp run` does the same.

    A run that waits for people's answers, or whose answers may cost more than `pay`, is left unfinished; another call
    continues it once the answers exist or `pay` is higher.

    Parameters
    ----------
    out: folder for runs. Finished runs are never recomputed; interrupted ones are resumed.
    workers: processes with one thread each. Results do not depend on their number.
    plugin_files: Python files that register plugins of the suite. Other processes compute the runs, and they do not
        know classes defined in a notebook.
    keep_models: keep each run's last model in its folder, for `load_model`.
    answers: the folder of given answers; by default `answers` beside `out`.
    pay: the most that this call may pay annotators, in total; None if none are paid.

    Raises
    ------
    RunsFailed
        After all runs have ended, if any failed.
    ValueError
        A model should be kept, but its trainer cannot save any.
    """
    from labelbench_plus.contracts.annotators import Purse

    failed = []

    def listen(event: Event) -> None:
        if event.state == "failed":
            failed.append(f"{event.job.title}: {event.message}")

    runs = suite.runs()
    if keep_models and (reason := why_no_models(runs)):
        raise ValueError(reason)
    purse = None if pay is None else Purse(uuid.uuid4().hex, pay)
    kept_in = None if answers is None else Path(answers)
    where = Where.here(Path(out), device, plugin_files, answers=kept_in, purse=purse)
    jobs = local_jobs(runs, where, workers, isolate=suite.isolate, keep_models=keep_models)
    run_local(jobs, workers, listen)
    if failed:
        raise RunsFailed("\n".join(failed))


def load_model(run: Path | str) -> Any:
    """The last model of a run that kept it, on the CPU: what the run's trainer returned.

    A classifier has `probabilities`, from features that are scaled as the problem scales them, or from images.

    Parameters
    ----------
    run: the run's folder, `OUT/runs/ID`.

    Raises
    ------
    FileNotFoundError
        The run does not exist, or kept no model.
    """
    from labelbench_plus.plugins import registry

    folder = Path(run)
    config = json.loads((folder / "config.json").read_bytes())
    if not (folder / "model").is_dir():
        raise FileNotFoundError(f"{folder}: no model was kept; call the command again with --keep-models")
    return registry("trainers").build(config["trainer"]).load_model(folder / "model")


def learning_curves(suite: Suite, out: Path | str = "outputs") -> pd.DataFrame:
    """What exists of a suite's runs: one row per committed round.

    Columns: run_id, suite, problem, trainer, strategy, seed, round, labels (bought so far), spent (budget),
    declared_validation_labels, complete, then costs (seconds, bytes) and the metrics on the test set.
    """
    from labelbench_plus.store.collect import collect

    return collect(suite.suite, suite.runs(), Path(out)).curves


def run_details(run: str, out: Path | str = "outputs", number: int = -1) -> dict[str, pd.DataFrame]:
    """What the evaluation of a round reported beyond scores: tables by name, possibly none.

    Parameters
    ----------
    run: a run's id, or its beginning.
    number: of the round, from 0; -1 is the last.

    Raises
    ------
    LookupError
        The run or its round does not exist.
    FileNotFoundError
        The run was restored from an archive without details.
    """
    import pandas as pd

    from labelbench_plus.store.layout import find_run
    from labelbench_plus.store.run_store import RunStore

    folder = find_run(Path(out), run)
    store = RunStore(folder.parent.parent, folder.name)
    records = store.rounds()
    if not -len(records) <= number < len(records):
        raise LookupError(f"run {store.id} has no round {number}: {len(records)} are committed, counted from 0")
    record = records[number]
    details = store.details_of(record)
    if record.details is not None and details is None:
        raise FileNotFoundError(
            f"{store.folder}: round {record.number} has details, but they are missing: the archive was written "
            "without (lbp publish --details)"
        )
    return {name: pd.DataFrame(table) for name, table in (details or {}).items()}


def ranking(suite: Suite, out: Path | str = "outputs") -> pd.DataFrame:
    """The leaderboard of a suite: one row per strategy for each problem and trainer.

    Estimates have columns `_mean`, `_low`, `_high` (95 % interval) and `_n` (seeds); ranks are ranges.

    Raises
    ------
    ValueError
        No run is complete yet.
    """
    from labelbench_plus.leaderboard.frame import to_frame
    from labelbench_plus.leaderboard.of_suite import can_rank, results_of_suite

    results = results_of_suite(suite, suite.runs(), Path(out))
    if not can_rank(results):
        raise ValueError(f"no run of {suite.suite} in {out} is complete: call run_suite first")
    return to_frame(results.board())
