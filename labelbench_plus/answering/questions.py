"""Questions as plain values: what they are known by, and what people and programs are shown of them."""

from __future__ import annotations

import hashlib
from typing import Any

from labelbench_plus.contracts.annotators import Annotator, Asked
from labelbench_plus.inputs.conversations import turns
from labelbench_plus.plugins import describe
from labelbench_plus.spec import canonical

SHOWN_DIGITS = 12


def identity_of(annotator: Annotator) -> str:
    """Hash of who answers: hyperparameters and what lies behind them, but not where, how fast and at what price."""
    said = {"annotator": describe(annotator, semantic_only=True), "data": annotator.fingerprint()}
    return hashlib.sha256(canonical(said)).hexdigest()


def folder_name(annotator: Annotator) -> str:
    """What an annotator's folder of answers is called."""
    return f"{annotator.name}-{identity_of(annotator)[:SHOWN_DIGITS]}"


def as_json(question: Asked) -> dict[str, Any]:
    """A question as a plain value, without the reference, which nobody who is paid is told."""
    said: dict[str, Any] = {"prompt": spoken(question)}
    if question.responses:
        said["responses"] = list(question.responses)
    if question.classes:
        said["classes"] = list(question.classes)
    if question.several:
        said["several"] = True
    if question.picture is not None:
        said["image"] = question.picture.digest
    return said


def key_of(identity: str, question: Asked) -> str:
    """Under what the answer to a question is kept: the same for all runs, seeds and suites."""
    return hashlib.sha256(canonical({"annotator": identity, "question": as_json(question)})).hexdigest()


def spoken(question: Asked) -> str:
    """A prompt as one text: turns stand one after the other, each with whose it is, where there are several."""
    said = turns(question.prompt)
    return said[0].text if len(said) == 1 else "\n\n".join(f"{turn.role}: {turn.text}" for turn in said)
