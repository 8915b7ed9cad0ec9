"""Models of torchvision."""

from __future__ import annotations

import difflib
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelbench_plus._torchvision_compat import prepare
from labelbench_plus.models.image_model import Backbone, ImageModel
from labelbench_plus.models.weights import PLUMBING_TEST, PRETRAINED, SCRATCH, lent_generator

if TYPE_CHECKING:
    import torch

AUXILIARY = ("AuxLogits", "aux1", "aux2")  # further classifiers of the Inceptions, which only their training used
OWN_SCALE = frozenset({"googlenet", "inception_v3"})  # rescale what they see, with torchvision's weights only

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TorchvisionModel(ImageModel):
    """One of torchvision's models of classification; `tag` names the weights, torchvision's choice if None."""

    library = "torchvision"
    ways = (
        "Ways to get weights: (1) with a network: weights: pretrained (they stay in torch's hub folder, TORCH_HOME or "
        "~/.cache/torch, which can be copied to a machine without one); (2) weights: file with file: PATH of a state "
        "dict; and the encoder and the network 'timm' have weights from a Python package"
    )

    def load(self, generator: torch.Generator | None = None) -> Backbone:
        models = _models()
        from labelbench_plus.models.images import layers_of

        path = self.path()
        recipe = self._recipe().transforms()
        size = self._size(recipe)
        arguments = {"image_size": size} if self.size is not None and self.model.startswith("vit_") else {}
        model: Any
        with lent_generator(generator if self.weights == SCRATCH else None), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of the Inceptions' way of being initialised
            if self.weights == PRETRAINED:
                model = self._create_pretrained(size)
            else:
                model = models.get_model(self.model, weights=None, **arguments)
        if self.weights == PLUMBING_TEST:
            logger.warning("torchvision: %s is untrained: a test of the plumbing, no benchmark", self.model)
        gone = _take_off_classifier(model)
        if path is not None:
            self._load_file(model, path, gone)
        return Backbone(model.eval(), size, tuple(recipe.mean), tuple(recipe.std), layers_of(model))

    def side(self) -> int:
        return self._size(self._recipe().transforms())

    def _size(self, recipe: Any) -> int:
        return self.size or int(recipe.crop_size[0])

    def _recipe(self) -> Any:
        """The published weights that are taken, or whose preparation of images is."""
        models = _models()
        known = models.list_models(module=models)
        if self.model not in known:
            close = difflib.get_close_matches(self.model, known, n=3)
            hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {', '.join(known)}"
            raise ValueError(f"torchvision: unknown model {self.model!r}; {hint}")
        tags = models.get_model_weights(self.model).__members__
        if (self.tag or "DEFAULT") not in tags:
            raise ValueError(f"torchvision: no weights {self.tag!r} of {self.model!r}; there are {', '.join(tags)}")
        return tags[self.tag or "DEFAULT"]

    def _create_pretrained(self, size: int) -> Any:
        models = _models()
        recipe = self._recipe()
        if self.model.startswith("vit_") and size != recipe.transforms().crop_size[0]:
            raise ValueError(
                f"torchvision: weights {recipe.name} of {self.model!r} are for images of "
                f"{recipe.transforms().crop_size[0]} pixels only, not {size}"
            )
        try:
            return models.get_model(self.model, weights=recipe)
        except Exception as error:  # a download can fail in all kinds of ways
            raise FileNotFoundError(
                f"torchvision: the weights {recipe.name} of {self.model!r} could not be obtained "
                f"({type(error).__name__}: {error}). {self.ways}"
            ) from error

    def _load_file(self, model: Any, path: Path, gone: set[str]) -> None:
        """Load a state dict with torchvision's names; classifiers in it are left out, anything else has to fit."""
        import torch

        if self.model in OWN_SCALE:
            raise ValueError(
                f"torchvision: {self.model!r} scales images anew where torchvision's weights need it, and a file does "
                "not say whether they do; take weights: pretrained"
            )
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            state = {key: tensor for key, tensor in stored.get("state_dict", stored).items() if key not in gone}
        except Exception as error:  # reading a damaged file can raise anything
            raise ValueError(f"torchvision: {path} is no state dict, or damaged ({error})") from error
        try:
            model.load_state_dict(state)
        except (RuntimeError, AttributeError) as error:
            raise ValueError(f"torchvision: {path} is of another model: {error}") from error


def _models() -> Any:
    prepare()
    from torchvision import models

    return models


def _take_off_classifier(model: Any) -> set[str]:
    """Have the model end before the layer that gives the logits; returns the names of the weights that went."""
    from torch import nn

    before = set(model.state_dict())
    for name in AUXILIARY:
        if hasattr(model, name):
            setattr(model, name, None)
            model.aux_logits = False
    last = [name for name, part in model.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)][-1]
    above, _, name = last.rpartition(".")
    setattr(model.get_submodule(above), name, nn.Identity())
    return before - set(model.state_dict())
