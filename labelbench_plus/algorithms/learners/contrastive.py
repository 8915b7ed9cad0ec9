"""A small CLIP: two towers trained so that an image and its text agree more than either does with others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional

CHUNK_ROWS = 8192
LARGEST_SCALE = 100.0  # of the products, as in CLIP
FIRST_SCALE = 1 / 0.07


@dataclass(frozen=True)
class Towers:
    """Two trained towers with unit vectors as outputs.

    `weights`: by name. A side's first layer is "<side>.words" (K, hidden) where it reads numbers of words, else
    "<side>.in" (hidden, inputs) and "<side>.in_bias"; its second "<side>.out" (width, hidden). `mean`, `spread`: of the
    images, to standardise them.
    """

    weights: Mapping[str, Tensor]
    mean: float
    spread: float

    @torch.no_grad()
    def embed_images(self, images: np.ndarray) -> Tensor:
        """(n, width) float32 unit vectors of images (n, ...)."""
        return torch.cat([_tower(self.weights, "images", self._input(part)) for part in _parts(images)])

    @torch.no_grad()
    def embed_texts(self, texts: np.ndarray) -> Tensor:
        """(n, width) float32 unit vectors of texts: numbers of words (n, L), 0 where there is none, or vectors."""
        device = next(iter(self.weights.values())).device
        return torch.cat([_tower(self.weights, "texts", torch.as_tensor(part).to(device)) for part in _parts(texts)])

    def _input(self, images: np.ndarray) -> Tensor:
        device = next(iter(self.weights.values())).device
        return flattened(images, self.mean, self.spread).to(device)


def flattened(images: np.ndarray, mean: float, spread: float) -> Tensor:
    """(n, pixels) float32, standardised by two numbers for all pixels."""
    return (torch.as_tensor(images.reshape(len(images), -1)).float() - mean) / spread


def fit_contrastive(
    images: np.ndarray,
    texts: np.ndarray,
    words: int | None,
    *,
    width: int,
    hidden: int,
    steps: int,
    batch: int,
    learning_rate: float,
    weight_decay: float,
    init: torch.Generator,
    order: Generator,
    device: str = "cpu",
) -> Towers:
    """Train towers with the symmetric contrastive loss (Radford et al., 2021) for a fixed number of steps.

    However many pairs there are, as many samples are seen, in batches drawn without replacement within an epoch. AdamW,
    linear warm-up over 5 % of the steps, cosine decay. The scale of the products is learned, at most 100.

    Parameters
    ----------
    images: (n, ...) numbers; flattened and standardised. texts: (n, L) int64 numbers of words below `words`, where 0
        stands for none, or (n, e) float vectors if `words` is None.
    width: of the common space. hidden: of each tower's only hidden layer.
    init, order: of the first weights and of the batches.

    Raises
    ------
    ValueError
        There is no pair, or their numbers differ.
    """
    if len(images) != len(texts) or len(images) == 0:
        raise ValueError(f"need as many texts as images and at least one, got {len(images)} and {len(texts)}")
    mean, spread = float(images.mean(dtype=np.float64)), max(float(images.std(dtype=np.float64)), 1e-12)
    inputs = flattened(images, mean, spread).to(device)
    captions = torch.as_tensor(texts).to(device)
    weights = _first_weights(inputs.shape[1], texts.shape[1], words, width, hidden, init)
    weights = {name: value.to(device).requires_grad_() for name, value in weights.items()}
    optimizer = torch.optim.AdamW(list(weights.values()), lr=learning_rate, weight_decay=weight_decay)
    size = min(batch, len(images))
    with torch.enable_grad():
        for step, rows in enumerate(_batches(len(images), size, steps, order)):
            optimizer.param_groups[0]["lr"] = learning_rate * _schedule(step, steps)
            chosen = rows.to(device)
            left = _tower(weights, "images", inputs[chosen])
            right = _tower(weights, "texts", captions[chosen])
            logits = weights["scale"].exp().clamp(max=LARGEST_SCALE) * left @ right.T
            partner = torch.arange(size, device=device)
            loss = (functional.cross_entropy(logits, partner) + functional.cross_entropy(logits.T, partner)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return Towers({name: value.detach() for name, value in weights.items()}, mean, spread)


def recall_at_1(images: Tensor, texts: Tensor, groups: Tensor, among: int) -> float:
    """Share of images and texts whose nearest counterpart belongs to them, both ways averaged.

    Candidates are consecutive sets of `among` pairs; a last set that is smaller is left out unless it is the only one.

    Parameters
    ----------
    images, texts: (n, width), row i of one belonging to row i of the other.
    groups: (n,) long; rows with equal texts are in one group, and any of them is right.
    """
    rights: list[float] = []
    for start in range(0, len(images), among):
        some = slice(start, start + among)
        if len(groups[some]) < among and rights:
            continue
        products = images[some] @ texts[some].T
        group = groups[some].to(products.device)
        for nearest in (products.argmax(dim=1), products.argmax(dim=0)):
            rights.append(float((group[nearest] == group).double().mean()))
    return float(np.mean(rights))


def _first_weights(
    pixels: int, letters: int, words: int | None, width: int, hidden: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Drawn on the CPU, so that they are the same on every device."""

    def drawn(rows: int, columns: int, scale: float) -> Tensor:
        return torch.randn(rows, columns, generator=generator) * scale

    weights = {
        "images.in": drawn(hidden, pixels, math.sqrt(2 / pixels)),
        "images.in_bias": torch.zeros(hidden),
        "images.out": drawn(width, hidden, math.sqrt(1 / hidden)),
        "texts.out": drawn(width, hidden, math.sqrt(1 / hidden)),
        "scale": torch.tensor(math.log(FIRST_SCALE)),
    }
    if words is None:
        weights["texts.in"] = drawn(hidden, letters, math.sqrt(2 / letters))
        weights["texts.in_bias"] = torch.zeros(hidden)
    else:
        weights["texts.words"] = drawn(words, hidden, 1.0)
    return weights


def _tower(weights: Mapping[str, Tensor], side: str, inputs: Tensor) -> Tensor:
    if f"{side}.words" in weights:
        there = (inputs > 0).to(weights[f"{side}.words"].dtype)
        hidden = (weights[f"{side}.words"][inputs] * there[:, :, None]).sum(dim=1)
        hidden = hidden / there.sum(dim=1, keepdim=True).clamp(min=1)
    else:
        hidden = functional.linear(inputs.float(), weights[f"{side}.in"], weights[f"{side}.in_bias"])
    return functional.normalize(functional.linear(hidden.relu(), weights[f"{side}.out"]), dim=1)


def _batches(rows: int, size: int, steps: int, order: Generator) -> Iterator[Tensor]:
    waiting = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        if len(waiting) < size:
            waiting = order.permutation(rows)
        yield torch.from_numpy(waiting[:size])
        waiting = waiting[size:]


def _schedule(step: int, steps: int) -> float:
    warm = 0.05 * steps
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + CHUNK_ROWS] for start in range(0, max(1, len(rows)), CHUNK_ROWS)]
