"""Annotators that answer one question at a time, for money: from the store where the answer is, else by asking."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from labelbench_plus.answering.claims import Claims
from labelbench_plus.answering.kept_answers import KeptAnswers
from labelbench_plus.answering.paying import ROUNDING, LimitReached, Limits, MoneyRefused, Till
from labelbench_plus.answering.questions import as_json, folder_name, identity_of, key_of
from labelbench_plus.contracts.annotators import Annotator, Asked, Desk, Purse
from labelbench_plus.oracle import MoneyPending
from labelbench_plus.plugins import describe
from labelbench_plus.shown import say
from labelbench_plus.store.atomic import publish

ANSWERS, CLAIMS, ABOUT = "answers", "claims", "about.json"


@dataclass(frozen=True)
class Reply:
    """What somebody who is paid says to a question.

    Attributes
    ----------
    answer: a plain value of the kind that was asked for; None where there is none in what was said.
    money: that it cost.
    about: what else is to be kept: what was said, word by word, and what it is the price of.
    """

    answer: Any
    money: float
    about: Mapping[str, Any] = field(default_factory=dict)


class Stopped(Exception):
    """The run is being stopped, or another question failed: no use to wait and ask again."""


class Asking:
    """One question that is being asked.

    Parameters
    ----------
    key: of the question.
    money: that asking it once may cost at most.
    """

    def __init__(self, key: str, money: float, kept: KeptAnswers, till: Till, stopping: threading.Event) -> None:
        self.key, self.paid = key, 0.0
        self._money, self._kept, self._till, self._stopping = money, kept, till, stopping

    def lost(self, money: float, why: str) -> None:
        """Note a request whose reply was lost, and which may be billed all the same, before asking again.

        Raises
        ------
        LimitReached
            There is not enough left to ask again.
        """
        self.wasted(money, why)
        self._till.check(self._money)

    def wasted(self, money: float, why: str) -> None:
        """Note what was paid for, and is of no use: nobody asks again."""
        self._kept.lose(money, key=self.key, why=why)
        self.paid += money

    def pause(self, seconds: float) -> None:
        """Wait before asking again.

        Raises
        ------
        Stopped
            Somebody stops the run meanwhile.
        """
        if self._stopping.wait(seconds):
            raise Stopped("stopped while waiting to ask again")


class PaidAnnotator(Annotator):
    """Base of annotators who are asked one question at a time, and paid for each.

    Answers are kept before they are used. Of all processes one asks a question, over all runs; limits on money count
    what is being asked at the moment at its worst. Where one is reached, a run waits for more (`MoneyPending`).

    Attributes
    ----------
    concurrency: how many questions are asked at a time.
    max_money: that may ever be paid for the answers in one folder.
    """

    paid: ClassVar[bool] = True
    takes_money: ClassVar[bool] = True
    concurrency: int
    max_money: float | None

    def put(self, question: Asked, asking: Asking) -> Reply:
        """Ask one question. Called by several threads at a time.

        Raises
        ------
        Exception
            There will be no answer: the run fails, and says so.
        """
        raise NotImplementedError

    def seconds(self) -> float:
        """How long `put` may take: it gives up before."""
        raise NotImplementedError

    def ask(self, questions: Sequence[Asked], desk: Desk | None) -> list[Any]:
        if desk is None:
            raise MoneyRefused(f"annotator {self.name!r} is paid, and nobody may be asked here")
        folder, purse = desk.folder / folder_name(self), desk.purse or NOTHING
        kept, identity = answers_in(folder / ANSWERS, purse.id), identity_of(self)
        keys = [key_of(identity, question) for question in questions]
        found = kept.find(set(keys))
        missing = {key: question for key, question in zip(keys, questions, strict=True) if key not in found}
        asked = _Batch(self, folder, purse, kept)
        if missing:
            asked.carry_out(missing)
            found |= kept.find(missing)
        answers = [found[key][0].answer for key in keys]
        desk.notes["from_store"] = float(sum(key not in asked.answered for key in keys))
        desk.notes["money"] = asked.money
        desk.notes["unparsed"] = float(sum(answer is None for answer in answers))
        return answers


class _Batch:
    """Questions that nobody answered yet, asked several at a time."""

    def __init__(self, annotator: PaidAnnotator, folder: Path, purse: Purse, kept: KeptAnswers) -> None:
        self._annotator, self._folder, self._purse, self._kept = annotator, folder, purse, kept
        self._stopping, self._count = threading.Event(), threading.Lock()
        limits = Limits(purse, annotator.max_money)
        self._till = Till(kept, Claims(folder / CLAIMS), limits, annotator.seconds())
        self.answered, self.money = set[str](), 0.0

    def carry_out(self, missing: Mapping[str, Asked]) -> None:
        prices = [self._annotator.money(question) for question in missing.values()]
        if max(prices) > 0 and self._purse is NOTHING:
            raise MoneyRefused(
                f"annotator {self._annotator.name!r} is paid: {len(missing)} answers are not in {self._folder} and may "
                f"cost up to {sum(prices):.4g}: say what may be paid, --pay MAX"
            )
        if min(prices) > self._purse.most:  # not one of them can be paid: nobody is asked, nor has to be ready for it
            raise MoneyPending(len(prices), sum(prices), "--pay")
        self._annotator.check_ready()
        self._introduce(next(iter(missing.values())))
        with ThreadPoolExecutor(self._annotator.concurrency) as crew:
            waiting = [crew.submit(self._one, key, question) for key, question in missing.items()]
            try:
                wait(waiting, return_when=FIRST_EXCEPTION)
            finally:  # however it ends, what is under way is waited for and kept
                for future in waiting:
                    future.cancel()
                if any(map(_failed, waiting)) or not all(future.done() for future in waiting):
                    self._stopping.set()
        errors = [error for future in waiting if (error := _failed(future)) is not None]
        for error in sorted(errors, key=lambda error: (isinstance(error, Stopped), isinstance(error, LimitReached))):
            if not isinstance(error, LimitReached):
                raise error
            found = self._kept.find(missing)
            left = [self._annotator.money(question) for key, question in missing.items() if key not in found]
            raise MoneyPending(len(left), sum(left), error.limit) from error

    def _one(self, key: str, question: Asked) -> None:
        money = self._annotator.money(question)
        with self._till.asking(key, money) as answer:
            if answer is not None or self._stopping.is_set():
                return
            asking = Asking(key, money, self._kept, self._till, self._stopping)
            try:
                reply = self._annotator.put(question, asking)
                self._kept.add(key, reply.answer, reply.money, question=as_json(question), **reply.about)
            finally:
                with self._count:
                    self.money += asking.paid
            with self._count:
                self.money += reply.money
                self.answered.add(key)
            if reply.money > money * (1 + ROUNDING):
                raise MoneyRefused(
                    f"an answer cost {reply.money:.4g}, more than the {money:.4g} that it could cost by what annotator "
                    f"{self._annotator.name!r} declares: correct its prices and limits; what was answered is kept"
                )

    def _introduce(self, example: Asked) -> None:
        """Say who is asked what, once a command, before anything is paid; and write down whose answers these are."""
        self._folder.mkdir(parents=True, exist_ok=True)
        about = describe(self._annotator, semantic_only=True)
        publish(self._folder / ABOUT, json.dumps(about, indent=1).encode())
        if publish(self._folder / f"told-{self._purse.id or 'free'}", b""):
            say(self._annotator.disclosed(example), flush=True)


def _failed(future: Future[None]) -> BaseException | None:
    return future.exception() if future.done() and not future.cancelled() else None


def answers_in(folder: Path, purse: str) -> KeptAnswers:
    """The answers in a folder, as this process knows them, with what was added since."""
    kept = _opened(folder.absolute(), purse)
    kept.refresh()
    return kept


@lru_cache(maxsize=8)
def _opened(folder: Path, purse: str) -> KeptAnswers:
    return KeptAnswers(folder, purse)


NOTHING = Purse("", 0.0)
"""Of a command that may pay nothing."""
