"""Trivia questions of the package red-trivia."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from labelbench_plus.faults import did_you_mean
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.prompts import Prompt, prompts
from labelbench_plus.prompts._missing import not_here
from labelbench_plus.prompts._split import Divided, Question

PACKAGE, INSIDE = "redbot", "ext/trivia/lists"
PICTURE = "http"


@prompts.register("trivia")
@dataclass(frozen=True)
class Trivia(Divided):
    """Trivia questions with accepted answers, from the package red-trivia: 8,514 in 28 categories of 55 to 1,003.

    Questions about pictures are left out. The package's files are read; it is never imported. Its licence is the GPL.

    Parameters
    ----------
    pool: how many prompts the pool has, drawn the same way for every run; all that are left if left out.
    test: questions of a category that are held out at most, and no more than a third of them; categories of fewer than
        twelve are left out.
    demonstrations: how many every run gets with their answers, beside the budget.
    validation: how many are for trainers that declare validation labels.
    longest: how many characters a question's reference answer may have; any number if left out.
    categories: names of files ("general"); all if left out.
    folder: where the lists are; that of the package if left out. What counts for a run's identity is their content.
    """

    title = "red-trivia"

    categories: tuple[str, ...] = ()
    folder: Annotated[Path | None, Infra(), Outside("files")] = None

    @classmethod
    def example(cls) -> None:  # the package is not on every machine
        return None

    def questions(self) -> Iterator[Question]:
        files = {file.stem: file for file in sorted(self._folder().glob("*.yaml"))}
        if missing := sorted(set(self.categories) - {*files}):
            hint = did_you_mean(missing[0], files)
            raise ValueError(f"trivia has no category {', '.join(missing)}; it has {', '.join(files)}{hint}")
        for category, file in files.items():
            if not self.categories or category in self.categories:
                for asked, accepted in _lists(file).items():
                    if PICTURE not in asked:
                        yield Question(Prompt(asked, category), tuple(accepted))

    def _folder(self) -> Path:
        if self.folder is not None:
            folder = self.folder.expanduser()
            why = f"there is no .yaml file in {folder}"
        else:
            spec = find_spec(PACKAGE)
            places = spec.submodule_search_locations if spec is not None else None
            folder = Path(next(iter(places or ["."]))) / INSIDE
            why = "the package red-trivia is not installed"
        if (self.folder is not None or places) and next(folder.glob("*.yaml"), None) is not None:
            return folder
        raise not_here(
            "red-trivia's questions",
            why,
            "pip install 'labelbench-plus[trivia]'",
            "unpack the package's source and name the folder with its lists: folder: FOLDER",
        )


def _lists(file: Path) -> dict[str, list[str]]:
    """Answers by question. Everything in a list is text: "No", "1999" and "on" are answers."""
    from ruamel.yaml import YAML

    content = YAML(typ="base").load(file.read_text(encoding="utf-8"))
    return {asked: accepted for asked, accepted in content.items() if isinstance(accepted, list)}
