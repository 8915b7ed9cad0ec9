"""FMoW as WILDS has it: satellite images of 62 kinds of buildings and land use, by year and region."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from labelbench_plus.datasets import Dataset, LabelledData, _wilds, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.inputs.prompts import FMOW
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference


@datasets.register("fmow")
@dataclass(frozen=True)
class FMoW(Dataset):
    """76,863 training images of 224 x 224 pixels from before 2013; a group is a region of the world.

    As in WILDS, images of the region "Other" are in no group (-1). Files: the folder `fmow_v1.1`, in `$LBP_DATA/fmow`
    or the cache folder. Needs the extra `wilds`.

    Parameters
    ----------
    shift: "id" validates and tests on the years of the training images (as LabelBench does), "ood" on later ones
        (what WILDS ranks by, with the worst region's accuracy).
    root: the folder to read from instead: the one that holds `fmow_v1.1`.

    Source: Christie et al., Functional map of the world, CVPR 2018; Koh et al., WILDS, arXiv 2012.07421 (2021).

    Example
    -------
    dataset: {name: fmow, shift: ood, root: /data/wilds}
    """

    title = "FMoW of WILDS"
    reference = Reference(("Christie", "others"), 2018, "Functional map of the world", venue="CVPR")

    shift: _wilds.Shift = "id"
    root: Annotated[Path | None, Infra(), Outside("files")] = None

    def load(self) -> LabelledData:
        """List the files. Raises what `_wilds.read` raises: the package or the data are missing."""
        return _wilds.read(
            "fmow",
            "FMoW",
            "1.1",
            self.root,
            self.shift,
            files=_files,
            groups=_regions,
            class_names=_class_names,
            templates=FMOW,
        )

    def fingerprint(self) -> str:
        return fingerprint(self)


def _files(found: Any) -> tuple[Path, Sequence[str]]:
    return Path(found.root) / "images", [f"rgb_img_{number}.png" for number in found.full_idxs]


def _regions(found: Any) -> np.ndarray:
    regions = _wilds.metadata(found, "region")
    nowhere = [number for number, name in enumerate(found.metadata_map["region"]) if name == "Other"]
    return np.where(np.isin(regions, nowhere), -1, regions)


def _class_names(found: Any) -> tuple[str, ...]:
    categories = importlib.import_module("wilds.datasets.fmow_dataset").categories
    return tuple(name.replace("_", " ") for name in categories)
