"""One of LabelBench's command lines, with the JSON files it names, as a suite of ours."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelbench_plus.importers import labelbench_parts as parts
from labelbench_plus.importers.imported import ImportRefused
from labelbench_plus.importers.labelbench_command import LabelBenchCommand, read_command
from labelbench_plus.importers.labelbench_parts import Part, Remarks
from labelbench_plus.importers.labelbench_trainers import Labels, trainer

WIDTH = 118


def suite_of(checkout: Path, words: Sequence[str]) -> str:
    """The suite, as YAML with a comment wherever something was decided.

    Parameters
    ----------
    checkout: a checkout of LabelBench, for its `configs`.
    words: a command line of `main.py`, `mp_launcher.py`, `point_evaluation.py` or `mp_eval_launcher.py`.

    Raises
    ------
    ImportRefused
        It cannot be converted; the message says why, and what would be right.
    """
    return as_suite(read_command(checkout, words))


def as_suite(setting: LabelBenchCommand) -> str:
    """The suite of a command line that has been read."""
    if setting.metric != "multi_class":
        raise ImportRefused(f"metric {setting.metric!r}: only 'multi_class' is of problems that are here")
    about, of_trainer, of_proxy = Remarks(), Remarks(), Remarks()
    labels = Labels(setting.batch_size, setting.batch_size * setting.num_batch)
    evaluated = setting.evaluated
    dataset, conditions = parts.dataset(setting.dataset, about)
    conditions += parts.corrupter(setting.corrupter, about)
    encoder = parts.encoder(setting.embed, setting.model, about)
    told = of_proxy if evaluated else of_trainer
    chooser = trainer(setting.trainer, setting.model, setting.embed, dataset, labels, told)
    learner = chooser
    if evaluated is not None:
        learner = trainer(evaluated[1], evaluated[0], NO_EMBEDDING, dataset, labels, of_trainer)
    configs = [setting.embed, setting.trainer, *setting.strategies, *(evaluated or ())]
    if fast := [key for key in parts.CODE_ONLY if any(key in config for config in configs)]:
        about("", f"Left out, since they say how fast and not what: {', '.join(fast)}.")
    strategies = [parts.strategy(each, about)["name"] for each in setting.strategies]
    if len(set(strategies)) < len(strategies):
        raise ImportRefused(f"a strategy is named twice: {', '.join(strategies)}")
    lines = _comment(f"Converted by `lbp import labelbench-config` from {', '.join(dict.fromkeys(setting.files))}:", "")
    lines += _wrapped(setting.command, "#   ")
    lines += _comment(
        "Where something could not be carried over as it is, a comment says so: “there” is LabelBench, “here” this.", ""
    )
    lines += _comment(about.of[""], "")
    lines += [f"suite: {_title(setting)}", "problems:", "  - name: classification"]
    lines += [*_comment(about.of["dataset"], "    "), f"    dataset: {dataset}"]
    lines += [*_comment(about.of["encoder"], "    "), f"    encoder: {_flow(encoder)}"]
    if conditions:
        lines += [*_comment(about.of["conditions"], "    "), f"    conditions: {_flow(conditions)}"]
    lines += ["trainers:", *_block(learner, of_trainer, "    ", dash=True)]
    if evaluated is not None:
        lines += _comment("The model that chooses the labels, on frozen features; above, what is trained on them.", "")
        lines += ["proxy:", *_block(chooser, of_proxy, "  ")]
    lines += [*_comment([sentence for name in strategies for sentence in about.of[name]], "")]
    lines += [f"strategies: {_flow(strategies)}"]
    lines += _comment(
        "The first round is drawn at random, the same for all strategies at a seed; other items than LabelBench draws.",
        "",
    )
    lines += ["initial: random"]
    if "random" not in strategies:
        lines += [f"baseline: {strategies[0]}"]
    batch = setting.batch_size
    lines += [f"budget: {{first: {batch}, batch: {batch}, rounds: {setting.num_batch}}}"]
    lines += [*_comment(setting.notes, ""), f"seeds: {_flow(list(setting.seeds))}"]
    return "\n".join(lines) + "\n"


NO_EMBEDDING: Mapping[str, Any] = {"model_name": "none"}  # what a point evaluation always has


def _title(setting: LabelBenchCommand) -> str:
    """A name for the suite: what tells the command lines apart, but seeds and strategies."""
    model, trained = setting.evaluated or (setting.model, setting.trainer)
    words = ["labelbench", setting.dataset, f"bs{setting.batch_size}", f"{setting.num_batch}rounds"]
    words += [str(model.get("model_name")), str(trained.get("trainer_name"))]
    if setting.evaluated:
        words += ["chosen_by", str(setting.model.get("model_name")), str(setting.trainer.get("trainer_name"))]
    if setting.embed.get("model_name") != "none":
        words += ["on", str(setting.embed.get("model_name"))]
    if setting.corrupter.get("name") != "noiseless":
        words.append("noisy")
    return re.sub(r"[^a-z0-9_.-]", "_", "_".join(words).lower())


def _block(part: Part, remarks: Remarks, indent: str, *, dash: bool = False) -> list[str]:
    """A plugin as a block, each field below what is to be said of it."""
    lines = []
    for field, value in part.items():
        if field != "name":
            lines += [*_comment(remarks.of[field], indent), *_field(field, value, indent)]
    start = f"{indent[:-2]}- name: {part['name']}" if dash else f"{indent}name: {part['name']}"
    return [*_comment(remarks.of[""], indent[:-2] if dash else indent), start, *lines]


def _field(field: str, value: Any, indent: str) -> list[str]:
    line = f"{indent}{field}: {_flow(value)}"
    if len(line) <= WIDTH or not isinstance(value, dict):
        return [line]
    return [f"{indent}{field}:", *(f"{indent}  {key}: {_flow(part)}" for key, part in value.items())]


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value) if isinstance(value, int | float) else str(value)


def _comment(sentences: str | Sequence[str], indent: str) -> list[str]:
    """Comment lines, one sentence after the other, none twice."""
    sentences = [sentences] if isinstance(sentences, str) else list(dict.fromkeys(sentences))
    return [line for sentence in sentences for line in _wrapped(sentence, f"{indent}# ")]


def _wrapped(text: str, start: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=f"{start}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
