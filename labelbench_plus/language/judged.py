"""What was judged, as it is written into a ledger and read from it again: texts, never numbers of candidates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_plus.answers import PREFERENCE_PROBABILITY, AnswerKind
from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.contracts.annotators import Asked
from labelbench_plus.inputs.conversations import Conversation, Turn


@dataclass(frozen=True)
class Judged:
    """A judgement that somebody gave.

    Attributes
    ----------
    prompt: that was answered.
    responses: one, or two that were compared.
    verdict: the score of one. Of two, from -1 to 1: above zero where the second is better, zero for a tie.
    """

    prompt: Conversation
    responses: tuple[str, ...]
    verdict: float

    @property
    def asked(self) -> Asked:
        """The question, without what the data say."""
        return Asked(self.prompt, None, self.responses)


def written(asked: Asked) -> str:
    """A question as canonical JSON, for `Purchase.asked`."""
    said = asked.prompt if isinstance(asked.prompt, str) else [[turn.role, turn.text] for turn in asked.prompt]
    record = {"prompt": said, "responses": list(asked.responses)}
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read(text: str) -> Asked:
    """The question that `written` wrote."""
    record = json.loads(text)
    said = record["prompt"]
    prompt = said if isinstance(said, str) else tuple(Turn(role, text) for role, text in said)
    return Asked(prompt, None, tuple(record["responses"]))


def questions(ledger: Ledger) -> list[Asked]:
    """All that was asked, in the order of purchase, whoever drew it."""
    return [read(text) for purchase in ledger.purchases for text in purchase.asked or ()]


def judged(purchases: Sequence[Purchase]) -> tuple[Judged, ...]:
    """What was answered, in the order of purchase."""
    return tuple(
        verdict
        for purchase in purchases
        for verdict in verdicts(
            [read(text) for text in purchase.asked or ()], purchase.answers, purchase.kind, purchase.with_answer
        )
    )


def verdicts(
    asked: Sequence[Asked], answers: np.ndarray, kind: AnswerKind | None, answered: np.ndarray | None = None
) -> list[Judged]:
    """Judgements from an annotator's answers (n,) of a kind, without those that are none."""
    values = answers.astype(np.float64)
    if kind is PREFERENCE_PROBABILITY:
        values = 1 - 2 * values  # said is how probable it is that the first is better
    there = np.ones(len(asked), dtype=bool) if answered is None else answered
    return [
        Judged(question.prompt, question.responses, float(value))
        for question, value, said in zip(asked, values, there, strict=True)
        if said
    ]
