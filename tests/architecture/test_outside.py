"""Every field of a plugin that leads out of the benchmark is marked, so that nothing is built of a stranger's value."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path

import pytest

from labelbench_plus.plugins import Outside, registry
from labelbench_plus.strangers import OURS, _hints, _marks
from tests.architecture.imports import KINDS

COLUMN = "the name of a column or split of a table, in which it is looked up"
HARMLESS = {
    "datasets.unlabelled.classes": "names, of which an answer is one",
    "annotators.queue.instructions": "is shown to people",
    "annotators.http_judge.verdict": "is a pattern, by which replies are read",
    "bases.causal.model": "is read with weights that are marked, and else compared",
    **dict.fromkeys(
        ("combiners.mod.divergence", "policy_sets.table.divergence", "policy_sets.token_world.divergence"),
        "one of a list",
    ),
    "problems.corrupted_images.corruption": "one of a list",
    "synthesisers.zero123.model": "is read with weights that are marked",
    "synthesisers.files.made_by": "a name that boards show, and nothing reads",
    "problems.neural_fly.target": "one of the tasks that the folder has",
    "annotators.rule.likes": "words that are compared",
    "annotators.rule.dislikes": "words that are compared",
    "datasets.feature_table.label": COLUMN,
    "datasets.feature_table.features": COLUMN,
    "datasets.feature_table.split": COLUMN,
    "datasets.feature_table.price": COLUMN,
    "datasets.feature_table.group": COLUMN,
    "datasets.keel.table": "is looked up among the files of the folder",
    **dict.fromkeys(
        ("datasets.rdatasets.table", "datasets.rdatasets.test"), "is looked up among the files of the folder"
    ),
    **dict.fromkeys(("datasets.rdatasets.label", "datasets.rdatasets.text", "datasets.rdatasets.without"), COLUMN),
    "datasets.hugging_face.config": "is read with `hub` or `folder` alone",
    "datasets.hugging_face.revision": "is read with `hub` alone",
    "datasets.hugging_face.pool": COLUMN,
    "datasets.hugging_face.validation": COLUMN,
    "datasets.hugging_face.test": COLUMN,
    "datasets.hugging_face.inputs": COLUMN,
    "datasets.hugging_face.label": COLUMN,
    "encoders.open_clip.tag": "is read with weights that are marked",
    "encoders.timm.model": "one of timm's list",
    "encoders.torchvision.model": "one of torchvision's list",
    "encoders.torchvision.tag": "one of torchvision's list",
    "encoders.transformers.model": "is read with weights that are marked, and else compared",
    "encoders.vision_language.model": "is read with weights that are marked",
    **dict.fromkeys(
        ("encoders.vision_language.ask", "encoders.vision_language.choose", "encoders.vision_language.preface"),
        "words that a model reads",
    ),
    "networks.lora.modules": "names of parts of a model, which are compared",
    "networks.open_clip.tag": "is read with weights that are marked",
    "networks.timm.model": "one of timm's list",
    "networks.torchvision.model": "one of torchvision's list",
    "networks.torchvision.tag": "one of torchvision's list",
    "evaluations.lm_eval.metric": "is looked up in what the harness says",
    "prompts.hugging_face.config": "is read with `hub` or `folder` alone",
    "prompts.hugging_face.revision": "is read with `hub` alone",
    "prompts.hugging_face.split": COLUMN,
    "prompts.hugging_face.prompt": COLUMN,
    "prompts.hugging_face.answer": COLUMN,
    "prompts.hugging_face.messages": COLUMN,
    "prompts.hugging_face.task": COLUMN,
    "prompts.reasoning.families": "one of the package's list",
    "prompts.trivia.categories": "names of files of the folder",
    "policy_sets.adapters.prompts": "is said to a model",
    "problems.preference_tuning.instruction": "is said to a model",
    "strategies.basic_filter.language": COLUMN,
    "strategies.known_clean.wanted": COLUMN,
    "strategies.score_column.column": COLUMN,
    "strategies.text_based.digest": "is compared",
    "strategies.text_based.language": COLUMN,
}
NO_PART_OF_A_RUN = {"launchers"}  # no file that a stranger sends in names one


def fields():
    """(dotted name, type, field) of every field of every plugin that comes with the package."""
    for kind in KINDS:
        if kind not in NO_PART_OF_A_RUN:
            for name, entry in registry(kind).entries().items():
                if entry.origin == "built in" or entry.target.startswith(OURS):
                    cls = registry(kind).load(name)
                    for field in dataclasses.fields(cls):
                        yield f"{kind}.{name}.{field.name}", _hints(cls)[field.name], field


def parts(hint):
    """The classes and texts that a type is made of."""
    if typing.get_origin(hint) is typing.Literal:
        return set(map(str, typing.get_args(hint)))
    inner = [part for part in typing.get_args(hint) if part not in getattr(hint, "__metadata__", ())]
    return set().union(*map(parts, inner)) if inner else {hint}


def marked(hint):
    """The marks that somebody wrote, without those that a path has anyway."""
    return [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Outside)]


FIELDS = {name: (hint, field) for name, hint, field in fields()}


def test_texts_and_paths_are_marked_or_known_to_be_harmless():
    free = {name for name, (hint, _) in FIELDS.items() if parts(hint) & {str, Path, typing.Any} and not marked(hint)}
    assert free == HARMLESS.keys()


def test_what_may_be_fetched_is_marked():
    fetched = {name for name, (hint, _) in FIELDS.items() if "pretrained" in parts(hint) or "download" in name}
    assert fetched and all(marked(FIELDS[name][0]) for name in fetched)


def test_paths_lead_outside_even_where_nobody_says_so():
    (found,) = _marks(tuple[Path | None, ...])
    assert found == Outside("files")


@pytest.mark.parametrize("name", [name for name, (hint, _) in FIELDS.items() if marked(hint)])
def test_a_default_leads_nowhere(name):
    hint, field = FIELDS[name]
    (mark,) = marked(hint)
    if field.default is not dataclasses.MISSING:
        assert not mark.leads(list(field.default) if isinstance(field.default, tuple) else field.default)
    assert mark.leads((mark.only or (f"{mark.beginning}x",))[0])
