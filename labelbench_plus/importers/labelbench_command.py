"""LabelBench's command lines (`main.py`, `point_evaluation.py` and their launchers) and the JSON files they name."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import numpy as np

from labelbench_plus.importers.imported import ImportRefused
from labelbench_plus.inputs import plain_json

SCRIPTS = ("main.py", "mp_launcher.py", "point_evaluation.py", "mp_eval_launcher.py")
FIRST_SEED, LAST_SEED = 1234, 9999999  # a launcher's seeds lie evenly between them
BATCH_SIZE = re.compile(r"Batch Size=(\d+)")

Config = dict[str, Any]


@dataclass(frozen=True)
class LabelBenchCommand:
    """What a command line asks for, its configurations read.

    Attributes
    ----------
    command: the line, without what concerns the machine or W&B.
    dataset, metric: LabelBench's names.
    batch_size, num_batch: labels a round, and rounds. Those of the selection; of a point evaluation `num_batch` is how
        many of its rounds the evaluation covers.
    embed, model, trainer, corrupter, strategies: the JSON files' content; of a point evaluation `model` and `trainer`
        are the proxy's, which chose the labels.
    evaluated: of a point evaluation, the model and the trainer that are trained on what was chosen.
    files: which files these are, below `configs`.
    notes: what was decided in reading the command line.
    """

    command: str
    dataset: str
    metric: str
    batch_size: int
    num_batch: int
    seeds: tuple[int, ...]
    embed: Config
    model: Config
    trainer: Config
    corrupter: Config
    strategies: tuple[Config, ...]
    evaluated: tuple[Config, Config] | None
    files: tuple[str, ...]
    notes: tuple[str, ...]


def read_command(checkout: Path, words: Sequence[str]) -> LabelBenchCommand:
    """Read a command line of LabelBench's and the configurations it names.

    Parameters
    ----------
    checkout: a checkout of LabelBench, for its `configs`.
    words: the command line, with or without `python` in front.

    Raises
    ------
    ImportRefused
        It is none of LabelBench's four programs, a flag is missing or unknown, or a file is not there or not JSON.
    """
    configs = _Configs(checkout)
    words = [word for word in words if not re.fullmatch(r"(.*/)?python[\d.]*", word)]
    script = PurePosixPath(words[0]).name if words else ""
    if script not in SCRIPTS:
        raise ImportRefused(f"expected a command line of {', '.join(SCRIPTS)}; got {' '.join(words) or 'none'}")
    launched, evaluates = script.startswith("mp_"), script in ("point_evaluation.py", "mp_eval_launcher.py")
    given = _parser(script, launched, evaluates).parse_args(words[1:])
    notes = []
    if launched:
        count = given.num_runs
        seeds = tuple(np.linspace(FIRST_SEED, LAST_SEED, num=count, dtype=int).tolist())
        notes.append(f"{count} runs: numpy.linspace({FIRST_SEED}, {LAST_SEED}, {count}) as the launcher has it")
        if given.skip:
            notes.append(f"--skip {given.skip} is left out: runs that are done are never done again")
    else:
        seeds = (given.seed,)
    names = given.strategies if launched else [given.strategy_config]
    strategies = tuple(configs.read("strategy", name) for name in names)
    embed = configs.read("embed_model", given.embed_model_config)
    model = configs.read("model", given.classifier_model_config)
    corrupter = configs.read("corrupter", given.corrupter_config)
    if not evaluates:
        batch_size, num_batch, metric = given.batch_size, given.num_batch, given.metric
        trainer, evaluated = configs.read("trainer", given.trainer_config), None
    else:
        metric = given.eval_metric
        batch_size, num_batch = _evaluated_budget(given)
        found = configs.trainer_of(given.trainer_config, given.dataset, given.embed_model_config, model)
        notes.append(f"the selection's trainer {given.trainer_config!r} was taken to be configs/trainer/{found}")
        if (every := given.eval_batch_size // batch_size) > 1:
            notes.append(f"a model is trained after every round; there after every {every}, so look at these")
        trainer = configs.read("trainer", found)
        evaluated = (
            configs.read("model", given.eval_classifier_model_config),
            configs.read("trainer", given.eval_trainer_config),
        )
    if batch_size < 1 or num_batch < 1 or not seeds:
        raise ImportRefused(f"{script}: batch sizes, numbers of batches and of runs are at least 1")
    return LabelBenchCommand(
        command=" ".join(_lasting_words(words)),
        dataset=given.dataset,
        metric=metric,
        batch_size=batch_size,
        num_batch=num_batch,
        seeds=seeds,
        embed=embed,
        model=model,
        trainer=trainer,
        corrupter=corrupter,
        strategies=strategies,
        evaluated=evaluated,
        files=tuple(configs.used),
        notes=tuple(notes),
    )


class _Configs:
    """The `configs` folder of a checkout. `used`: the files that were read, in order."""

    def __init__(self, checkout: Path) -> None:
        self.folder = checkout / "configs"
        self.used: list[str] = []
        if not self.folder.is_dir():
            raise ImportRefused(f"{checkout}: no configs/ in it; expected a checkout of LabelBench")

    def read(self, kind: str, name: str) -> Config:
        """One file. Selection-side names of point evaluations come without `.json`."""
        path = self.folder / kind / (name if name.endswith(".json") else f"{name}.json")
        if not path.is_file():
            known = sorted(each.relative_to(path.parents[0]).as_posix() for each in path.parent.glob("*.json"))
            raise ImportRefused(f"{path}: no such file; there are {', '.join(known) or 'none'}")
        try:
            content = plain_json.read_file(path)
        except ValueError as error:
            raise ImportRefused(f"{path}: not JSON: {error}") from error
        if not isinstance(content, dict) or any(isinstance(value, dict) for value in content.values()):
            raise ImportRefused(f"{path}: expected one flat object, as all of LabelBench's configurations are")
        self.used.append(path.relative_to(self.folder).as_posix())
        return content

    def trainer_of(self, name: str, dataset: str, embed: str, model: Config) -> str:
        """The trainer's file that a point evaluation means by a part of its path ("flexmatch").

        LabelBench looks for a run whose file's name contains it. Here it must be the only one of the data set's with
        that part in its path, for the selection's embedding and model.
        """
        path = self.folder / "trainer"
        files = sorted(each.relative_to(path).as_posix() for each in path.rglob("*.json"))
        if f"{name.removesuffix('.json')}.json" in files:
            return f"{name.removesuffix('.json')}.json"
        start = embed.removesuffix(".json").removesuffix("_small_batch")
        fitting = [
            file
            for file in files
            if file.startswith(f"{dataset.partition('_imb_')[0]}/")
            and name in file
            and PurePosixPath(file).stem.startswith(f"{start}_{model.get('model_name')}")
        ]
        if len(fitting) > 1 and f"{start}_{model['model_name']}" in {PurePosixPath(file).stem for file in fitting}:
            fitting = [file for file in fitting if PurePosixPath(file).stem == f"{start}_{model['model_name']}"]
        if len(fitting) != 1:
            raise ImportRefused(
                f"--trainer_config {name}: fits {', '.join(fitting) or 'no file'} below {path} for data set {dataset}, "
                f"embedding {start} and model {model.get('model_name')}; give the path of one, such as "
                f"{dataset}/{name}/{start}_{model.get('model_name')}.json"
            )
        return fitting[0]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ImportRefused(f"{self.prog}: {message}")


def _parser(script: str, launched: bool, evaluates: bool) -> argparse.ArgumentParser:
    parser = _Parser(prog=script, add_help=False, allow_abbrev=False)
    needed: list[tuple[str, type]] = [("--dataset", str), ("--classifier_model_config", str), ("--trainer_config", str)]
    if evaluates:
        needed += [("--eval_metric", str), ("--eval_batch_size", int), ("--eval_num_batch", int)]
        needed += [("--eval_classifier_model_config", str), ("--eval_trainer_config", str), ("--wandb_project", str)]
    else:
        needed += [("--metric", str), ("--batch_size", int), ("--num_batch", int)]
    for name, kind in needed:
        parser.add_argument(name, type=kind, required=True)
    parser.add_argument("--wandb_name")
    parser.add_argument("--data_dir", default="./data")
    parser.add_argument("--embed_model_config", default="none.json")
    parser.add_argument("--corrupter_config", default="noiseless.json")
    if launched:
        parser.add_argument("--strategies", nargs="+", required=True)
        parser.add_argument("--gpu_masks", type=int, nargs="+")
        for name, default in (("--num_runs", 4), ("--run_per_device", 1), ("--device_per_run", 0), ("--skip", 0)):
            parser.add_argument(name, type=int, default=default)
    else:
        parser.add_argument("--seed", type=int, required=True)
        parser.add_argument("--strategy_config", required=True)
    return parser


MACHINE = ("--wandb_name", "--data_dir", "--gpu_masks", "--run_per_device", "--device_per_run", "--skip")
"""Flags that say where and how, never what: they are no part of a suite."""


def _lasting_words(words: Sequence[str]) -> list[str]:
    """A command line without what concerns the machine or somebody's account."""
    kept: list[str] = []
    leaving = False
    for word in words:
        if word.startswith("--"):
            leaving = word.partition("=")[0] in MACHINE
        if not leaving:
            kept.append(f'"{word}"' if " " in word else word)
    return kept


def _evaluated_budget(given: argparse.Namespace) -> tuple[int, int]:
    """The selection's labels a round, and how many of its rounds are evaluated."""
    found = BATCH_SIZE.search(given.wandb_project)
    if found is None:
        raise ImportRefused(
            f"--wandb_project {given.wandb_project!r}: says in how large batches labels were chosen; expected "
            "'Active Learning, DATASET, Batch Size=N'"
        )
    batch_size, total = int(found[1]), given.eval_batch_size * given.eval_num_batch
    if batch_size < 1 or given.eval_batch_size % batch_size:
        raise ImportRefused(
            f"--eval_batch_size {given.eval_batch_size}: ends within a round of the selection, which bought "
            f"{batch_size} labels at a time; here a model is trained after whole rounds"
        )
    return batch_size, total // batch_size
