"""Zero-1-to-3: a diffusion model that draws an object from another side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge

from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference
from labelbench_plus.synthesisers import Photographs, Synthesiser, synthesisers

if TYPE_CHECKING:
    from labelbench_plus.synthesisers._zero123 import Parts


@synthesisers.register("zero123")
@dataclass(frozen=True)
class Zero123(Synthesiser):
    """Views by Zero-1-to-3, as ZeroVLM makes them. Needs the extra `views`.

    The model's parts are loaded by their folders (`vae`, `unet`, `image_encoder`, `scheduler`, `cc_projection`) and
    sampled here: the photograph's CLIP embedding beside the turn of the camera conditions every step, its latent stands
    beside the noise, and guidance is against no condition at all. It was trained on single objects before white; here
    nothing is cut out of a photograph, as that would remove the other object, which a relation is about.

    Each view is drawn from the photograph's own streams and kept in the cache.

    Parameters
    ----------
    model: its name on the hub, such as "kxic/zero123-xl"; for weights "folder" what you call it.
    weights: "pretrained": from the hub, or its cache. "folder": `folder`, with the parts in folders of their names.
    steps: of sampling (DDIM). guidance: its scale. eta: share of fresh noise in each step.
    folder: the folder of weights "folder". What counts for a run's identity is its content, not where it lies.
    device: "auto" takes a CUDA device if there is one.
    """

    title = "Zero-1-to-3"
    reference = Reference(("Liu", "others"), 2023, "Zero-1-to-3", arxiv="2303.11328")
    source = "generator"

    model: str
    weights: Annotated[Literal["pretrained", "folder"], Outside("the network", only=("pretrained",))]
    steps: Annotated[int, Ge(1)] = 75
    guidance: Annotated[float, Ge(1)] = 3.0
    eta: Annotated[float, Ge(0)] = 1.0
    folder: Annotated[Path | None, Infra(), Outside("files")] = None
    device: Annotated[Literal["auto", "cpu", "cuda"], Infra()] = "auto"

    def views(self, photographs: Photographs, rows: np.ndarray, angles: tuple[float, ...]) -> np.ndarray:
        from labelbench_plus.synthesisers._zero123 import Sampling, drawn

        sampling = Sampling(self.steps, self.guidance, self.eta)
        found = np.empty((len(rows), len(angles), *photographs.images.shape[1:]), dtype=np.uint8)
        for place, row in enumerate(rows.tolist()):
            for number, angle in enumerate(angles):
                found[place, number] = drawn(self._parts(), sampling, self.device, photographs, row, angle)
        return found

    def fingerprint(self) -> str:
        return self._parts().fingerprint()

    def _parts(self) -> Parts:
        from labelbench_plus.synthesisers._zero123 import Parts

        return Parts(self.model, self.weights, self.folder)
