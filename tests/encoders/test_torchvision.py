"""Frozen features of torchvision's models."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelbench_plus.encoders import encoders
from labelbench_plus.models.images import squares

if importlib.util.find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed", allow_module_level=True)

SMALL = {"name": "torchvision", "model": "mobilenet_v3_small", "weights": "random-plumbing-test", "image_size": 32}


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)


@pytest.mark.parametrize("classes", [7, 1000])
def test_they_are_what_the_last_layer_is_handed(classes: int, images: np.ndarray, tmp_path: Path) -> None:
    import torch
    from torchvision import models

    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = models.mobilenet_v3_small(num_classes=classes).eval()
    torch.save(model.state_dict(), tmp_path / "mine.pth")
    mine = encoders.build({**SMALL, "weights": "file", "file": str(tmp_path / "mine.pth")})
    handed: list[torch.Tensor] = []
    model.classifier[3].register_forward_hook(lambda _, inputs, __: handed.append(inputs[0]))
    mean, std = ((torch.tensor(x).view(3, 1, 1)) for x in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    with torch.inference_mode():
        model((squares(torch.from_numpy(images).permute(0, 3, 1, 2).float(), 32, 255) - mean) / std)
    np.testing.assert_allclose(mine.fit(images)(images), handed[0].numpy(), rtol=1e-4, atol=1e-5)
    assert len(mine.fingerprint()) == 64


@pytest.mark.parametrize(
    ("model", "width"), [("squeezenet1_1", 512), ("googlenet", 1024), ("shufflenet_v2_x0_5", 1024)]
)
def test_classifiers_of_every_kind_are_taken_off(model: str, width: int, images: np.ndarray) -> None:
    encode = encoders.build({**SMALL, "model": model, "image_size": 64}).fit(images)
    assert encode(images[..., 0]).shape == (5, width)


def refused(build: dict[str, Any], images: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        encoders.build(build).fit(images)


def test_weights_that_are_not_there_are_named_and_nothing_is_random(
    images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from torchvision import models

    def download(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to host")

    published = {**SMALL, "weights": "pretrained"}
    monkeypatch.setattr(
        models._api, "load_state_dict_from_url", lambda *_, **__: models.mobilenet_v3_small().state_dict()
    )
    assert encoders.build(published).fit(images)(images).shape == (5, 1024)
    monkeypatch.setattr(models._api, "load_state_dict_from_url", download)
    refused(published, images, FileNotFoundError, r"IMAGENET1K_V1 of 'mobilenet_v3_small' .*no route.*file: PATH")
    refused({**published, "tag": "V9"}, images, ValueError, "no weights 'V9'.*there are IMAGENET1K_V1")
    refused({**published, "model": "resnet17"}, images, ValueError, "unknown model 'resnet17'; did you mean 'resnet1")
    refused({**published, "model": "vit_b_32"}, images, ValueError, "are for images of 224 pixels only, not 32")
    torch.save(models.squeezenet1_1().state_dict(), tmp_path / "other.pth")
    other = {**SMALL, "weights": "file", "file": str(tmp_path / "other.pth")}
    refused(other, images, ValueError, "is of another model")
    refused({**other, "model": "inception_v3"}, images, ValueError, "scales images anew")
    (tmp_path / "html.pth").write_bytes(b"<html>404</html>")
    refused(
        {**SMALL, "weights": "file", "file": str(tmp_path / "html.pth")},
        images,
        ValueError,
        "no state dict, or damaged",
    )
