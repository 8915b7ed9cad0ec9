"""iWildCam 2020 as WILDS has it: photographs of camera traps, 182 classes of animals, very unequal in size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from labelbench_plus.datasets import Dataset, LabelledData, _wilds, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.inputs.prompts import IWILDCAM
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference


@datasets.register("iwildcam")
@dataclass(frozen=True)
class IWildCam(Dataset):
    """All 182 classes of WILDS: 129,809 training images; a group is a camera.

    LabelBench keeps classes 0 to 12 and folds the others into a fourteenth, under the names of another list; results
    on it cannot be compared with these, nor with those of WILDS. Classes are named as in the data's `categories.csv`.
    Files: the folder `iwildcam_v2.0`, in `$LBP_DATA/iwildcam` or the cache folder. Needs the extra `wilds`.

    Parameters
    ----------
    shift: "id" validates and tests on other images of the training cameras (as LabelBench does), "ood" on other
        cameras (what WILDS ranks by, with macro F1).
    root: the folder to read from instead: the one that holds `iwildcam_v2.0`.

    Source: Beery, Cole, Gjoka, arXiv 2004.10340 (2020); Koh et al., WILDS, arXiv 2012.07421 (2021).

    Example
    -------
    dataset: {name: iwildcam, shift: ood, root: /data/wilds}
    """

    title = "iWildCam of WILDS"
    reference = Reference(("Beery", "Cole", "Gjoka"), 2020, arxiv="2004.10340")

    shift: _wilds.Shift = "id"
    root: Annotated[Path | None, Infra(), Outside("files")] = None

    def load(self) -> LabelledData:
        """List the files. Raises what `_wilds.read` raises: the package or the data are missing."""
        return _wilds.read(
            "iwildcam",
            "iWildCam",
            "2.0",
            self.root,
            self.shift,
            files=_files,
            groups=lambda found: _wilds.metadata(found, "location"),
            class_names=_class_names,
            templates=IWILDCAM,
        )

    def fingerprint(self) -> str:
        return fingerprint(self)


def _files(found: Any) -> tuple[Path, Sequence[str]]:
    return Path(found.data_dir) / "train", [str(name) for name in found._input_array]


def _class_names(found: Any) -> tuple[str, ...]:
    """Column `name` of categories.csv in the order of column `y`; our reading, from others' code that uses it."""
    import pandas as pd

    table = pd.read_csv(Path(found.data_dir) / "categories.csv")
    names = dict(zip(table["y"], table["name"], strict=True))
    return tuple(str(names[label]) for label in range(found.n_classes))
