"""A CLIP model of open_clip that is small enough for tests. Its weights are random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NAME = "tiny-clip"
VISION = {"image_size": 32, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}


def written(folder: Path, name: str = NAME, **changes: Any) -> Path:
    """Have open_clip know the model, and write a checkpoint of it; returns where."""
    import open_clip
    import torch

    config = {"embed_dim": 12, "vision_cfg": VISION, "text_cfg": TEXT, **changes}
    (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / f"{name}.json")
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = open_clip.create_model(name)
    torch.save(model.state_dict(), folder / f"{name}.pt")
    return folder / f"{name}.pt"
