"""VSR: is a sentence about where things are true of a photograph?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from labelbench_plus.datasets import Dataset, LabelledData, datasets
from labelbench_plus.datasets._files import fingerprint, folder_with
from labelbench_plus.datasets._questions import kind_names, split_of
from labelbench_plus.inputs.question_files import read_statements
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference

FILES = ("train.jsonl", "dev.jsonl", "test.jsonl")


@datasets.register("vsr")
@dataclass(frozen=True)
class VSR(Dataset):
    """Two classes: "no" and "yes". Pool, validation and test are the published train, dev and test.

    Files: `SPLIT/train.jsonl`, `dev.jsonl` and `test.jsonl`, and the photographs, which are COCO's, in `images`, in
    `$LBP_DATA/vsr` or the cache folder. Unusable rows are reported by line, and nothing is dropped. Scores
    by relation are details of a run.

    Parameters
    ----------
    split: "random", or "zeroshot", in which no concept of the test set occurs in the pool.
    root: the folder to read from instead.

    Example
    -------
    dataset: {name: vsr, split: random, root: /data/vsr}
    """

    title = "Visual spatial reasoning"
    reference = Reference(("Liu", "Emerson", "Collier"), 2023, "Visual spatial reasoning", venue="TACL")
    mirror_keeps_class = False

    split: Literal["random", "zeroshot"] = "random"
    root: Annotated[Path | None, Infra(), Outside("files")] = None

    def load(self) -> LabelledData:
        """Read the sentences.

        Raises
        ------
        FileNotFoundError
            They are nowhere; the message lists the ways to get them.
        ValueError
            Rows cannot be used; the message lists them by line.
        """
        folder = folder_with(
            "VSR",
            "vsr",
            self.root,
            [*(f"{self.split}/{name}" for name in FILES), "images"],
            [
                "get the splits from https://github.com/cambridgeltl/visual-spatial-reasoning, and the photographs of "
                "COCO 2017 that they name into images"
            ],
        )
        found = []
        for name in FILES:
            path = folder / self.split / name
            found.append(read_statements(path.read_text(encoding="utf-8").splitlines()).rows(path))
        kinds = kind_names([row for rows in found for row in rows])
        pool, validation, test = (
            split_of(rows, folder / "images", part, kinds, shuffle=False)
            for rows, part in zip(found, ("pool", "validation", "test"), strict=True)
        )
        return LabelledData(pool, validation, test, ("no", "yes"), kind_names=kinds)

    def fingerprint(self) -> str:
        return fingerprint(self)
