"""The questions of the game `quiz`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.prompts import Prompt, prompts
from labelbench_plus.prompts._missing import not_here
from labelbench_plus.prompts._quiz_grammar import rows, texts
from labelbench_plus.prompts._split import Divided, Question

USUAL = Path("/usr/share/games/bsdgames/quiz")

TASKS: dict[str, tuple[str, int, int, str]] = {
    "capitals of Africa": ("africa", 0, 1, "What is the capital of {}?"),
    "capitals of America": ("america", 0, 1, "What is the capital of {}?"),
    "capitals of Asia": ("asia", 0, 1, "What is the capital of {}?"),
    "capitals of Europe": ("europe", 0, 1, "What is the capital of {}?"),
    "capitals of provinces": ("province", 0, 1, "What is the capital of the Canadian province {}?"),
    "capitals of Middle-earth": ("midearth", 0, 1, "What is the capital of {} in Middle-earth?"),
    "capitals of states": ("state", 0, 1, "What is the capital of the state of {}?"),
    "abbreviations of states": ("state", 0, 2, "What is the abbreviation of the state of {}?"),
    "flowers of states": ("state", 0, 3, "What is the flower of the state of {}?"),
    "area codes": ("areas", 0, 1, "Where in North America is the telephone area code {}?"),
    "arithmetic": ("arith", 0, 1, "Fill in the missing number: {}"),
    "multiplication": ("mult", 0, 1, "What is {}?"),
    "easy sequences": ("seq-easy", 0, 1, "Which number comes next: {}?"),
    "names of easy sequences": ("seq-easy", 0, 2, "What are these numbers called: {}?"),
    "hard sequences": ("seq-hard", 0, 1, "Which number comes next: {}?"),
    "young animals": ("babies", 0, 1, "A {} is a young what?"),
    "collectives": ("collectives", 0, 1, "What is a group of {} called?"),
    "females": ("sexes", 0, 1, "What is the female of: {}?"),
    "opposites": ("posneg", 0, 1, "What is the opposite of: {}?"),
    "symbols of elements": ("elements", 0, 3, "Which chemical element has the symbol {}?"),
    "numbers of elements": ("elements", 3, 1, "What is the atomic number of {}?"),
    "Latin": ("latin", 0, 1, "Translate from Latin: {}"),
    "Morse code": ("morse", 0, 1, "What is {} in Morse code?"),
    "terms of presidents": ("pres", 0, 1, "When was {} president of the United States?"),
    "vice presidents": ("pres", 0, 2, "Who was vice president of the United States under {}?"),
    "centuries of sovereigns": ("sov", 0, 1, "In which century did {} of England reign?"),
    "successors of sovereigns": ("sov", 0, 2, "Who followed {} as sovereign of England?"),
    "Incas": ("inca", 0, 1, "Which Inca followed {}?"),
    "years of the Chinese zodiac": ("chinese", 0, 1, "In the Chinese zodiac, which year follows that of the {}?"),
    "Shakespeare's next lines": ("bard", 0, 1, "Which line of Shakespeare follows: {}"),
    "Shakespeare's characters": ("bard", 0, 3, "Which character of Shakespeare says: {}"),
    "next lines of poems": ("poetry", 0, 1, "Which line of the poem follows: {}"),
    "authors of poems": ("poetry", 0, 3, "Who wrote the line: {}"),
    "murderers": ("murders", 0, 1, "Who killed {}?"),
    "meanings of flowers": ("flowers", 0, 1, "What does it mean to give: {}?"),
    "locomotives": ("locomotive", 0, 1, "What is a locomotive with wheels {} called?"),
    "Star Trek": ("trek", 0, 1, "In Star Trek, what is the {}?"),
    "the editor ed": ("ed", 0, 1, "With which command does the editor ed do this: {}"),
    "commercial code": ("ucc", 0, 1, "What is section {} of the Uniform Commercial Code about?"),
}
"""Task: file, column that is asked about, column that answers, template."""


@prompts.register("quiz")
@dataclass(frozen=True)
class Quiz(Divided):
    """Short factual questions with accepted answers, from the BSD game quiz: 1,986 in 39 tasks of 10 to 155.

    They come with Debian's and Ubuntu's package `bsdgames`. A task is a pair of columns of one of its files. A question
    that comes twice in a task accepts the answers of both.

    Parameters
    ----------
    pool, test, demonstrations, validation, longest: how the questions are divided; see `trivia`.
    folder: where the files are; that of the package if left out. What counts for a run's identity is their content.
    """

    title = "quiz (BSD games)"

    folder: Annotated[Path | None, Infra(), Outside("files")] = None

    @classmethod
    def example(cls) -> None:  # the files are not on every machine
        return None

    def questions(self) -> list[Question]:
        folder = USUAL if self.folder is None else self.folder.expanduser()
        found: list[Question] = []
        for task, (file, asked, answered, template) in TASKS.items():
            answers: dict[str, dict[str, None]] = {}
            for columns in _rows(folder / file):
                if len(columns) > max(asked, answered) and columns[asked].strip() and columns[answered].strip():
                    about = texts(columns[asked])[0]
                    answers.setdefault(about, {}).update(dict.fromkeys(texts(columns[answered])))
            found += [
                Question(Prompt(template.format(about), task), tuple(accepted)) for about, accepted in answers.items()
            ]
        return found


def _rows(file: Path) -> list[list[str]]:
    try:
        return list(rows(file.read_text(encoding="latin-1")))
    except FileNotFoundError as error:
        raise not_here(
            "the questions of the game quiz",
            f"there is no {file}",
            "Debian, Ubuntu: apt-get install bsdgames",
            "unpack that package, or the game's source, and name the folder with its files: folder: FOLDER",
        ) from error
