"""LabelBench's trainer configurations as trainers here.

The one thing that has no counterpart is the length of training: there so many epochs over what is labelled, so that
more labels mean more steps and, with the schedules in use, another learning rate; here a number of steps that is the
same in every round. What LabelBench does in its last round is taken for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labelbench_plus.importers.imported import ImportRefused
from labelbench_plus.importers.labelbench_parts import CODE_ONLY, TRAINERS, Part, Remarks, network
from labelbench_plus.plugins import registry

Config = Mapping[str, Any]
SMOOTHED = "LabelSmoothingCrossEntropy"
LOSSES = ("Cross Entropy", SMOOTHED, "Binary Cross Entropy Multi Class")
LONGEST_WARMUP = 0.5  # share of the steps
KEYS = {
    "p_cutoff": "threshold",
    "ulb_loss_ratio": "unlabelled_weight",
    "uratio": "ratio",
    "temperature": "temperature",
    "ema": "decay",
    "ema_p": "decay",
    "dist_uniform": "uniform_alignment",
    "n_sigma": "deviations",
    "ent_loss_ratio": "fairness",
}
"""Keys of semi-supervised trainers whose value is a field's value here. Of others, `_rest` says what became of them."""
OF_EACH = {
    "flexmatch": ("p_cutoff", "ulb_loss_ratio", "uratio"),
    "freematch": ("ulb_loss_ratio", "uratio", "ema_p", "ent_loss_ratio"),
    "softmatch": ("ulb_loss_ratio", "uratio", "ema", "dist_uniform", "n_sigma"),
    "uda": ("p_cutoff", "ulb_loss_ratio", "uratio", "temperature"),
    "pseudolabel": ("p_cutoff", "ulb_loss_ratio", "uratio"),
}
READ = {
    *("trainer_name", "loss_fn", "pred_fn", "smoothing", "optim_name", "lr", "wd", "scheduler_name", "warmup_steps"),
    *("max_epoch", "train_batch_size", "early_stop", "patience", "use_embeddings", "ulb_warm_up", *KEYS, *CODE_ONLY),
}
WITHOUT_COUNTERPART = {
    "betas": "AdamW's own here",
    "momentum": "AdamW here",
    "nesterov": "AdamW here",
    "T_multi": "one half cosine here",
    "eta_min": "down to 0 here",
    "step_size": "one half cosine here",
    "gamma": "one half cosine here",
    "mixup": "none here; there it is undone: the mixed target is rounded back, or the mixed image is thrown away",
    "cutmix": "none here; there it is undone: the mixed target is rounded back, or the mixed image is thrown away",
    "clip_grad": "gradients are not clipped here",
    "weighted": "classes are not weighted here",
    "init_freeze": "the whole network learns from the first step on here; `lp_ft` starts with the head",
    "clip_thresh": "thresholds are not clipped here",
    "use_embedding": "a slip of the pen for use_embeddings, which LabelBench never reads; false either way",
}


@dataclass(frozen=True)
class Labels:
    """How many labels there are: a round's, and all of them."""

    batch: int
    total: int


def trainer(config: Config, model: Config, embed: Config, dataset: str, labels: Labels, remarks: Remarks) -> Part:
    """A trainer with its network as a suite writes it.

    Parameters
    ----------
    config, model, embed: LabelBench's configurations.
    dataset: its name here.

    Raises
    ------
    ImportRefused
        LabelBench cannot run it either, or there is nothing like it here; the message says which.
    """
    name = config.get("trainer_name")
    if name not in TRAINERS:
        raise ImportRefused(f"trainer {name!r} is none that LabelBench registers: {', '.join(TRAINERS)}")
    if unknown := sorted(set(config) - READ - set(WITHOUT_COUNTERPART)):
        raise ImportRefused(f"trainer {name!r}: unknown keys {', '.join(unknown)}")
    if name == "sklearn_passive":
        remarks("", "LabelBench's own cannot start: nothing gives it embeddings")
        return {"name": TRAINERS[name]}
    if missing := [key for key in ("loss_fn", "lr", "max_epoch", "train_batch_size") if key not in config]:
        raise ImportRefused(f"trainer {name!r}: {', '.join(missing)} missing; LabelBench cannot start without")
    if config["loss_fn"] not in LOSSES:
        raise ImportRefused(f"loss {config['loss_fn']!r} is none that LabelBench knows: {', '.join(LOSSES)}")
    embedded, semi = bool(config.get("use_embeddings")), name in OF_EACH
    if embedded and embed.get("model_name") == "none":
        raise ImportRefused(f"trainer {name!r} uses embeddings, but the embedding configuration is none")
    found: Part = {"name": TRAINERS[name], "network": network(model, embedded, remarks)}
    steps = _length(config, labels, found, remarks)
    _rates(config, steps, found, remarks)
    found["ema"] = 0.0
    _loss(config, semi, found, remarks)
    _augmentation(str((embed if embedded else model)["model_name"]), dataset, semi, found, remarks)
    if embedded and found["augment"]:
        found["copies"] = max(int(embed.get("num_transform_seeds", 1)), 1)
    if semi:
        if missing := [key for key in OF_EACH[name] if key not in config]:
            raise ImportRefused(f"trainer {name!r}: {', '.join(missing)} missing; LabelBench cannot start without")
        found |= {KEYS[key]: _number(config[key]) for key in OF_EACH[name]}
        _unlabelled(config, steps, found, remarks)
    _stopping(config, steps, semi, found, remarks)
    for key, why in WITHOUT_COUNTERPART.items():
        if key in config and config[key] not in (0, False, None):
            remarks("", f"{key} {config[key]}: {why}")
    return found


def _length(config: Config, labels: Labels, found: Part, remarks: Remarks) -> int:
    epochs, batch = int(config["max_epoch"]), int(config["train_batch_size"])
    if epochs < 1 or batch < 1:
        raise ImportRefused("max_epoch and train_batch_size must be at least 1")
    each, first = labels.total // batch, labels.batch // batch
    steps = epochs * max(each, 1)
    found |= {"steps": steps, "batch": batch}
    remarks("steps", f"{epochs} epochs of the last round's {labels.total:,} labels, in every round")
    if first == 0:
        remarks("steps", f"there {labels.batch:,} labels fill no batch of {batch}, and the model stays untrained")
    elif first < each:
        remarks("steps", f"there the first round has {epochs * first:,} steps, and so another learning rate")
    return steps


def _rates(config: Config, steps: int, found: Part, remarks: Remarks) -> None:
    found |= {"learning_rate": float(config["lr"]), "weight_decay": float(config.get("wd", 0.0))}
    optimizer, scheduler = config.get("optim_name"), config.get("scheduler_name")
    if optimizer == "Adam":
        remarks("weight_decay", "Adam there, which adds it to the gradient; AdamW here, which shrinks the weights")
    elif optimizer == "SGD":
        remarks("learning_rate", "of SGD there; AdamW here, for which it will be too high")
    elif optimizer != "AdamW":
        raise ImportRefused(f"optimizer {optimizer!r} is none that LabelBench knows: Adam, AdamW, SGD")
    if scheduler == "customized_CosineLR":
        warm = int(config["warmup_steps"])
        found["warmup"] = round(min(warm / steps, LONGEST_WARMUP), 4)
        if warm > LONGEST_WARMUP * steps:
            remarks(
                "warmup", f"{warm} of {steps:,} steps there, so that the rate hardly comes to its height, if at all"
            )
        return
    found["warmup"] = 0.0
    if scheduler == "CosineLR":
        period = config["warmup_steps"]
        remarks("warmup", f"warmup_steps {period} is the length of the first of several cosines there, no warm-up")
    elif scheduler == "StepLR":
        remarks("warmup", "the rate falls in steps there, along half a cosine here")
    elif scheduler is None:
        remarks("warmup", "the rate is constant there; it falls along half a cosine here")
    else:
        raise ImportRefused(
            f"scheduler {scheduler!r} is none that LabelBench knows: CosineLR, customized_CosineLR, StepLR"
        )


def _loss(config: Config, semi: bool, found: Part, remarks: Remarks) -> None:
    if config["loss_fn"] == SMOOTHED:
        smoothing = float(config.get("smoothing", 0.1))
        if semi:
            remarks("", f"label smoothing {smoothing:g} is left out: {found['name']} here is the paper's, without")
        else:
            found["label_smoothing"] = smoothing
    elif config["loss_fn"] == LOSSES[2]:
        remarks("", "one logit for two classes there, one logit a class here")


def _augmentation(backbone: str, dataset: str, semi: bool, found: Part, remarks: Remarks) -> None:
    """Weak views are what the model's own preprocessing gives there: CLIP's draws nothing, CoCa's crops at random."""
    known = registry("datasets")
    mirrored = dataset not in known.entries() or known.load(dataset).mirror_keeps_class
    images: Part = {"name": "images", **({} if mirrored else {"flip": False})}
    if semi and found["name"] != TRAINERS["pseudolabel"]:
        found["augment"] = images
        remarks("augment", "views as in FixMatch here; there the model's own preprocessing, and RandAugment with it")
    elif backbone.startswith("coca"):
        found["augment"] = images
        remarks("augment", "flips and shifts here; random crops there, of open_clip's preprocessing for CoCa")
    else:
        found["augment"] = None
        remarks("augment", "as there, where the preprocessing of the images is the same each time")
    if found["augment"] and not mirrored:
        remarks("augment", "nothing is mirrored: that would change the class")


def _unlabelled(config: Config, steps: int, found: Part, remarks: Remarks) -> None:
    name = config["trainer_name"]
    if name == "pseudolabel":
        warm = int(config.get("ulb_warm_up", 0))
        found["ramp"] = round(warm / steps, 4)
        remarks("ramp", f"ulb_warm_up {warm} steps, as a share of all")
        remarks("ratio", "of each batch LabelBench uses one part only, whatever the ratio (it takes the wrong rows)")
    elif "ulb_warm_up" in config:
        remarks(
            "unlabelled_weight", f"grows over {config['ulb_warm_up']} steps there; it is what it is from the first here"
        )
    if name == "softmatch" and not config["dist_uniform"]:
        remarks("uniform_alignment", "dist_uniform false aligns with the labelled predictions there; no alignment here")
    if name in ("flexmatch", "freematch", "softmatch"):
        found["labels_first"] = 0.0
        remarks("labels_first", "pseudo-labels count from the first step there; a share of the steps, 0.25 if left out")
    if name == "uda":
        remarks("threshold", "there the mean over what passes, NaN if nothing does; here over the whole batch")


def _stopping(config: Config, steps: int, semi: bool, found: Part, remarks: Remarks) -> None:
    if not config.get("early_stop"):
        return
    patience = int(config.get("patience", 5))
    if semi:
        remarks(
            "", f"early_stop (patience {patience}) is left out: all steps are taken, and no validation label is read"
        )
        return
    found |= {"patience": patience, "look_every": max(steps // int(config["max_epoch"]), 1)}
    remarks("patience", "validation labels are read, as there; here the board shows how many beside the budget")


def _number(value: Any) -> Any:
    return value if isinstance(value, bool | int) else float(value)
