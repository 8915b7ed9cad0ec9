"""How the reconstructor learns, guesses and draws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
import torch._dynamo  # optimizers import it at their first step
from torch import Tensor
from torch.nn import functional

from labelbench_plus.algorithms.ray_casting import BOX, SPHERE, Scenes, render
from labelbench_plus.contracts.classifier import Classifier
from labelbench_plus.contracts.networks import Network, Task
from labelbench_plus.datasets._drawn_scenes import ELEVATION, SIZES, draw
from labelbench_plus.plugins import describe
from labelbench_plus.seeding import Streams, torch_generator
from labelbench_plus.store.artefacts import Artefacts, default_cache_dir
from labelbench_plus.store.pieces import Pieces

VERSION = 1  # raised when training or drawing changes
SEED = 0
BATCH = 64
WARMUP = 0.05
PLACE, SIZE, FORM = slice(0, 3), 3, 4
OF_OBJECT = 5  # numbers a guess says of an object; one more says of a scene whether it stands on a floor
OUTPUTS = 2 * OF_OBJECT + 1


def targets(scenes: Scenes) -> np.ndarray:
    """(n, 11) what is to be guessed: of each object its place, size and form, then the floor, each of order one."""
    found = np.empty((len(scenes), 2, OF_OBJECT))
    found[..., PLACE] = scenes.centres
    middle, half = (SIZES[1] + SIZES[0]) / 2, (SIZES[1] - SIZES[0]) / 2
    found[..., SIZE] = (scenes.sizes - middle) / half
    found[..., FORM] = np.where(scenes.kinds == BOX, 1.0, -1.0)
    floor = np.full((len(scenes), 1), 1.0 if scenes.floor else -1.0)
    return np.concatenate([found.reshape(len(scenes), -1), floor], axis=1)


def guessed(numbers: np.ndarray, like: Scenes) -> tuple[Scenes, np.ndarray]:
    """The scenes that guesses (n, 11) mean, and which of them (n,) stand on a floor. Colours are those of `like`."""
    objects = numbers[:, :-1].reshape(len(numbers), 2, OF_OBJECT)
    middle, half = (SIZES[1] + SIZES[0]) / 2, (SIZES[1] - SIZES[0]) / 2
    sizes = np.clip(objects[..., SIZE] * half + middle, *SIZES)
    kinds = np.where(objects[..., FORM] > 0, BOX, SPHERE)
    return replace(like, kinds=kinds, centres=objects[..., PLACE].copy(), sizes=sizes), numbers[:, -1] > 0


def trained(network: Network, scenes: int, steps: int, learning_rate: float, side: int) -> Classifier:
    """A network that reads scenes off photographs, from the cache if it was ever trained on this machine.

    Parameters
    ----------
    scenes: how many it learns from. steps, learning_rate: of its training.
    side: of the photographs.
    """
    built = network.build(Task((3, side, side), OUTPUTS), torch_generator(_streams().rng("network")))
    key = {
        "reconstructor": VERSION,
        "network": describe(network, semantic_only=True),
        "weights": network.fingerprint(),
        "scenes": scenes,
        "steps": steps,
        "learning_rate": learning_rate,
        "side": side,
    }

    def compute(pieces: Pieces) -> dict[str, np.ndarray]:
        _train(built, *_examples(scenes, side), steps, learning_rate)
        return {f"weight_{place}": value.numpy() for place, value in enumerate(built.state_dict().values())}

    found = Artefacts(default_cache_dir()).arrays(key, compute, what=f"a reconstructor of scenes, {side} × {side}")
    weights = [torch.from_numpy(np.array(found[f"weight_{place}"])) for place in range(len(found))]
    built.load_state_dict(dict(zip(built.state_dict(), weights, strict=True)))
    return built.eval().requires_grad_(False)


def guessed_views(network: Classifier, images: np.ndarray, angles: tuple[float, ...]) -> np.ndarray:
    """(n, v, h, h, 3) uint8 from photographs (n, h, h, 3). One at a time: a batch would round each by the others."""
    side = images.shape[1]
    with torch.no_grad():
        said = [network(_read(images[row : row + 1]))[0].double().numpy() for row in range(len(images))]
    views = np.empty((len(images), len(angles), *images.shape[1:]), dtype=np.uint8)
    if not said:
        return views
    scenes, floor = guessed(np.stack(said), draw(0, _streams().rng("colours"), ambiguous=True)[0])
    for rows, elevation in ((np.flatnonzero(floor), ELEVATION), (np.flatnonzero(~floor), 0.0)):
        part = replace(scenes.at(rows), elevation=elevation, floor=elevation > 0)
        for place, angle in enumerate(angles):
            views[rows, place] = render(part, angle, side)
    return views


def _streams() -> Streams:
    return Streams(SEED)


def _read(images: np.ndarray) -> Tensor:
    floats = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return floats.contiguous(memory_format=torch.channels_last)


def _examples(count: int, side: int) -> tuple[Tensor, Tensor]:
    """Photographs (n, 3, h, h) of scenes, half of them ambiguous, and what is to be guessed of each (n, 11)."""
    kinds = [
        draw(some, _streams().rng(f"reconstructor scenes {ambiguous}"), ambiguous)[0]
        for ambiguous, some in ((True, count // 2), (False, count - count // 2))
    ]
    images = torch.cat([_read(render(scenes, 0.0, side)) for scenes in kinds])
    return images, torch.from_numpy(np.concatenate([targets(scenes) for scenes in kinds])).float()


def _train(network: Classifier, images: Tensor, wanted: Tensor, steps: int, learning_rate: float) -> None:
    """Least squares on what is to be guessed; AdamW, warm-up, then half a cosine."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-2, fused=True)
    order = torch_generator(_streams().rng("reconstructor order"))
    network.train()
    for step in range(steps):
        share = step / steps
        rate = min(1.0, (share + 1 / steps) / WARMUP) * (0.5 + 0.5 * math.cos(math.pi * share))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * rate
        rows = torch.randint(len(images), (BATCH,), generator=order)
        with torch.enable_grad():
            loss = functional.mse_loss(network(images[rows]), wanted[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
        optimizer.step()
