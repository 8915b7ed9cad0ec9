"""The photographs of another data set, with views of them from other sides."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np

from labelbench_plus.contracts.capabilities import Capability
from labelbench_plus.contracts.scores import FacetRole
from labelbench_plus.contracts.synthesisers import BOUNDS, KnowsScenes, Photographs, Synthesiser
from labelbench_plus.datasets import Dataset, Inputs, LabelledData, Split, datasets
from labelbench_plus.datasets._view_strips import ViewStrips
from labelbench_plus.features.encoded import load
from labelbench_plus.features.hashing import hash_arrays
from labelbench_plus.inputs.image_files import ImageFiles, is_images
from labelbench_plus.inputs.layouts import Layout, grid, strip
from labelbench_plus.inputs.questions import Questions
from labelbench_plus.plugins import From, Since, describe, label
from labelbench_plus.seeding import Streams

FACET = "views"
CONTROLS = ("repeated", "wrong_scene")
ROLES: Mapping[str, FacetRole] = {
    "none": "reference",
    "control": "control",
    "oracle": "oracle",
    "noisy oracle": "noisy oracle",
    "generator": "generator",
}


@datasets.register("with_views")
@dataclass(frozen=True)
class WithViews(Dataset):
    """Each photograph with synthesised views of it, as one picture.

    Labels, split and everything else are those of the other data set; synthesisers never see a label. Views
    are drawn from what is in the photographs, the same for every run.

    Parameters
    ----------
    dataset: whose photographs: squares of one size, in memory; or questions about photographs in files.
    synthesiser: makes the views.
    angles: azimuths in degrees, the photograph's own being 0.
    layout: "strip" puts the photograph and its views side by side, for the encoder and the network `per_view`; "grid"
        into the quarters of one square of the photograph's size, each with half the resolution.
    side: that photographs in files are brought to: the shorter side, then the centre is cut out. Their views are made
        when they are read.

    Example
    -------
    dataset: {name: with_views, dataset: spatial_scenes, synthesiser: exact}
    """

    title = "With views from other sides"

    dataset: Annotated[Dataset, From("datasets")]
    synthesiser: Annotated[Synthesiser, From("synthesisers")]
    angles: tuple[float, ...] = (-90.0, 90.0)
    layout: Layout = "strip"
    side: Annotated[int | None, Since("0.1")] = None

    def __post_init__(self) -> None:
        if len(set(self.angles)) < len(self.angles) or not self.angles:
            raise ValueError(f"angles: expected different azimuths in degrees, at least one, got {list(self.angles)}")
        if self.synthesiser.needs_scenes and not isinstance(self.dataset, KnowsScenes):
            raise ValueError(
                f"synthesiser {label(self.synthesiser)!r} needs to know what is on a photograph, which data set "
                f"{label(self.dataset)!r} does not say; 'spatial_scenes' does"
            )

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        scenes = {"name": "spatial_scenes", "pool": 60, "validation": 20, "test": 40, "side": 16}
        return {"dataset": scenes, "synthesiser": "exact"}

    @property
    def mirror_keeps_class(self) -> bool:  # type: ignore[override]
        return self.dataset.mirror_keeps_class

    @property
    def provides(self) -> frozenset[str]:  # type: ignore[override]
        return self.dataset.provides

    @property
    def declares(self) -> tuple[Capability, ...]:  # type: ignore[override]
        return self.dataset.declares

    def dataset_name(self) -> str:
        return self.dataset.dataset_name()

    def facets(self) -> dict[str, str]:
        return {**self.dataset.facets(), FACET: label(self.synthesiser)}

    def facet_roles(self) -> dict[str, FacetRole]:
        return {**self.dataset.facet_roles(), FACET: ROLES[self.synthesiser.source]}

    def facet_controls(self) -> dict[str, tuple[str, ...]]:
        claims = self.synthesiser.source not in ("none", "control")
        return {**self.dataset.facet_controls(), **({FACET: CONTROLS} if claims else {})}

    def knows_truth(self) -> bool:
        return self.synthesiser.source in BOUNDS or self.dataset.knows_truth()

    def load(self) -> LabelledData:
        """Read the other data set and have the views made.

        Raises
        ------
        ValueError
            It has no square photographs of one size in memory, nor questions about photographs in files, or the views
            are not of their form.
        FileNotFoundError
            The data, or what the synthesiser is made of, are not on this machine.
        """
        data = load(self.dataset)  # suites wrap one data set many times
        return replace(
            data,
            pool=self._with_views(data.pool, "pool"),
            validation=self._with_views(data.validation, "validation"),
            test=self._with_views(data.test, "test"),
        )

    def _with_views(self, split: Split, part: str) -> Split:
        if isinstance(split.inputs, Questions):
            return replace(split, labels=split.labels.copy(), inputs=split.inputs.with_images(self._asked(split, part)))
        return replace(split, labels=split.labels.copy(), inputs=self._laid(split.inputs, part))

    def _asked(self, split: Split, part: str) -> np.ndarray | ImageFiles:
        """The pictures that questions are about."""
        assert isinstance(split.inputs, Questions)
        images = split.inputs.images
        if isinstance(images, np.ndarray):
            return self._laid(images, part)
        if self.side is None:
            raise ValueError("photographs in files are of any size: say with `side` what squares they are brought to")
        said = f"{json.dumps(describe(self, semantic_only=True), sort_keys=True)}\n{self.synthesiser.fingerprint()}"
        lay = strip if self.layout == "strip" else grid
        return ImageFiles(ViewStrips(images, self.side, part, self.synthesiser, self.angles, lay, said))

    def _laid(self, images: Inputs, part: str) -> np.ndarray:
        """(n, h, w, 3): photographs in memory with their views."""
        if not is_images(images) or images.ndim != 4 or images.shape[1] != images.shape[2]:
            raise ValueError(
                f"views are made of square colour photographs of one size in memory, which data set "
                f"{label(self.dataset)!r} does not have"
            )
        told = isinstance(self.dataset, KnowsScenes) and self.synthesiser.needs_scenes
        scenes = self.dataset.scenes(part) if told and isinstance(self.dataset, KnowsScenes) else None
        streams = Streams(
            int(hash_arrays({part: images})[:15], 16)
        )  # of the photographs: labels leave views as they are
        photographs = Photographs(images, part, scenes, streams)
        views = self.synthesiser.views(photographs, np.arange(len(images)), self.angles)
        count = 0 if self.synthesiser.source == "none" else len(self.angles)
        wanted = (len(images), count, *images.shape[1:])
        if views.shape != wanted or views.dtype != np.uint8:
            raise ValueError(
                f"synthesiser {label(self.synthesiser)!r}: expected views uint8 {wanted}, got {views.dtype} "
                f"{views.shape}"
            )
        squares = np.concatenate([images[:, None], views], axis=1)
        return strip(squares) if self.layout == "strip" else grid(squares)

    def state(self) -> tuple[int, ...]:
        return self.dataset.state()

    def fingerprint(self) -> str:
        """Hash of the other data set and of how views are made: which views come of that, it says itself."""
        said = json.dumps(describe(self, semantic_only=True), sort_keys=True)
        parts = (self.dataset.fingerprint(), self.synthesiser.fingerprint(), said)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
