"""Frozen features of open_clip's image towers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelbench_plus.encoders import encoders
from labelbench_plus.plugins import describe
from labelbench_plus.testing import check_encoder
from tests.encoders import tiny_clip

if importlib.util.find_spec("open_clip") is None:
    pytest.skip("open_clip is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip.written(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def tiny(checkpoint: Path) -> dict[str, Any]:
    return {"name": "open_clip", "model": tiny_clip.NAME, "weights": "file", "file": str(checkpoint)}


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)


def test_they_are_what_open_clip_computes_itself(tiny: dict[str, Any], images: np.ndarray) -> None:
    import open_clip
    import torch
    from PIL import Image

    model, _, prepare = open_clip.create_model_and_transforms(tiny_clip.NAME, pretrained=tiny["file"])
    with torch.inference_mode():
        batch = torch.stack([prepare(Image.fromarray(image)) for image in images])
        theirs = model.eval().encode_image(batch, normalize=True).numpy()
        plain = model.encode_image(batch).numpy()
    ours = encoders.build(tiny).fit(images)(images)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(encoders.build({**tiny, "normalise": False}).fit(images)(images), plain, atol=1e-5)


def test_images_of_other_sizes_are_brought_to_the_models(tiny: dict[str, Any], images: np.ndarray) -> None:
    small, large = images[:, 4:20, 4:20, 0], np.repeat(np.repeat(images, 2, axis=1), 3, axis=2)
    for inputs in (small, large):
        assert encoders.build(tiny).fit(inputs)(inputs).shape == (5, 12)
    sized = encoders.build({**tiny, "image_size": 64})
    assert not np.allclose(sized.fit(images)(images), encoders.build(tiny).fit(images)(images), atol=1e-3)


def test_of_a_model_that_answers_with_tokens_too_the_image_is_taken(tmp_path: Path, images: np.ndarray) -> None:
    vision = {**tiny_clip.VISION, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True}
    text = {**tiny_clip.TEXT, "context_length": 76, "embed_cls": True, "output_tokens": True}
    multimodal = {
        "context_length": 76,
        "vocab_size": 49408,
        "width": 16,
        "heads": 2,
        "layers": 1,
        "attn_pooler_heads": 2,
    }
    file = tiny_clip.written(
        tmp_path, "tiny-coca", vision_cfg=vision, text_cfg=text, multimodal_cfg=multimodal, custom_text=True
    )
    build = {"name": "open_clip", "model": "tiny-coca", "weights": "file", "file": str(file)}
    assert encoders.build(build).fit(images)(images).shape == (5, 12)


def test_what_counts_is_the_content_of_the_file(tiny: dict[str, Any], tmp_path: Path) -> None:
    moved = tmp_path / "moved.pt"
    moved.write_bytes(Path(tiny["file"]).read_bytes())
    here, there = encoders.build(tiny), encoders.build({**tiny, "file": str(moved)})
    assert here.fingerprint() == there.fingerprint()
    assert describe(here, semantic_only=True) == describe(there, semantic_only=True)


def refused(build: dict[str, Any], images: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        encoders.build(build).fit(images)


def test_weights_that_are_not_there_are_named_and_nothing_is_random(
    tiny: dict[str, Any], images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import open_clip.factory

    def download(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(open_clip.factory, "download_pretrained", download)
    monkeypatch.setattr(open_clip.factory, "_get_hf_config", download)
    published = {"name": "open_clip", "model": "ViT-B-32", "weights": "pretrained"}
    laion = {**published, "tag": "laion2b_s34b_b79k"}
    refused(laion, images, FileNotFoundError, r"no route to host.*HF_HUB_OFFLINE.*file: PATH")
    refused(published, images, ValueError, r"no weights None of 'ViT-B-32'; there are openai, .*laion2b_s34b_b79k")
    refused({**published, "tag": "openai"}, images, ValueError, "take model 'ViT-B-32-quickgelu'")
    refused({**published, "model": "ViT-B-33"}, images, ValueError, "unknown model 'ViT-B-33'; did you mean 'ViT-B")
    refused({**published, "model": "hf-hub:a/b"}, images, FileNotFoundError, r"no route to host.*file: PATH")
    refused({**laion, "model": "hf-hub:a/b"}, images, ValueError, "has weights of its own")
    (tmp_path / "x.pt").write_bytes(b"<html>404</html>")
    refused({**tiny, "file": str(tmp_path / "x.pt")}, images, ValueError, r"x\.pt is damaged or of another model")
    refused({**tiny, "file": None}, images, ValueError, "go together")
    refused({**tiny, "file": str(tmp_path / "y.pt")}, images, FileNotFoundError, "there is no file of weights")


def test_it_keeps_to_the_contract_of_encoders(tiny: dict[str, Any]) -> None:
    report = check_encoder(encoders.build(tiny))
    assert report.passed, str(report)


def test_published_weights_bring_their_mean_and_deviation(
    tiny: dict[str, Any], images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    import open_clip.factory
    import open_clip.pretrained

    grey = {"url": "", "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, tiny_clip.NAME, {"mine": grey})
    monkeypatch.setattr(open_clip.factory, "download_pretrained", lambda *_, **__: tiny["file"])
    published = {"name": "open_clip", "model": tiny_clip.NAME, "weights": "pretrained", "tag": "mine"}
    found = encoders.build(published).fit(images)(images)
    np.testing.assert_array_equal(found, encoders.build({**tiny, "tag": "mine"}).fit(images)(images))
    assert not np.allclose(found, encoders.build(tiny).fit(images)(images), atol=1e-3)


def test_a_model_of_the_hub_without_its_weights_is_refused(
    tiny: dict[str, Any], images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    import open_clip.factory

    config = {"embed_dim": 12, "vision_cfg": tiny_clip.VISION, "text_cfg": tiny_clip.TEXT}
    monkeypatch.setattr(open_clip.factory, "_get_hf_config", lambda *_, **__: {"model_cfg": dict(config)})
    monkeypatch.setattr(open_clip.factory, "download_pretrained_from_hf", lambda *_, **__: tiny["file"])
    theirs = {"name": "open_clip", "model": "hf-hub:somebody/something", "weights": "pretrained"}
    np.testing.assert_array_equal(encoders.build(theirs).fit(images)(images), encoders.build(tiny).fit(images)(images))
    assert encoders.build(theirs).side() == 32

    def download(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(open_clip.factory, "download_pretrained_from_hf", download)  # open_clip itself only warns
    refused(theirs, images, FileNotFoundError, "could not be obtained .*Ways to get weights")
