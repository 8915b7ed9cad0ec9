"""Runs of a W&B project, read through its public API: LabelBench's own, and mirrors of ours.

The history of a run shows which of the two it is. LabelBench logs one line per round (`Num Labeled` and the scores),
then one for each label it bought (`i`, `Label index`). Our mirror (`tracking/wandb_mirror.py`) logs one line per round
(`round`, `num_labels`, `spent`, `test/...`, `cost/...`) and has the run's config.

W&B is asked for nothing but runs, configs, summaries and histories, and is told nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from itertools import accumulate, pairwise
from pathlib import PurePosixPath
from typing import Any, Protocol

from pydantic import ValidationError

from labelbench_plus import strangers
from labelbench_plus.importers.imported import ImportedRun, ImportRefused, Reading, as_results, run_id
from labelbench_plus.importers.labelbench import LABELS, UNKNOWN, Place, as_run
from labelbench_plus.inputs import plain_json
from labelbench_plus.inputs.plain_pickle import PickleRefused
from labelbench_plus.leaderboard.results import Results
from labelbench_plus.leaderboard.runs import COLUMNS, LATER_COSTS, PROXY_SECONDS, About
from labelbench_plus.limited import Died, Exceeded, Limits, Send, carry_out
from labelbench_plus.plugins import PluginError, label, registry
from labelbench_plus.spec import RunSpec, canonical
from labelbench_plus.tracking.wandb_mirror import LAST_ROUND

SECONDS = 60
PAGE = 10_000
FAILURES_IN_A_ROW = 3
LABELBENCH_CONFIG = (
    "dataset",
    "batch_size",
    "seed",
    "embed_model_config",
    "classifier_model_config",
    "trainer_config",
    "strategy_config",
)


class Run(Protocol):
    """What is used of `wandb.apis.public.Run`."""

    id: str
    name: str
    state: str
    config: Mapping[str, Any]
    summary: Mapping[str, Any]

    def scan_history(self, *, page_size: int) -> Iterable[Mapping[str, Any]]: ...


class Api(Protocol):
    """What is used of `wandb.Api`."""

    def runs(self, path: str) -> Iterable[Run]: ...


class _NotARun(Exception):
    """A run on W&B is neither LabelBench's nor a mirror of ours, or does not say enough."""


def connect() -> Api:
    """W&B's public API, which waits this many seconds for an answer.

    Raises
    ------
    ImportRefused
        Nobody is logged in, or the service is not there.
    """
    import wandb

    try:
        api: Api = wandb.Api(timeout=SECONDS)
    except Exception as error:  # W&B raises errors of its own, of its helper process, and of the connection
        said = _first_line(error).rstrip(".")
        hint = "" if "wandb login" in said else "; `wandb login` first"
        raise ImportRefused(f"W&B is unavailable: {said}{hint}") from error
    return api


def read_wandb(api: Api, project: str, told: Callable[[int], None] = lambda done: None) -> Reading:
    """Read every run of a project.

    Parameters
    ----------
    project: `ENTITY/PROJECT`.
    told: called after each run with how many were read.

    Raises
    ------
    ImportRefused
        No such project, no run in it, or W&B did not answer (after three runs in a row that could not be read).
    """
    if not re.fullmatch(r"[^/]+/[^/]+", project):
        raise ImportRefused(f"{project!r}: expected ENTITY/PROJECT, e.g. me/labelbench-plus")
    runs, refused, failed = [], [], 0
    try:
        for number, run in enumerate(api.runs(project), start=1):
            try:
                rows = sorted(run.scan_history(page_size=PAGE), key=_step)
                runs.append(_imported(run, rows, project))
                failed = 0
            except (_NotARun, PickleRefused) as error:
                refused.append(f"run {run.id} ({run.name}): {error}")
            except Exception as error:  # see `connect`
                failed += 1
                refused.append(f"run {run.id} ({run.name}) could not be read: {_first_line(error)}")
                if failed == FAILURES_IN_A_ROW:
                    raise ImportRefused(
                        f"{project}: {failed} runs in a row could not be read, nothing was written: "
                        f"{_first_line(error)}"
                    ) from error
            told(number)
    except ImportRefused:
        raise
    except Exception as error:  # see `connect`
        raise ImportRefused(
            f"{project}: W&B did not list its runs: {_first_line(error)}; is the name ENTITY/PROJECT right, and are "
            "you logged in?"
        ) from error
    if not runs and not refused:
        raise ImportRefused(f"{project}: W&B knows no runs of it")
    return Reading(tuple(runs), tuple(refused))


def wandb_results(runs: Iterable[ImportedRun], project: str, metric: str | None) -> Results:
    """The runs as results for a board that ranks by `metric`; by default by what ranks their problem.

    Raises
    ------
    ImportRefused
        There is no run, or none has the metric.
    """
    runs = tuple(runs)
    if runs and metric is None:
        metric = runs[0].config.get("ranked_by", "test_accuracy")
    notes = [f"read from the W&B project {project}, where they were not checked: W&B keeps whatever it is sent"]
    if any(run.validation_labels is None for run in runs):
        notes.append("some runs do not say how many validation labels were used beside the budget")
    name = re.sub(r"[^a-z0-9_.-]+", "-", project.lower())
    return as_results(runs, f"wandb-{name}", f"{project}, imported", metric or "", _more_is_better(metric or ""), notes)


def _imported(run: Run, rows: list[Mapping[str, Any]], project: str) -> ImportedRun:
    source = {"from": f"{project}/{run.id}"}
    unfinished = [] if run.state == "finished" else [f"it is not finished: W&B calls it {run.state!r}"]
    if any(row.get("num_labels") is not None for row in rows):
        return _mirror(run, rows, source, unfinished)
    if any(row.get(LABELS) is not None for row in rows):
        return _of_labelbench(run, rows, source, unfinished)
    raise _NotARun(f"its history has neither {LABELS!r} (LabelBench) nor 'num_labels' (ours)")


def _of_labelbench(
    run: Run, rows: list[Mapping[str, Any]], source: Mapping[str, Any], unfinished: list[str]
) -> ImportedRun:
    config = run.config
    if missing := [key for key in LABELBENCH_CONFIG if key not in config]:
        raise _NotARun(f"its config lacks {', '.join(missing)}")
    if "eval_trainer_config" in config:
        raise _NotARun("a point evaluation: what it was evaluated on is not on W&B; import its pickle")
    corrupter = _stem(config.get("corrupter_config", "noiseless"))
    try:
        place = Place(
            kind="selection",
            dataset=str(config["dataset"]),
            corrupter="" if corrupter == "noiseless" else corrupter,
            batch_size=int(config["batch_size"]),
            embed=_stem(config["embed_model_config"]),
            proxy="",
            model=_stem(config["classifier_model_config"]),
            trainer=_stem(config["trainer_config"]),
            strategy=_stem(config["strategy_config"]).removesuffix("_sampling"),
            seed=int(config["seed"]),
        )
    except (TypeError, ValueError) as error:
        raise _NotARun(f"its config is not LabelBench's: {error}") from error
    rounds = [row for row in rows if row.get(LABELS) is not None]
    series = {key: [row.get(key) for row in rounds] for key in sorted({key for row in rounds for key in row})}
    bought = {row["i"]: row.get("Label index") for row in rows if row.get("i") is not None}
    # A hole in the middle shows in the numbers; one at the end in the count of labels.
    last = max((int(i) for i in bought), default=-1)
    if last >= 10 * len(bought) + 1000:
        raise _NotARun(f"it logged {len(bought)} bought indices, numbered up to {last}")
    found = as_run(place, series, [bought.get(i) for i in range(last + 1)], {**source, "unknown": list(UNKNOWN)})
    return replace(found, defects=(*unfinished, *found.defects))


def _mirror(run: Run, rows: list[Mapping[str, Any]], source: Mapping[str, Any], defects: list[str]) -> ImportedRun:
    config, defects = _plain(run.config), list(defects)
    by_round: dict[int, Mapping[str, Any]] = {}
    for row in rows:
        if (number := row.get("round")) is None:
            continue
        told = {key: value for key, value in row.items() if not key.startswith("_")}
        if by_round.setdefault(int(number), told) != told:
            defects.append(f"round {number} was logged twice, with different values")
    if sorted(by_round) != list(range(len(by_round))):
        defects.append(f"of rounds 0 to {max(by_round)}, {max(by_round) + 1 - len(by_round)} were lost on the way")
    last = run.summary.get(LAST_ROUND)
    if isinstance(last, int) and last != max(by_round, default=-1):
        defects.append(f"its summary speaks of round {last}, its history ends with round {max(by_round, default=-1)}")
    lines = [by_round[number] for number in sorted(by_round)]
    try:
        amounts, seed = tuple(map(float, config["amounts"])), int(config["seed"])
        names = {kind: _name(config[kind]) for kind in ("problem", "trainer", "strategy")}
        if "proxy" in config:
            names["trainer"] += f", labels chosen by {_name(config['proxy'])}"
        labels = tuple(int(line["num_labels"]) for line in lines)
        spent = tuple(float(line["spent"]) for line in lines)
    except (KeyError, TypeError, ValueError) as error:
        raise _NotARun(f"its config or history is not of a mirrored run: {error!r}") from error
    about, validation, ranked_by = None, None, None
    try:
        spec = strangers.build(config, strangers.Allowed())
        names = {"problem": label(spec.problem), "trainer": spec.trainer_label, "strategy": label(spec.strategy)}
        about = About.of(spec.problem)
        validation = _validation_labels(spec)
        ranked_by = spec.problem.primary_metric()[0]
    except (PluginError, ValidationError, ValueError, KeyError, TypeError, OSError) as error:
        source = {**source, "not built": _first_line(error)}  # not here, or not to be trusted: names must do
    if any(now < before for before, now in pairwise(labels)):
        defects.append("its count of labels falls")
    if len(lines) != len(amounts):
        defects.append(f"{len(lines)} of {len(amounts)} rounds are there")
    metrics = sorted({key for line in lines for key in line if key.startswith("test/")})
    costs = sorted(name for name in (*COLUMNS, *LATER_COSTS) if any(f"cost/{name}" in line for line in lines))
    known = re.fullmatch("[0-9a-f]{16}", str(config.get("run_id")))
    return ImportedRun(
        id=config["run_id"] if known else run_id({"importer": "wandb", "run": source["from"]}),
        problem=names["problem"],
        about=about or About("any task", "labels", names["problem"]),
        trainer=names["trainer"],
        strategy=names["strategy"],
        seed=seed,
        labels=labels,
        spent=spent,
        grid=tuple(accumulate(amounts)),
        scores={key.removeprefix("test/"): tuple(_number(line.get(key)) for line in lines) for key in metrics},
        validation_labels=validation,
        defects=tuple(defects),
        config={**config, **({"ranked_by": ranked_by} if ranked_by else {})},
        source=source,
        costs={name: tuple(_cost(line, name) for line in lines) for name in costs},
    )


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON and UTF-8 can hold of a config that anybody may have written.

    Raises
    ------
    _NotARun
        It is deeper or larger than any config is.
    """
    try:
        text = json.dumps(dict(config), default=str, ensure_ascii=False).encode("utf-8", "replace")
        finite = json.dumps(json.loads(text, parse_constant=str), ensure_ascii=False).encode()
        found: dict[str, Any] = plain_json.read(finite)
    except (ValueError, RecursionError) as error:
        raise _NotARun(f"its config is none: {_first_line(error)}") from error
    return found


def _validation_labels(spec: RunSpec) -> int:
    """How many validation labels a run uses: its data have to be read for that, in bounded time and memory."""
    reads = spec.trainer.uses_validation or (spec.proxy is not None and spec.proxy.uses_validation)
    return _counted(canonical(spec.as_json()["problem"])) if reads else 0


@cache
def _counted(problem: bytes) -> int:
    try:
        (count,) = carry_out(f"{__name__}:send_validation_labels", json.loads(problem), Limits())
    except (Exceeded, Died) as error:
        raise ValueError(f"its validation labels could not be counted: {error}") from error
    return int(count)


def send_validation_labels(problem: dict[str, Any], send: Send) -> None:
    """What the process of `_counted` does, with a problem that may be built."""
    send(registry("problems").build(problem).validation_labels())


def _cost(line: Mapping[str, Any], name: str) -> float:
    value = _number(line.get(f"cost/{name}"))
    if name == "select_seconds" and (proxy := line.get(f"cost/{PROXY_SECONDS}")) is not None:
        return value + _number(proxy)
    return value


def _step(row: Mapping[str, Any]) -> int:
    return int(row.get("_step") or 0)


def _stem(path: Any) -> str:
    return PurePosixPath(str(path)).name.removesuffix(".json")


def _name(plugin: Any) -> str:
    return str(plugin["name"] if isinstance(plugin, Mapping) else plugin)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan  # W&B writes NaN as text


def _more_is_better(metric: str) -> bool:
    try:
        return bool(registry("metrics").load(metric).higher_is_better)
    except PluginError:
        return not metric.endswith("loss")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
