"""LabelBench's command lines as suites: everything it has converts, or says why not."""

import dataclasses
import json
import os
import re
import shlex
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.importers import labelbench_parts as parts
from labelbench_plus.importers import labelbench_trainers
from labelbench_plus.importers.imported import ImportRefused
from labelbench_plus.importers.labelbench_command import _parser
from labelbench_plus.importers.labelbench_config import suite_of
from labelbench_plus.plugins import describe, registry
from labelbench_plus.suite import Suite

GIVEN = os.environ.get("LBP_LABELBENCH")
SHARED = Path(__file__).parents[3] / "shared" / "fixtures" / "labelbench"
CHECKOUT = Path(GIVEN) if GIVEN else SHARED
checkout_there = pytest.mark.skipif(
    not (CHECKOUT / "configs").is_dir(), reason="no checkout of LabelBench: set LBP_LABELBENCH to one"
)
COMMON = {"loss_fn": "Cross Entropy", "pred_fn": "Softmax", "num_workers": 7, "test_batch_size": 9, "max_epoch": 4}
SEMI = {
    **COMMON, "optim_name": "Adam", "scheduler_name": "CosineLR", "warmup_steps": 50, "lr": 0.002, "wd": 0.01,
    "train_batch_size": 20, "early_stop": True, "patience": 2, "use_embeddings": True, "ulb_loss_ratio": 1.5,
    "uratio": 3,
}  # fmt: skip
PASSIVE = {
    **COMMON, "trainer_name": "pytorch_passive", "use_embedding": False, "loss_fn": "LabelSmoothingCrossEntropy",
    "smoothing": 0.1, "optim_name": "AdamW", "lr": 2e-5, "wd": 0.0, "train_batch_size": 40, "mixup": 0.2,
    "scheduler_name": "customized_CosineLR", "warmup_steps": 2, "early_stop": True, "patience": 3, "clip_grad": 1.0,
}  # fmt: skip
FILES = {
    "embed_model/none.json": {"model_name": "none"},
    "embed_model/frozen.json": {"model_name": "clip_vitb32", "num_transform_seeds": 5, "num_workers": 40},
    "model/linear.json": {"model_name": "linear", "ret_emb": False},
    "model/shallow.json": {"model_name": "shallow", "num_hidden": 3},
    "model/whole.json": {"model_name": "clip_vitb16", "template": "openai_imagenet_template", "pretrain": True},
    "model/coca.json": {"model_name": "coca_vitb32", "pretrain": True},
    "model/gone.json": {"model_name": "resnet18"},
    "strategy/random_sampling.json": {"strategy_name": "random"},
    "strategy/coreset.json": {"strategy_name": "coreset", "working_memory_GB": 20},
    "strategy/bait.json": {"strategy_name": "bait", "pca_dimension": 30},
    "corrupter/noiseless.json": {"name": "noiseless"},
    "corrupter/wrong.json": {"name": "random", "p": 0.1},
    "trainer/cifar10/passive/whole.json": PASSIVE,
    "trainer/cifar10/flexmatch/frozen_linear.json": {**SEMI, "trainer_name": "flexmatch", "p_cutoff": 0.9},
    "trainer/cifar10/freematch/frozen_linear.json": {
        **SEMI, "trainer_name": "freematch", "ema_p": 0.99, "ent_loss_ratio": 0.01, "clip_thresh": False,
    },
    "trainer/cifar10/softmatch/frozen_linear.json": {
        **SEMI, "trainer_name": "softmatch", "ema": 0.99, "dist_uniform": False, "n_sigma": 3,
    },
    "trainer/cifar10/uda/frozen_linear.json": {
        **SEMI, "trainer_name": "uda", "p_cutoff": 0.8, "temperature": 0.5, "ulb_warm_up": 20,
    },
    "trainer/cifar10/pseudolabel/frozen_linear.json": {
        **SEMI, "trainer_name": "pseudolabel", "p_cutoff": 0.8, "ulb_warm_up": 20,
    },
    "trainer/odd.json": {**PASSIVE, "colour": "red"},
}  # fmt: skip
BACKBONE = {"name": "open_clip", "model": "ViT-B-16-quickgelu", "weights": "pretrained", "tag": "openai"}
PLAIN = "main.py --seed 7 --metric multi_class --batch_size 100 --num_batch 4 --strategy_config random_sampling.json"
FROZEN = "--embed_model_config frozen.json --classifier_model_config linear.json"


@pytest.fixture
def checkout(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / "theirs" / "configs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return tmp_path / "theirs"


def converted(folder, command):
    """The suite's text, what it says, and that it is one."""
    text = suite_of(folder, shlex.split(command))
    said = YAML(typ="safe", pure=True).load(text)
    assert max(map(len, text.splitlines())) <= 120
    return text, said, Suite.model_validate(said)


def test_a_launchers_line_becomes_one_suite(checkout):
    text, said, suite = converted(
        checkout,
        "python3 mp_launcher.py --wandb_name me --data_dir /there --dataset cifar10_imb_3 --metric multi_class "
        "--batch_size 100 --num_batch 4 --classifier_model_config whole.json --corrupter_config wrong.json --skip 2 "
        "--trainer_config cifar10/passive/whole.json --strategies random_sampling.json coreset.json bait.json "
        "--gpu_masks 0 1",
    )
    assert suite.seeds == (1234, 3334155, 6667077, 9999999)
    assert said["strategies"] == ["random", "k_center", "bait"] and said["initial"] == "random"
    assert suite.budget.amounts() == (100.0,) * 4
    (problem,) = said["problems"]
    noise = [{"name": "one_vs_rest", "classes": 3}, {"name": "uniform_noise", "rate": 0.1}]
    assert problem["dataset"] == "cifar10" and problem["conditions"] == noise
    assert problem["encoder"] == {**BACKBONE, "normalise": False}
    (trainer,) = said["trainers"]
    assert trainer.pop("network") == {**BACKBONE, "head": "zero_shot", "template": "imagenet"}
    assert trainer == {
        "name": "finetune",
        "steps": 40,  # four epochs of ten batches of 40 of 400 labels
        "batch": 40,
        "learning_rate": 2e-5,
        "weight_decay": 0.0,
        "warmup": 0.05,
        "ema": 0.0,
        "label_smoothing": 0.1,
        "augment": None,
        "patience": 3,
        "look_every": 10,
    }
    for decision in (
        "numpy.linspace(1234, 9999999, 4)",
        "--skip 2 is left out",
        "mixup 0.2: none here; there it is undone",
        "clip_grad 1.0: gradients are not clipped here",
        "how fast and not what: num_workers, test_batch_size, working_memory_GB",
        "there the first round has 8 steps",
        "wrong answers are drawn for each seed here",
        "bait: pca_dimension of LabelBench's have no place in it",
        "distances are in the frozen features here",
    ):
        assert decision in text, decision
    assert "/there" not in text and "--wandb_name" not in text  # nobody's machine, nobody's account


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("flexmatch", {"name": "flexmatch", "threshold": 0.9, "labels_first": 0.0}),
        ("freematch", {"name": "freematch", "decay": 0.99, "fairness": 0.01, "labels_first": 0.0}),
        ("softmatch", {"name": "softmatch", "decay": 0.99, "uniform_alignment": False, "deviations": 3}),
        ("uda", {"name": "uda", "threshold": 0.8, "temperature": 0.5}),
        ("pseudolabel", {"name": "pseudo_label", "threshold": 0.8, "ramp": 0.25, "augment": None}),
    ],
)
def test_every_semi_supervised_trainer_keeps_its_hyperparameters(checkout, name, expected):
    file = f"cifar10/{name}/frozen_linear.json"
    text, said, suite = converted(checkout, f"{PLAIN} --dataset cifar10 {FROZEN} --trainer_config {file}")
    (trainer,) = said["trainers"]
    common = {"steps": 80, "batch": 20, "learning_rate": 0.002, "ratio": 3, "unlabelled_weight": 1.5, "warmup": 0.0}
    assert {**trainer, **common, **expected} == trainer
    assert trainer["network"] == {"name": "linear"}
    assert (trainer.get("copies"), trainer["augment"]) in ((5, {"name": "images"}), (None, None))
    assert describe(suite.trainers[0]).items() >= {"name": expected["name"], "ema": 0.0}.items()
    assert "warmup_steps 50 is the length of the first of several cosines there, no warm-up" in text
    assert "early_stop (patience 2) is left out" in text and suite.seeds == (7,)


def test_a_point_evaluation_is_a_suite_with_a_proxy(checkout):
    selection = (
        "--embed_model_config frozen --classifier_model_config linear --strategy_config random_sampling "
        "--trainer_config flexmatch --wandb_project 'Active Learning, cifar10, Batch Size=100' "
    )
    evaluation = "--eval_metric multi_class --eval_classifier_model_config whole.json "
    evaluation += "--eval_trainer_config cifar10/passive/whole.json"
    text, said, suite = converted(
        checkout,
        "point_evaluation.py --seed 3 --dataset cifar10 --eval_batch_size 200 --eval_num_batch 2 "
        f"{selection} {evaluation}",
    )
    assert said["proxy"]["name"] == "flexmatch" and said["trainers"][0]["name"] == "finetune"
    assert suite.budget.amounts() == (100.0,) * 4  # two evaluations of two rounds each
    assert "was taken to be configs/trainer/cifar10/flexmatch/frozen_linear.json" in text
    assert "there after every 2, so look at these" in text
    for size, project, why in (
        (150, "Batch Size=100", "ends within a round of the selection, which bought 100"),
        (100, "my project", "says in how large batches labels were chosen"),
    ):
        line = f"point_evaluation.py --seed 3 --dataset cifar10 {selection} --eval_batch_size {size} --eval_num_batch 1"
        line = line.replace("Active Learning, cifar10, Batch Size=100", project)
        with pytest.raises(ImportRefused, match=why):
            suite_of(checkout, shlex.split(f"{line} {evaluation}"))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("train.py", r"expected a command line of main.py, mp_launcher.py"),
        ("main.py --seed 1", "the following arguments are required: --dataset"),
        (f"{PLAIN} --dataset cifar10 {FROZEN} --trainer_config no.json", r"no.json: no such file; there are odd.json"),
        (f"{PLAIN} --dataset cifar10 --bogus 1 {FROZEN} --trainer_config odd.json", "unrecognized arguments: --bogus"),
        (f"{PLAIN} --dataset cifar10 {FROZEN} --trainer_config odd.json", "unknown keys colour"),
        (
            f"{PLAIN} --dataset cifar10 {FROZEN} --trainer_config cifar10/passive/whole.json",
            "'linear' reads embeddings, but the trainer's use_embeddings is false",
        ),
        (
            f"{PLAIN} --dataset cifar10 --classifier_model_config linear.json --trainer_config odd.json",
            "needs embeddings, but the embedding configuration is none",
        ),
        (
            f"{PLAIN} --dataset svhn --classifier_model_config gone.json --trainer_config cifar10/passive/whole.json",
            "model 'resnet18' is none that LabelBench registers: clip_vitb16",
        ),
        (f"{PLAIN} --dataset celeb {FROZEN} --trainer_config odd.json", "several labels an image"),
        (
            f"{PLAIN} --dataset mnist {FROZEN} --trainer_config odd.json",
            "'mnist' has none like it here; known: cifar10",
        ),
        (f"{PLAIN} --dataset cifar10_imb_x {FROZEN} --trainer_config odd.json", "at least 2, after _imb_"),
    ],
)
def test_what_cannot_be_converted_says_why(checkout, command, why):
    with pytest.raises(ImportRefused, match=why):
        suite_of(checkout, shlex.split(command))


def test_the_command_writes_the_file_or_says_why_not(checkout, tmp_path):
    words = shlex.split(f"{PLAIN} --dataset svhn {FROZEN} --trainer_config cifar10/uda/frozen_linear.json")
    to = tmp_path / "suite.yaml"
    arguments = ["import", "labelbench-config", str(checkout), "--to", str(to), "--", *words]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "augment: {name: images, flip: false}" in to.read_text()  # a mirrored digit is another sign
    shown = CliRunner().invoke(app, ["import", "labelbench-config", str(checkout), "--", *words])
    assert shown.stdout == to.read_text()
    refused = CliRunner().invoke(app, ["import", "labelbench-config", str(tmp_path), "--", *words])
    assert refused.exit_code == 2 and "no configs/ in it" in refused.stderr


@checkout_there
def test_every_configuration_of_a_checkout_converts_but_one_which_says_why():
    configs = CHECKOUT / "configs"
    strategies = " ".join(path.name for path in sorted((configs / "strategy").glob("*.json")))
    line = f"mp_launcher.py --metric multi_class --batch_size 1000 --num_batch 10 --strategies {strategies}"
    used = set()
    for path in sorted((configs / "trainer").rglob("*.json")):
        file = path.relative_to(configs / "trainer").as_posix()
        dataset, backbone = file.partition("/")[0], path.stem[: len("clip_ViTB32")]
        kind = next(kind for kind in ("finetune", "linear", "shallow") if kind in path.stem)
        embed = "none" if kind == "finetune" else backbone
        model = kind
        if kind == "finetune":
            own = f"{backbone}_pretrained_{dataset}"
            model = own if (configs / "model" / f"{own}.json").is_file() else f"{backbone}_pretrained"
        noise = "random" if "noisy" in file else "noiseless"
        chosen = f"--embed_model_config {embed}.json --classifier_model_config {model}.json"
        converted(
            CHECKOUT, f"{line} --dataset {dataset} {chosen} --trainer_config {file} --corrupter_config {noise}.json"
        )
        used |= {f"model/{model}.json", f"embed_model/{embed}.json", f"corrupter/{noise}.json"}
    whole = "--dataset cifar10 --trainer_config cifar10/passive/clip_ViTB32_finetune.json"
    rest = {
        path.relative_to(configs).as_posix() for kind in ("model", "embed_model") for path in (configs / kind).iterdir()
    }
    for name in sorted(rest - used):
        model, embed = (
            (name.partition("/")[2], "none.json") if name.startswith("model/") else ("linear.json", name[12:])
        )
        trained = (
            whole
            if name.startswith("model/")
            else "--dataset svhn --trainer_config svhn/flexmatch/clip_ViTB32_linear.json"
        )
        command = f"{line} {trained} --classifier_model_config {model} --embed_model_config {embed}"
        if "resnet18" in name:
            with pytest.raises(ImportRefused, match="'resnet18' is none that LabelBench registers"):
                suite_of(CHECKOUT, shlex.split(command))
        else:
            converted(CHECKOUT, command)


SCRIPTS = (("main.py", False, False), ("mp_launcher.py", True, False), ("mp_eval_launcher.py", True, True))
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "labelbench_config.md"


def tables():
    """The page's tables: for each heading, what is there -> what it is called here."""
    found, heading = {}, ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        heading = line.removeprefix("## ") if line.startswith("## ") else heading
        cells = [re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:3]] if line.startswith("| `") else []
        if cells:
            ((there,), (here,)) = cells
            assert found.setdefault(heading, {}).setdefault(there, here) == here
    return found


def test_every_name_in_the_pages_tables_exists_and_none_is_missing():
    found = tables()
    assert found["Data sets"] == parts.DATASETS and found["Strategies"] == parts.STRATEGIES
    assert found["Trainers"] == parts.TRAINERS
    assert found["Models and embeddings"] == {**parts.MODELS, **dict.fromkeys(parts.BACKBONES, "open_clip")}
    assert found["Templates"] == parts.TEMPLATES
    template = get_type_hints(registry("networks").load("open_clip"))["template"]
    assert set(parts.TEMPLATES.values()) <= set(get_args(template))
    assert found["Corrupters"] == {name: here for name, here in parts.CORRUPTERS.items() if here}
    assert found["Keys of a trainer"].items() >= labelbench_trainers.KEYS.items()
    for heading, kind in (
        ("Data sets", "datasets"),
        ("Models and embeddings", "networks"),
        ("Trainers", "trainers"),
        ("Strategies", "strategies"),
        ("Corrupters", "conditions"),
    ):
        assert set(found[heading].values()) <= set(registry(kind).entries()), heading
    assert "open_clip" in registry("encoders").entries()
    fields = {
        field.name
        for name in set(parts.TRAINERS.values())
        for field in dataclasses.fields(registry("trainers").load(name))
    }
    assert set(found["Keys of a trainer"].values()) <= fields
    assert set(found["Flags"].values()) <= set(Suite.model_fields)
    text = PAGE.read_text(encoding="utf-8")
    known = {*labelbench_trainers.READ, *labelbench_trainers.WITHOUT_COUNTERPART}
    # What these stand for is said by their values' names.
    known -= {"trainer_name", "pred_fn", "loss_fn", "optim_name", "scheduler_name", "early_stop", "use_embeddings"}
    assert not [key for key in known if f"`{key}`" not in text]
    flags = {action.option_strings[0] for script in SCRIPTS for action in _parser(*script)._actions}
    assert not [flag for flag in flags if f"`{flag}`" not in text]
