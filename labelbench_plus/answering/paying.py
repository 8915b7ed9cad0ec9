"""Limits on money that hold over all processes, without a lock.

Whoever wants to ask claims the question first, and the claim says what that may cost at most. Only then is it added up
what was paid and what is claimed: of two that are too much together, the one that claimed later sees the other's claim,
or the payment that it became. So what was paid and may still be is never more than a limit, whoever asks at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from labelbench_plus.answering.claims import Claim, Claims
from labelbench_plus.answering.kept_answers import Kept, KeptAnswers
from labelbench_plus.contracts.annotators import Purse

LOOK_AGAIN_SECONDS = 0.05, 1.0
ROUNDING = 1e-9


class MoneyRefused(Exception):
    """Somebody would have to be paid, and may not be. The message says how much, and what would be right."""


class LimitReached(MoneyRefused):
    """An answer may cost more than is left. It was not asked for.

    Parameters
    ----------
    limit: which one it is: "--pay" or "max_money".
    """

    def __init__(self, why: str, limit: str) -> None:
        super().__init__(why)
        self.limit = limit


@dataclass(frozen=True)
class Limits:
    """How much may be paid.

    Attributes
    ----------
    purse: of the command.
    most: ever, for the answers in one folder, by whomever; None where the annotator sets no limit.
    """

    purse: Purse
    most: float | None = None


class Till:
    """Who is asked, and what is paid, for the answers in a folder.

    Parameters
    ----------
    seconds: that asking one question may take; who asks gives up before.
    """

    def __init__(self, kept: KeptAnswers, claims: Claims, limits: Limits, seconds: float) -> None:
        self._kept, self._claims, self._limits, self._seconds = kept, claims, limits, seconds

    @contextmanager
    def asking(self, key: str, money: float) -> Iterator[Kept | None]:
        """Wait for the right to ask a question; yields its answer instead where somebody has answered meanwhile.

        Parameters
        ----------
        money: that asking may cost at most.

        Raises
        ------
        LimitReached
            That is more than is left.
        """
        for wait in _waits():
            claim = self._claims.take(key, money, self._limits.purse.id, self._seconds)
            if claim is None:  # somebody else asks, and will have answered
                self._kept.refresh()
                if found := self._kept.find([key]):
                    yield found[key][0]
                    return
                time.sleep(wait)
                continue
            try:
                self._claims.clear(claim, self._lost)
                others = [other for other in self._claims.all() if other.path != claim.path]
                self._kept.refresh()  # after the claims: a claim that is gone by now has become a line
                if found := self._kept.find([key]):
                    yield found[key][0]
                    return
                if self._fits(money, others):
                    yield None
                    return
            finally:
                self._claims.release(claim)
            time.sleep(wait)  # what others ask at the moment may turn out cheaper

    def check(self, money: float) -> None:
        """Refuse to go on where so much more may be too much, whatever becomes of what others ask.

        Raises
        ------
        LimitReached
            See `asking`.
        """
        self._fits(money, [])

    def _fits(self, money: float, others: list[Claim]) -> bool:
        purse = self._limits.purse
        fits = True
        for most, whose, name in (
            (purse.most, purse.id, "--pay"),
            (self._limits.most, None, "max_money"),
        ):
            if most is None:
                continue
            claimed = [other for other in others if whose in (None, other.purse)]
            dead = sum(other.money for other in claimed if not other.alive)
            paid = self._kept.spent(whose) + dead
            if paid + money > most * (1 + ROUNDING):
                what = "this command" if whose else "all runs with these answers"
                raise LimitReached(
                    f"the next answer may cost {money:.4g}, and {what} paid {paid:.4g} of at most {most:g}: raise "
                    f"{name}, or buy less; what was answered is kept",
                    name,
                )
            fits = fits and paid - dead + sum(other.money for other in claimed) + money <= most * (1 + ROUNDING)
        return fits

    def _lost(self, claim: Claim) -> None:
        words = "whoever asked ended before the reply was kept"
        self._kept.lose(claim.money, key=claim.key, purse=claim.purse, why=words)


def _waits() -> Iterator[float]:
    """Seconds to wait for: longer and longer, and never two processes in step."""
    least, most = LOOK_AGAIN_SECONDS
    while True:
        yield least * (1 + random.SystemRandom().random())
        least = min(2 * least, most)
