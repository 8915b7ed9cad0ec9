"""What runs wait for: as recorded for an attempt, and in words, several runs per line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from labelbench_plus.oracle import AnswersPending, MoneyPending
from labelbench_plus.shown import counted


def noted(pending: AnswersPending) -> dict[str, Any]:
    """What a waiting attempt records besides its words."""
    money = {"money": pending.money, "limit": pending.limit} if isinstance(pending, MoneyPending) else {}
    return {"answers": pending.count, **money}


def lacks_money(last: Mapping[str, Any]) -> bool:
    """Whether an attempt ended because answers cost more than may be paid."""
    return "limit" in last


def in_words(waiting: Iterable[tuple[str, Mapping[str, Any]]]) -> list[tuple[str, str]]:
    """One line for all runs that wait for people's answers, and one per limit for those that wait for money.

    Each comes with the limit that is reached, which is empty where people are waited for.

    Parameters
    ----------
    waiting: of each run the words, and what was `noted`.
    """
    every = list(waiting)
    people = Counter(words for words, noted in every if not lacks_money(noted))
    lines = [(f"{_runs(number)} {words}", "") for words, number in people.items()]
    for limit in sorted({noted["limit"] for _, noted in every if lacks_money(noted)}):
        alike = [noted for _, noted in every if noted.get("limit") == limit]
        count, money = (sum(noted[name] for noted in alike) for name in ("answers", "money"))
        lines.append((f"{_runs(len(alike))} {MoneyPending(count, money, limit)}", limit))
    return lines


def _runs(count: int) -> str:
    return f"{counted(count, 'run')} {'is' if count == 1 else 'are'}"
