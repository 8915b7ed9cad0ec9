"""What'sUp: which of four captions says where one object is from another?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from labelbench_plus.datasets import Dataset, LabelledData, datasets
from labelbench_plus.datasets._files import fingerprint, folder_with
from labelbench_plus.datasets._questions import POSITIONS, divided, kind_names, pairs_of, split_of
from labelbench_plus.inputs.question_files import Row, read_captions
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference

FILE = {"A": "controlled_images_dataset.json", "B": "controlled_clevr_dataset.json"}


@datasets.register("whats_up")
@dataclass(frozen=True)
class WhatsUp(Dataset):
    """Four captions a photograph, of which the right one is first on disk and anywhere here: the class is its place.

    Four photographs of the same two objects share their captions. They come into one part, and are two groups: the pair
    in which things are left and right, and the other. `pair_accuracy` and `set_accuracy` ask for both, and for all
    four. There are no published parts: photographs are divided at random, the same way for every run.

    Files: the JSON lists `controlled_images_dataset.json` (A) and `controlled_clevr_dataset.json` (B), and the
    photographs they name, in `$LBP_DATA/whats_up` or the cache folder. Unusable rows are reported by number.

    Parameters
    ----------
    subset: A (beside, on and under furniture) or B (a table from above).
    validation_share, test_share: of the sets of four.
    root: the folder to read from instead.

    Example
    -------
    dataset: {name: whats_up, subset: B, root: /data/whatsup}
    """

    title = "What'sUp"
    reference = Reference(("Kamath", "Hessel", "Chang"), 2023, "What's up with vision-language models?", venue="EMNLP")
    mirror_keeps_class = False

    subset: Literal["A", "B"] = "A"
    validation_share: Annotated[float, Ge(0), Lt(1)] = 0.0
    test_share: Annotated[float, Gt(0), Lt(1)] = 0.5
    root: Annotated[Path | None, Infra(), Outside("files")] = None

    def load(self) -> LabelledData:
        """Read the captions.

        Raises
        ------
        FileNotFoundError
            They are nowhere; the message lists the ways to get them.
        ValueError
            Rows cannot be used; the message lists them by number.
        """
        folder = folder_with(
            "What'sUp",
            "whats_up",
            self.root,
            [FILE[self.subset]],
            ["get the data that https://github.com/amitakamath/whatsup_vlms points to"],
            below=("data",),
        )
        path = folder / FILE[self.subset]
        rows = [replace(row, image=row.image.removeprefix("data/")) for row in _rows(path)]
        kinds = kind_names(rows)
        parts = divided(rows, [tuple(sorted(row.options)) for row in rows], (self.validation_share, self.test_share))
        pool, validation, test = (
            replace(split_of(some, folder, f"whats_up {part}", kinds), groups=pairs_of(some))
            for some, part in zip(parts, ("pool", "validation", "test"), strict=True)
        )
        return LabelledData(pool, validation, test, POSITIONS, kind_names=kinds)

    def fingerprint(self) -> str:
        return fingerprint(self)


def _rows(path: Path) -> list[Row]:
    try:
        return read_captions(path.read_bytes()).rows(path)
    except ValueError as error:
        raise ValueError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
