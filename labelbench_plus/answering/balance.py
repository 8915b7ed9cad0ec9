"""What is in the folder of answers: how many of whom, what was paid, and what no run holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelbench_plus.answering.claims import Claims
from labelbench_plus.answering.judging import ABOUT, ANSWERS, CLAIMS
from labelbench_plus.answering.kept_answers import KeptAnswers


@dataclass(frozen=True)
class Balance:
    """Of one annotator.

    Attributes
    ----------
    folder: of its answers. about: how a suite describes it.
    answers: that are kept. empty: those of them without an answer in them.
    money: that was paid in all. lost: that part of it for which no reply came.
    asking: questions that are being asked now. dead: those that a process asked which ended before the reply came.
    orphans: answers that none of the runs bought that were looked at, and what they cost; None where no runs were.
    """

    folder: Path
    about: dict[str, Any]
    answers: int
    empty: int
    money: float
    lost: float
    asking: int
    dead: int
    orphans: tuple[int, float] | None


def balances(folder: Path, bought: dict[str, set[str]] | None = None) -> Iterator[Balance]:
    """Of every annotator with answers in a folder.

    Parameters
    ----------
    bought: by the name of an annotator's folder, the keys of what runs bought; without it nobody knows of orphans.
    """
    for path in sorted(folder.glob(f"*/{ABOUT}")):
        home = path.parent
        kept, claims = KeptAnswers(home / ANSWERS), Claims(home / CLAIMS).all()
        every = [*kept.all()]
        loose = None
        if bought is not None and home.name in bought:
            left = [each for each in every if each.key not in bought[home.name]]
            loose = len(left), sum(each.money for each in left)
        alive = sum(claim.alive for claim in claims)
        yield Balance(
            home,
            json.loads(path.read_bytes()),
            len(every),
            sum(each.answer is None for each in every),
            kept.spent(),
            sum(line["money"] for line in kept.lost()),
            alive,
            len(claims) - alive,
            loose,
        )
