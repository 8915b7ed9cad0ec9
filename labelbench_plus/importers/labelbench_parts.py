"""What each of LabelBench's configurations is called here, and what differs: the table behind `labelbench-config`.

Every function returns the plugin as a suite writes it, and remarks by the field they belong to ("" for the whole):
sentences on what could not be carried over as it is, which become comments in the suite.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from labelbench_plus.faults import did_you_mean
from labelbench_plus.importers.imported import ImportRefused

Config = Mapping[str, Any]
Part = dict[str, Any]

DATASETS = {
    name: name for name in ("cifar10", "cifar100", "svhn", "imagenet", "fmow", "iwildcam", "caltech256", "kuzushiji49")
}
MULTI_LABEL = {"celeb": "celeba", "coco": "coco", "voc": "voc"}
STRATEGIES = {
    "random": "random",
    "confidence": "least_confidence",
    "margin": "margin",
    "entropy": "entropy",
    "coreset": "k_center",
    "badge": "badge",
    "bait": "bait",
    "galaxy": "galaxy",
    "direct": "direct",
}
TRAINERS = {
    "pytorch_passive": "finetune",
    "flexmatch": "flexmatch",
    "freematch": "freematch",
    "softmatch": "softmatch",
    "uda": "uda",
    "pseudolabel": "pseudo_label",
    "sklearn_passive": "logistic_regression",
}
MODELS = {"linear": "linear", "shallow": "perceptron"}
BACKBONES: dict[str, dict[str, str]] = {
    "clip_vitb16": {"model": "ViT-B-16-quickgelu", "weights": "pretrained", "tag": "openai"},
    "clip_vitb32": {"model": "ViT-B-32-quickgelu", "weights": "pretrained", "tag": "openai"},
    "coca_vitb32": {"model": "coca_ViT-B-32", "weights": "pretrained", "tag": "laion2b_s13b_b90k"},
}
TEMPLATES = {
    "openai_imagenet_template": "imagenet",
    "simple_template": "simple",
    "fmow_template": "fmow",
    "iwildcam_template": "iwildcam",
}
CORRUPTERS = {"noiseless": None, "random": "uniform_noise"}
WIDTH = 512  # of the embeddings of all three backbones
WITHIN = "a pick within a batch counts as answered by the model's prediction here; its label is read at once there"
DIFFERS = {
    "k_center": "distances are in the frozen features here, in the trained model's embedding there",
    "bait": "the paper's forward and backward pass here; a random batch improved by swaps there, after a PCA",
    "badge": "the first item is drawn as in the paper here; there it is the one with the largest gradient",
    "galaxy": WITHIN,
    "direct": WITHIN,
}
CODE_ONLY = ("num_workers", "test_batch_size", "inference_batch_size", "working_memory_GB", "fs")
"""Keys that say how fast something is computed, never what."""


class Remarks:
    """Sentences by the field of a part they are about."""

    def __init__(self) -> None:
        self.of: defaultdict[str, list[str]] = defaultdict(list)

    def __call__(self, field: str, sentence: str) -> None:
        self.of[field].append(sentence)


def dataset(name: str, remarks: Remarks) -> tuple[str, list[Part]]:
    """The data set's name here and the conditions that its name there implies."""
    base, imbalanced, classes = name.partition("_imb_")
    if base in MULTI_LABEL:
        raise ImportRefused(
            f"data set {name!r} has several labels an image; LabelBench has no loss and no configuration for such, and "
            f"its strategies expect one (here: {MULTI_LABEL[base]})"
        )
    if base not in DATASETS:
        hint = did_you_mean(base, DATASETS)
        raise ImportRefused(f"data set {name!r} has none like it here; known: {', '.join(DATASETS)}{hint}")
    conditions: list[Part] = []
    if imbalanced:
        if not classes.isdigit() or int(classes) < 2:
            raise ImportRefused(f"data set {name!r}: expected a number of classes, at least 2, after _imb_")
        conditions.append({"name": "one_vs_rest", "classes": int(classes)})
        remarks("conditions", f"{name}: the classes from the {classes}th on are one, as there")
    if base == "iwildcam":
        remarks("dataset", "all 182 classes of WILDS; LabelBench folds them into 14, so its figures do not compare")
    if base == "caltech256":
        remarks("dataset", "without the images of clutter, which LabelBench counts as class 0")
    if base == "kuzushiji49":
        remarks("dataset", "all images; LabelBench takes the first tenth of them, shuffled")
    return DATASETS[base], conditions


def corrupter(config: Config, remarks: Remarks) -> list[Part]:
    """The conditions that stand for a corrupter."""
    name = _name(config, "name", CORRUPTERS, "corrupter")
    condition = CORRUPTERS[name]
    if condition is None:
        return []
    remarks("conditions", "wrong answers are drawn for each seed here; LabelBench has the same ones (seed 321) for all")
    remarks("conditions", "strategies see the noise here too; LabelBench's galaxy and direct are handed clean labels")
    return [{"name": condition, "rate": float(config["p"])}]


def strategy(config: Config, remarks: Remarks) -> Part:
    """The strategy of a configuration."""
    name = STRATEGIES[_name(config, "strategy_name", STRATEGIES, "strategy")]
    if name in DIFFERS:
        remarks(name, f"{name}: {DIFFERS[name]}")
    if left := sorted(set(config) - {"strategy_name", *CODE_ONLY}):
        remarks(name, f"{name}: {', '.join(left)} of LabelBench's have no place in it")
    return {"name": name}


def encoder(config: Config, model: Config, remarks: Remarks) -> Part:
    """The encoder of a frozen embedding; without one, the frozen features of the model that is trained end to end."""
    name = config.get("model_name")
    if name == "none":
        name = _name(model, "model_name", {**BACKBONES, **MODELS}, "model")
        if name in MODELS:
            raise ImportRefused(
                f"model {name!r} needs embeddings, but the embedding configuration is none: LabelBench cannot run it"
            )
        remarks("encoder", "no embedding there: the trainer reads images; what reads frozen features gets these")
    elif name not in BACKBONES:
        raise ImportRefused(f"embedding model {name!r} is none that LabelBench registers: {', '.join(BACKBONES)}")
    remarks("encoder", "centred, and scaled by one number; there each feature is brought to a variance of one")
    if config.get("num_transform_seeds"):
        seeds = config["num_transform_seeds"]
        remarks("encoder", f"encoded once: LabelBench's {seeds} passes (num_transform_seeds) see the same images")
    return {"name": "open_clip", **BACKBONES[str(name)], "normalise": False}


def network(config: Config, embedded: bool, remarks: Remarks) -> Part:
    """The network of a model's configuration; `embedded`: on frozen features."""
    name = _name(config, "model_name", {**BACKBONES, **MODELS}, "model")
    if name in MODELS and not embedded:
        raise ImportRefused(f"model {name!r} reads embeddings, but the trainer's use_embeddings is false")
    if name in BACKBONES and embedded:
        raise ImportRefused(f"model {name!r} reads images, but the trainer's use_embeddings is true")
    if name == "linear":
        return {"name": "linear"}
    if name == "shallow":
        layers = int(config.get("num_hidden", 2)) - 1
        if layers < 1:
            raise ImportRefused("model 'shallow': num_hidden must be at least 2, as LabelBench demands")
        remarks("network", f"num_hidden {layers + 1} counts the output layer there: {layers} hidden here")
        return {"name": "perceptron", "hidden": WIDTH, "layers": layers}
    found: Part = {"name": "open_clip", **BACKBONES[name], "head": "zeros"}
    if "template" in config:
        template = TEMPLATES[_name(config, "template", TEMPLATES, "template")]
        found |= {"head": "zero_shot", "template": template}
    return found


def _name(config: Config, key: str, known: Mapping[str, Any], kind: str) -> str:
    name = config.get(key)
    if name not in known:
        raise ImportRefused(f"{kind} {name!r} is none that LabelBench registers: {', '.join(known)}")
    return str(name)
