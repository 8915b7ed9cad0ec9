"""Images in memory or in files through a frozen model, a batch at a time."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.encoders._batches import batches
from labelbench_plus.encoders._inputs import check_images
from labelbench_plus.inputs.image_files import ImageFiles
from labelbench_plus.models.image_model import Backbone
from labelbench_plus.models.images import squares, width_of

IMAGES_AHEAD = 4  # a core: enough to go on with while a batch is in the model

Images = np.ndarray | ImageFiles


def chosen_device(device: str) -> str:
    """ "auto" is a CUDA device if there is one."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def encode_images(
    encoder: str, backbone: Backbone, device: str, *, normalised: bool = False
) -> Callable[[Images], np.ndarray]:
    """The function from images to embeddings (n, h) float32 under a frozen backbone.

    Parameters
    ----------
    encoder: its name, for messages.
    device: "auto", "cpu" or "cuda".
    normalised: whether embeddings are brought to length one.
    """
    device, width = chosen_device(device), width_of(backbone)
    model: Any = backbone.module.requires_grad_(False)
    model = model.to(device=device, memory_format=torch.channels_last)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (backbone.mean, backbone.std))

    def encode(inputs: Images) -> np.ndarray:
        if len(inputs) == 0:
            return np.empty((0, width), dtype=np.float32)
        check_images(inputs, encoder)
        features = []
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            for batch in _read(inputs, backbone.size, device, encoder):
                prepared = ((batch - mean) / std).contiguous(memory_format=torch.channels_last)
                embeddings = model(prepared)
                if normalised:
                    embeddings = torch.nn.functional.normalize(embeddings, dim=1)
                features.append(embeddings.cpu().numpy())
        return np.concatenate(features)

    return encode


def _read(inputs: Images, size: int, device: str, encoder: str) -> Iterator[Tensor]:
    """(b, 3, size, size) in 0..1 on the device."""
    parts = batches(len(inputs), device, encoder)
    if isinstance(inputs, np.ndarray):
        for rows in parts:
            batch = torch.from_numpy(np.array(inputs[rows.start : rows.stop])).to(device)
            yield squares(_channels_first(batch).to(torch.float32), size, 255)
        return
    images = _decoded(inputs)
    for rows in parts:
        squared = []
        for image in itertools.islice(images, len(rows)):
            whole = _channels_first(torch.from_numpy(image)[None].to(device)).to(torch.float32)
            squared.append(squares(whole, size, 255))
        yield torch.cat(squared)


def _channels_first(images: Tensor) -> Tensor:
    return images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)


def _decoded(files: ImageFiles) -> Iterator[np.ndarray]:
    """Images in order. While one is worked on, the next few are decoded by a thread a core; no more are in memory."""
    cores = os.cpu_count() or 1
    waiting: deque[Future[np.ndarray]] = deque()
    with ThreadPoolExecutor(cores) as threads:
        for row in range(len(files)):
            waiting.append(threads.submit(files.decode, row))
            if len(waiting) > IMAGES_AHEAD * cores:
                yield waiting.popleft().result()
        for image in waiting:
            yield image.result()
