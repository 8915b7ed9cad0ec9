"""Last hidden states of transformers' models, pooled to one vector an input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labelbench_plus.encoders._batches import batches
from labelbench_plus.encoders._images import chosen_device
from labelbench_plus.encoders._inputs import shown
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.models.image_model import Backbone
from labelbench_plus.models.transformers import TransformersModel

UNKNOWN_LIMIT = 512


def pooled(states: Tensor, mask: Tensor, pooling: Literal["mean", "cls"]) -> Tensor:
    """(n, h) from hidden states (n, tokens, h), of which those count where `mask` (n, tokens) is 1."""
    if pooling == "cls":
        return states[:, 0]
    weights = mask.to(states.dtype)[:, :, None]
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)


def encode_texts(
    found: TransformersModel,
    pooling: Literal["mean", "cls"],
    *,
    normalised: bool,
    max_tokens: int | None,
    device: str,
) -> Callable[[Texts], np.ndarray]:
    """The function from texts to vectors (n, h) float32."""
    device = chosen_device(device)
    tokenizer = found.tokenizer()
    model: Any = found.load().requires_grad_(False)
    model = getattr(model, "text_model", model).to(device)
    places = getattr(model.config, "max_position_embeddings", None) or UNKNOWN_LIMIT
    limit = min(max_tokens or places, places, tokenizer.model_max_length)
    width = model.config.hidden_size

    def encode(inputs: Texts) -> np.ndarray:
        if not isinstance(inputs, Texts):
            raise ValueError(f"encoder 'transformers' was fitted to texts, got {shown(inputs)}")
        features = np.empty((len(inputs), width), dtype=np.float32)
        if len(inputs) == 0:
            return features
        tokens = tokenizer([inputs[row] for row in range(len(inputs))], truncation=True, max_length=limit)
        order = np.argsort([len(ids) for ids in tokens["input_ids"]], kind="stable")  # little is lost to padding
        with torch.inference_mode():
            for places in batches(len(order), device, "transformers"):
                rows = order[places.start : places.stop]
                some = {key: [values[row] for row in rows] for key, values in tokens.items()}
                batch = tokenizer.pad(some, return_tensors="pt").to(device)
                vectors = pooled(model(**batch).last_hidden_state, batch["attention_mask"], pooling)
                if normalised:
                    vectors = F.normalize(vectors, dim=1)
                features[rows] = vectors.cpu().numpy()
        return features

    return encode


def images_to_hidden_states(found: TransformersModel, pooling: Literal["mean", "cls"]) -> Backbone:
    """A model of images, as the functions for those take it.

    Raises
    ------
    ValueError
        It reads no images, or "cls" of a model that has no tokens.
    """
    recipe = found.images()
    if recipe is None:
        raise ValueError(f"transformers: {found.model!r} reads no images (no image_mean in preprocessor_config.json)")
    model: Any = found.load()
    model = getattr(model, "vision_model", model)
    return Backbone(_Pooled(model, pooling), **recipe, layers=())


class _Pooled(nn.Module):
    """Images to pooled hidden states: of tokens (n, tokens, h), or of places (n, h, height, width)."""

    def __init__(self, model: nn.Module, pooling: Literal["mean", "cls"]) -> None:
        super().__init__()
        self.model, self.pooling = model, pooling

    def forward(self, images: Tensor) -> Tensor:
        states: Tensor = self.model(pixel_values=images).last_hidden_state
        if states.ndim == 4:
            if self.pooling == "cls":
                raise ValueError("transformers: this model has no tokens; choose pooling: mean")
            states = states.flatten(2).transpose(1, 2)
        return pooled(states, torch.ones(states.shape[:2], device=states.device), self.pooling)
