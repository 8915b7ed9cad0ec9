"""Models of open_clip: an image tower and a text tower that were trained together."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labelbench_plus.models.image_model import Backbone, ImageModel
from labelbench_plus.models.weights import FILE, PLUMBING_TEST, PRETRAINED, SCRATCH, lent_generator, library
from labelbench_plus.store.artefacts import Artefacts, default_cache_dir
from labelbench_plus.store.pieces import Pieces

if TYPE_CHECKING:
    import torch
    from torch import Tensor

HUB = "hf-hub:"
CLASSES_AT_ONCE = 8
ZERO_SHOT_VERSION = 1  # raised when the computation of the head changes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenClipModel(ImageModel):
    """One of open_clip's models, or "hf-hub:owner/name".

    `tag` says which of the published weights are taken. With weights "file" it says of which ones the file is a copy,
    whose preparation of images is then taken; open_clip's usual one if None.
    """

    library = "open_clip"
    ways = (
        "Ways to get weights: (1) with a network: weights: pretrained with tag: one of those that "
        "open_clip.list_pretrained() lists, or model: hf-hub:OWNER/NAME without a tag (they stay in the hub's cache, "
        "which can be copied to a machine without one; there set HF_HUB_OFFLINE=1); (2) weights: file with file: PATH "
        "of a checkpoint"
    )

    def load(self, generator: torch.Generator | None = None) -> Backbone:
        return self.image_tower(self.towers(generator))

    def towers(self, generator: torch.Generator | None = None) -> Any:
        """Both towers, as open_clip makes them; see `load`."""
        open_clip = library("open_clip", "clip")
        path = self.path()
        published = self._published()
        scale = {key: published[key] for key in ("mean", "std") if key in published}
        pretrained = self.tag if self.weights == PRETRAINED else None if path is None else str(path)
        with lent_generator(generator if self.weights == SCRATCH else None):
            try:
                model = open_clip.create_model(
                    self.model,
                    pretrained=pretrained,
                    load_weights=self.weights in (PRETRAINED, FILE),
                    pretrained_text=False,
                    force_image_size=self.size,
                    force_preprocess_cfg=scale,
                    require_pretrained=self.weights in (PRETRAINED, FILE),
                )
            except Exception as error:  # open_clip has no errors of its own, nor has the hub's client
                if path is not None:
                    raise ValueError(f"open_clip: {path} is damaged or of another model: {error}") from error
                raise FileNotFoundError(
                    f"open_clip: {self.model!r} with weights {self.tag!r} could not be obtained "
                    f"({type(error).__name__}: {error}). {self.ways}"
                ) from error
        if self.weights == PLUMBING_TEST:
            logger.warning("open_clip: %s is untrained: a test of the plumbing, no benchmark", self.model)
        return model.eval()

    def image_tower(self, towers: Any) -> Backbone:
        """The part of `towers` that looks at images; its embeddings are not of length one."""
        from labelbench_plus.models.images import layers_of

        if getattr(towers.visual, "output_tokens", False):
            towers.visual.output_tokens = False  # CoCa's: only what stands for the image, not for its parts
        config = towers.visual.preprocess_cfg
        size = config["size"]
        layers = layers_of(towers.visual)
        if "proj" in dict(towers.visual.named_parameters(recurse=False)):
            layers = (*layers[:-1], (*layers[-1], "proj"))
        side = size if isinstance(size, int) else size[0]
        return Backbone(towers.visual, side, tuple(config["mean"]), tuple(config["std"]), layers)

    def zero_shot(self, towers: Any, class_names: Sequence[str], templates: Sequence[str]) -> tuple[Tensor, float]:
        """Weights (K, h) and bias of a linear classifier of embeddings of length one, made of the classes' names.

        Each class's row is the mean over the templates of its sentences' embeddings of length one, brought to length
        one, times the model's own scale of logits (Radford et al., 2021). The bias is 0 but for models that were
        trained with one (SigLIP).

        Computed on a CUDA device if there is one, and kept in the feature cache: 80 sentences for each of 1,000 classes
        are 80,000 passes through the text tower.

        Parameters
        ----------
        templates: sentences with "{}" where a class's name goes.

        Raises
        ------
        FileNotFoundError
            The model's tokenizer cannot be had.
        """
        import torch

        def compute(pieces: Pieces) -> dict[str, np.ndarray]:
            weights, bias = self._zero_shot(towers, class_names, templates)
            return {"weights": weights.numpy(), "bias": np.array([bias], dtype=np.float32)}

        if self.weights == SCRATCH:
            return self._zero_shot(towers, class_names, templates)
        key = {"zero_shot_head": ZERO_SHOT_VERSION, "model": self.model, "tag": self.tag, "weights": self.fingerprint()}
        key |= {"class_names": list(class_names), "templates": list(templates)}
        what = f"zero-shot head of {self.model}, {len(class_names)} classes"
        found = Artefacts(default_cache_dir()).arrays(key, compute, what=what)
        return torch.from_numpy(found["weights"]), float(found["bias"][0])

    def _zero_shot(self, towers: Any, class_names: Sequence[str], templates: Sequence[str]) -> tuple[Tensor, float]:
        import torch
        from torch.nn import functional as F

        open_clip = library("open_clip", "clip")
        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            tokenize = open_clip.get_tokenizer(self.model)
        except Exception as error:  # as above
            raise FileNotFoundError(f"open_clip: no tokenizer of {self.model!r} ({error}). {self.ways}") from error
        rows = []
        towers.to(device)
        with torch.no_grad():
            for start in range(0, len(class_names), CLASSES_AT_ONCE):
                names = class_names[start : start + CLASSES_AT_ONCE]
                sentences = [template.replace("{}", name) for name in names for template in templates]
                embeddings = towers.encode_text(tokenize(sentences).to(device), normalize=True)
                rows.append(F.normalize(embeddings.view(len(names), len(templates), -1).mean(dim=1), dim=1))
            towers.to("cpu")
            weights = towers.logit_scale.exp() * torch.cat(rows).cpu()
            bias = getattr(towers, "logit_bias", None)
        return weights, 0.0 if bias is None else float(bias.detach())

    def side(self) -> int:
        if self.size is not None:
            return self.size
        size = self._config()["vision_cfg"]["image_size"]
        return int(size if isinstance(size, int) else size[0])

    def _config(self) -> Any:
        open_clip = library("open_clip", "clip")
        if self.model.startswith(HUB):
            from open_clip.factory import _get_hf_config

            try:
                return _get_hf_config(self.model.removeprefix(HUB))["model_cfg"]
            except Exception as error:  # as above
                raise FileNotFoundError(f"open_clip: no configuration of {self.model!r} ({error})") from error
        found = open_clip.get_model_config(self.model)
        if found is None:
            close = difflib.get_close_matches(self.model, open_clip.list_models(), n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "open_clip.list_models() lists all"
            raise ValueError(f"open_clip: unknown model {self.model!r}; {hint}")
        return found

    def _published(self) -> dict[str, Any]:
        """What open_clip knows of the weights called `tag`.

        Raises
        ------
        ValueError
            There are none of that name, or the model has another activation than they were trained with; or no tag
            where one is needed, or one where there is no choice.
        """
        open_clip = library("open_clip", "clip")
        if self.model.startswith(HUB):
            if self.tag is not None or self.weights != PRETRAINED:
                raise ValueError(f"open_clip: {self.model!r} has weights of its own: weights: pretrained, and no tag")
            return {}
        config = self._config()
        if self.tag is None and self.weights != PRETRAINED:
            return {}
        tags = open_clip.list_pretrained_tags_by_model(self.model)
        if self.tag not in tags:
            known = f"there are {', '.join(tags)}" if tags else f"there are none. {self.ways}"
            raise ValueError(f"open_clip: no weights {self.tag!r} of {self.model!r}; {known}")
        published: dict[str, Any] = open_clip.get_pretrained_cfg(self.model, self.tag)
        if published.get("quick_gelu", False) != config.get("quick_gelu", False):
            other = self.model.removesuffix("-quickgelu") if "quickgelu" in self.model else f"{self.model}-quickgelu"
            raise ValueError(
                f"open_clip: weights {self.tag!r} were trained with another activation function than {self.model!r} "
                f"has; take model {other!r}"
            )
        return published
