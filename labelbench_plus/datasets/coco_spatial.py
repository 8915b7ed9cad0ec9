"""COCO-spatial: which of two captions says where things are on a photograph?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt, Lt

from labelbench_plus.datasets import Dataset, LabelledData, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.datasets._spatial_triples import spatial_triples
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference

FILES = ("coco_qa_one_obj.json", "coco_qa_two_obj.json")


@datasets.register("coco_spatial")
@dataclass(frozen=True)
class COCOSpatial(Dataset):
    """A right and a wrong caption, in random order: the class is the position of the right one.

    The photographs are COCO's. There are no published parts: they are divided at random, the same way for every run.
    Files: the JSON lists `coco_qa_one_obj.json` and `coco_qa_two_obj.json`, and the folder `val2017`, in
    `$LBP_DATA/coco_spatial` or the cache folder. Unusable rows are reported by number.

    Parameters
    ----------
    validation_share, test_share: of the photographs.
    root: the folder to read from instead.

    Example
    -------
    dataset: {name: coco_spatial, root: /data/whatsup}
    """

    title = "COCO-spatial"
    reference = Reference(("Kamath", "Hessel", "Chang"), 2023, "What's up with vision-language models?", venue="EMNLP")
    mirror_keeps_class = False

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
        shares = (self.validation_share, self.test_share)
        return spatial_triples("COCO-spatial", self.name, self.root, FILES, "val2017", _file, shares)

    def fingerprint(self) -> str:
        return fingerprint(self)


def _file(image: Any) -> str:
    return f"{int(image):012d}.jpg"
