"""Claims on questions: of all processes that want an answer, one asks for it.

A claim is a file, `KEY.0001.json`, made in one step, which fails if it exists. It says who asks, what that may cost at
most, and after how many seconds at the latest it is over. Claim n + 1 on a question may be made once claim n is dead:
its process is gone, where that can be seen from here, else its seconds have passed by the file server's clock. Claims
are taken away once the answer is kept, so whoever gets one looks again whether there is an answer.

A claim that died stands for money that may have been paid; who takes over notes it as lost and takes the dead one away.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelbench_plus.store import holder
from labelbench_plus.store.atomic import file_server_time, publish

NAME = re.compile(r"([0-9a-f]{64})\.(\d{4})\.json")


@dataclass(frozen=True)
class Claim:
    """A claim that somebody has made, by its file.

    Attributes
    ----------
    money: that it may cost at most.
    alive: whether whoever made it may still be asking.
    """

    path: Path
    key: str
    number: int
    money: float
    purse: str
    alive: bool


class Claims:
    """The claims in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, key: str, money: float, purse: str, seconds: float) -> Claim | None:
        """Claim a question, unless somebody alive has.

        Parameters
        ----------
        money: that it may cost at most. purse: out of which it is paid.
        seconds: after which it is over in any case: who claims must have given up by then.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        others = [claim for claim in self.all() if claim.key == key]
        if any(claim.alive for claim in others):
            return None
        number = max((claim.number for claim in others), default=0) + 1
        path = self._folder / f"{key}.{number:04d}.json"
        record = {**holder.identity(), "money": money, "purse": purse, "seconds": seconds, "token": uuid.uuid4().hex}
        if not publish(path, json.dumps(record).encode()):
            return None
        return Claim(path, key, number, money, purse, True)

    def all(self) -> list[Claim]:
        """Every claim there is, dead ones included."""
        try:
            names = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return []
        found = []
        for name in names:
            if (match := NAME.fullmatch(name)) is None:
                continue
            path = self._folder / name
            with contextlib.suppress(FileNotFoundError):  # it was taken away just now
                record = json.loads(path.read_bytes())
                claim = Claim(
                    path, match[1], int(match[2]), record["money"], record["purse"], self._alive(path, record)
                )
                found.append(claim)
        return found

    def clear(self, mine: Claim, lost: Callable[[Claim], None]) -> None:
        """Take away the dead claims on a question that is mine now, each after it was noted as lost."""
        for claim in self.all():
            if claim.key == mine.key and claim.number < mine.number:
                lost(claim)
                claim.path.unlink(missing_ok=True)

    def release(self, claim: Claim) -> None:
        """Take my claim away."""
        with contextlib.suppress(OSError):  # it then ends with its seconds
            claim.path.unlink()

    def _alive(self, path: Path, record: dict[str, Any]) -> bool:
        lives = holder.lives(record)
        if lives is not None:
            return lives
        return file_server_time(self._folder) - path.stat().st_mtime < record["seconds"]
