"""Images on their way into a model, and how deep the parts of a model lie."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labelbench_plus.models.image_model import Backbone

CONTAINERS = frozenset(
    {"blocks", "encoder", "features", "layers", "resblocks", "stages", "transformer", "trunk", "trunk_output"}
)


def squares(images: Tensor, size: int, largest: float) -> Tensor:
    """Floats (n, c, h, w) in 0..largest to (n, 3, size, size) in 0..1; grey ones get three equal channels.

    The shorter side is brought to `size` bicubically with antialiasing, then the centre is cut out.
    """
    height, width = images.shape[2:]
    if min(height, width) != size:
        scale = size / min(height, width)
        shape = [max(size, round(side * scale)) for side in (height, width)]
        images = F.interpolate(images, size=shape, mode="bicubic", antialias=True)
        images = images.clamp(0, largest)  # bicubic overshoots at edges
    top, left = ((side - size) // 2 for side in images.shape[2:])
    return images[:, :, top : top + size, left : left + size].expand(-1, 3, -1, -1) / largest


class Seeing(nn.Module):
    """A backbone of a network: images (n, c, h, w) in 0..1 of any size to embeddings (n, h).

    Dropout and stochastic depth are off, as what they draw would not come from a generator that was handed in.

    Parameters
    ----------
    normalised: whether embeddings are brought to length one.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, *, normalised: bool = False) -> None:
        super().__init__()
        self.model, self.size, self.normalised = backbone.module, backbone.size, normalised
        for part in self.model.modules():
            for share in ("p", "drop_prob"):
                if share in vars(part) and type(part).__name__.lower().startswith(("drop", "stochastic")):
                    setattr(part, share, 0.0)
        for name, values in (("mean", backbone.mean), ("std", backbone.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        prepared = (squares(images, self.size, 1.0) - self.mean) / self.std
        embeddings: Tensor = self.model(prepared.contiguous(memory_format=torch.channels_last))
        return F.normalize(embeddings, dim=1) if self.normalised else embeddings


def prefixed(layers: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """The layers of a backbone by the names that they have inside `Seeing`."""
    return tuple(tuple(f"model.{prefix}" for prefix in layer) for layer in layers)


@torch.no_grad()
def width_of(backbone: Backbone) -> int:
    """h, found by looking at a black image."""
    return int(backbone.module(torch.zeros(1, 3, backbone.size, backbone.size)).shape[1])


def layers_of(model: nn.Module) -> tuple[tuple[str, ...], ...]:
    """The blocks of a model in order, from the names of its parts.

    Parts of those called as in `CONTAINERS` count for themselves. What has vectors only (a norm) belongs to the block
    before it.
    """
    layers: list[tuple[str, ...]] = []
    for name, part in _blocks(model, ""):
        if all(parameter.ndim < 2 for parameter in part.parameters()) and layers:
            layers[-1] = (*layers[-1], name)
        else:
            layers.append((name,))
    return tuple(layers)


def _blocks(module: nn.Module, above: str) -> Iterator[tuple[str, nn.Module]]:
    for name, part in module.named_children():
        if name in CONTAINERS:
            yield from _blocks(part, f"{above}{name}.")
        elif any(True for _ in part.parameters()):
            yield f"{above}{name}", part
