"""What the reference of a live world says to each prompt: drawn once, kept in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.decoding.live_world import LiveWorld, Trunk
from labelbench_plus.store.artefacts import Artefacts

DRAWN = 1  # raised when the same model would say something else to the same prompts and draws
KEPT_BYTES = 256 * 2**20
"""What the trunk makes of responses is kept up to here; beyond it is quicker to have computed than to have read."""


@dataclass(frozen=True)
class Pool:
    """Responses (c, n, T) of the reference, what the trunk makes of them, their log-probabilities (c, n)."""

    tokens: Tensor
    trunk: Trunk
    log_reference: Tensor


def drawn_pool(world: LiveWorld, responses: int, uniforms: np.ndarray, folder: Path, key: Mapping[str, Any]) -> Pool:
    """A pool of so many responses to each prompt, from the cache in `folder` if it was ever drawn there.

    Parameters
    ----------
    uniforms: (c · n, T) draws.
    key: what the world is made of, as JSON values: the model, and from which layer up adapters change it.
    """

    def compute(pieces: Any) -> dict[str, np.ndarray]:
        tokens = world.drawn(responses, uniforms)
        trunk = world.trunk(tokens)
        found = {"tokens": tokens, "log_reference": world.all_log_probabilities(trunk, tokens)}
        if trunk.states.nbytes <= KEPT_BYTES:
            found["states"] = trunk.states
        return {name: value.cpu().numpy() for name, value in found.items()}

    whole = {
        "responses of a live reference": DRAWN,
        **key,
        "prompts": world.prompts,
        "responses": responses,
        "draws": hashlib.sha256(np.ascontiguousarray(uniforms, dtype="<f8").data).hexdigest(),
        "device": world.device.type,
    }
    found = {
        name: torch.from_numpy(np.array(value))
        for name, value in Artefacts(folder).arrays(whole, compute, what="responses of a live reference").items()
    }
    tokens = found["tokens"].to(world.device)
    trunk = world.resumed(found["states"]) if "states" in found else world.trunk(tokens)
    return Pool(tokens, trunk, found["log_reference"].to(world.device))
