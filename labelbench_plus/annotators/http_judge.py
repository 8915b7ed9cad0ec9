"""A language model behind an OpenAI-compatible endpoint, which is paid by the token."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.util
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from labelbench_plus.annotators import Asked, Wanted, annotators
from labelbench_plus.answering.class_names import one, several
from labelbench_plus.answering.judging import Asking, PaidAnnotator, Reply
from labelbench_plus.answering.questions import spoken
from labelbench_plus.answering.rubric import Rubric
from labelbench_plus.answers import PREFERENCE, SCORE, TEXT, AnswerKind
from labelbench_plus.plugins import Infra, Outside

if TYPE_CHECKING:
    from labelbench_plus.answering.chat import Endpoint, Spoken

MESSAGE_TOKENS = 64
"""More than any chat template puts around a request's messages."""
SLACK_SECONDS = 60.0
KINDS: Mapping[Wanted, AnswerKind] = {"answer": TEXT, "labels": TEXT, "score": SCORE, "pair": PREFERENCE}
VERDICTS: Mapping[Wanted, str] = {
    "answer": r"(?s)\A\s*(.+?)\s*\Z",
    "labels": r"(?m)Labels:[ \t]*(.*?)[ \t]*$",
    "score": r"Score:\s*([-+]?\d+(?:\.\d+)?)",
    "pair": r"(?i)Verdict:\s*(A|B|tie)\b",
}
PREFERS = {"a": -1, "b": 1, "tie": 0}


@annotators.register("http_judge")
@dataclass(frozen=True)
class HttpJudge(PaidAnnotator):
    """A language model that answers or judges, asked over HTTP by the protocol of OpenAI's chat endpoint.

    Each answer costs money, once: it is kept, and given to every run that asks the same. It is asked at temperature 0.
    A reply without a verdict is billed, counted, and an answer of nothing. Of two responses the one that is shown first
    is drawn by a hash of the question, as judges prefer a place.

    Parameters
    ----------
    url: what stands before `/chat/completions`, e.g. https://api.openai.com/v1 or http://localhost:8000/v1.
    model: as the endpoint calls it.
    rubric: a text file with the places {prompt} and {response}, or {prompt}, {a} and {b}, or {prompt} alone. What
        stands before a line `---` is the system's message.
    label: what is asked for: the score of a response, the better of a pair, the answer to a prompt, or all "labels"
        that are true of it.
    verdict: a regular expression whose first group is the verdict; its last match in a reply counts. A number for
        scores; A, B or tie for pairs; a class's name where there are classes; names with commas between for labels, or
        none. If empty: "Score: 4", "Verdict: A", "Labels: cat, dog", "Labels: none", and all of an answer.
    max_tokens: that a reply may have.
    tokens_field: what the endpoint calls that limit.
    both_orders: show each pair a second time, the other way round; where the two verdicts differ, it is a tie.
    price_in, price_out: money for a million tokens sent and received.
    max_money: that may ever be paid for the answers in one folder.
    concurrency: how many requests are made at a time.
    timeout: seconds that a request may take.
    tries: how often a question is put before the run fails, where the endpoint is busy, broken or slow.
    pause: seconds before the second try; twice as many before each after it.
    image_tokens: that an image is billed as at most, by the endpoint's own rules; needed where items are images.
    key_from: the environment variable that the key is in; null where none is needed.
    """

    title = "A language model as judge"
    in_labels = frozenset({"model", "rubric", "label"})

    url: Annotated[str, Outside("the network")]
    model: Annotated[str, Outside("the network")]
    rubric: Annotated[Path, Infra(), Outside("files")]
    price_in: Annotated[NonNegativeFloat, Infra()]
    price_out: Annotated[NonNegativeFloat, Infra()]
    label: Literal["answer", "labels", "score", "pair"] = "score"
    verdict: str = ""
    max_tokens: PositiveInt = 256
    tokens_field: Annotated[Literal["max_tokens", "max_completion_tokens"], Infra()] = "max_tokens"
    both_orders: bool = False
    max_money: Annotated[PositiveFloat | None, Infra()] = None
    concurrency: Annotated[int, Ge(1), Infra()] = 4
    timeout: Annotated[float, Gt(0), Infra()] = 60.0
    tries: Annotated[int, Ge(1), Infra()] = 5
    pause: Annotated[float, Gt(0), Infra()] = 1.0
    image_tokens: Annotated[PositiveInt | None, Infra()] = None
    key_from: Annotated[str | None, Infra(), Outside("files")] = None

    def __post_init__(self) -> None:
        if not re.match(r"https?://", self.url) or "@" in self.url:
            raise ValueError("url: expected http:// or https:// and no password in it; a key is named by key_from")
        if self.both_orders and self.label != "pair":
            raise ValueError("both_orders: only pairs have an order; label: pair")
        try:
            groups = re.compile(self.verdict).groups
        except re.error as error:
            raise ValueError(f"verdict: no regular expression: {error}") from error
        if self.verdict and not groups:
            raise ValueError("verdict: expected a group around the verdict, e.g. 'Score: ([0-5])'")

    @classmethod
    def example(cls) -> Mapping[str, Any] | None:
        return None  # there is no endpoint that everybody has

    @property
    def takes_money(self) -> bool:  # type: ignore[override]
        return self.price_in > 0 or self.price_out > 0

    @property
    def kinds(self) -> Mapping[Wanted, AnswerKind]:  # type: ignore[override]
        return {self.label: KINDS[self.label]}

    def fingerprint(self) -> str:
        self._rubric  # noqa: B018 one that is none is refused where the suite is read
        return hashlib.sha256(self.rubric.read_bytes()).hexdigest()

    def check_ready(self) -> None:
        if importlib.util.find_spec("httpx") is None:
            raise ValueError("annotator 'http_judge' needs httpx: pip install 'labelbench-plus[judge]'")
        if self.key_from and not os.environ.get(self.key_from):
            raise ValueError(f"annotator 'http_judge': the environment variable {self.key_from} is not set: key_from")
        self._rubric  # noqa: B018 it is read

    def money(self, question: Asked) -> float:
        return (1 + self.both_orders) * max(self._most(question, swapped) for swapped in (False, True))

    def seconds(self) -> float:
        from labelbench_plus.answering.chat import LONGEST_PAUSE

        return (1 + self.both_orders) * self.tries * (self.timeout + LONGEST_PAUSE) + SLACK_SECONDS

    def disclosed(self, question: Asked) -> str:
        who = f"with the key in ${self.key_from}" if self.key_from else "without a key"
        body = json.dumps(self._body(question, False), ensure_ascii=False)
        body = re.sub("(base64,[A-Za-z0-9+/]{20})[A-Za-z0-9+/=]*", r"\1…", body)
        return (
            f"{self.model} at {self.url} is asked and paid, {who}. Each request holds the rubric and one question, and "
            f"nothing else of the data; the first one:\n{body}"
        )

    def put(self, question: Asked, asking: Asking) -> Reply:
        swapped = self.label == "pair" and hashlib.sha256(asking.key.encode()).digest()[0] >= 128
        first = self._call(question, swapped, asking)
        said, verdict = [first], self._verdict(question, first, swapped)
        if self.both_orders:
            try:
                said.append(self._call(question, not swapped, asking))
            except Exception:
                asking.wasted(self._billed(question, first, swapped), "the other order of the pair was not judged")
                raise
            verdicts = verdict, self._verdict(question, said[1], not swapped)
            verdict = None if None in verdicts else verdicts[0] if verdicts[0] == verdicts[1] else 0
        orders = (swapped, not swapped)
        counted = [each.tokens for each in said if each.tokens is not None]
        about = {
            "said": [each.raw if each.text is None else each.text for each in said],
            "tokens_in": sum(tokens[0] for tokens in counted),
            "tokens_out": sum(tokens[1] for tokens in counted),
            "estimated": len(counted) < len(said),  # the endpoint did not say what it will bill
            **({"swapped": swapped} if self.label == "pair" else {}),
        }
        money = sum(self._billed(question, each, order) for each, order in zip(said, orders, strict=False))
        return Reply(verdict, money, about)

    @property
    def _rubric(self) -> Rubric:
        return _read(self.rubric, self.label, self.rubric.stat().st_mtime_ns)

    def _body(self, question: Asked, swapped: bool) -> dict[str, Any]:
        values = {"prompt": spoken(question), "classes": ", ".join(question.classes)}
        if self.label == "score":
            values["response"] = question.responses[0]
        elif self.label == "pair":
            values["a"], values["b"] = question.responses[::-1] if swapped else question.responses
        messages = self._rubric.messages(values)
        if question.picture is not None:
            image = f"data:image/png;base64,{base64.b64encode(question.picture.png()).decode()}"
            parts = [
                {"type": "text", "text": messages[-1]["content"]},
                {"type": "image_url", "image_url": {"url": image}},
            ]
            messages[-1]["content"] = parts
        return {"model": self.model, "temperature": 0, self.tokens_field: self.max_tokens, "messages": messages}

    def _call(self, question: Asked, swapped: bool, asking: Asking) -> Spoken:
        """One request, put again for as long as that makes sense."""
        from labelbench_plus.answering.chat import LONGEST_PAUSE, NoReply, Refused, Unanswered

        endpoint = _endpoint(self.url, os.environ.get(self.key_from or "", ""), self.timeout, os.getpid())
        body, why = self._body(question, swapped), ""
        for number in range(self.tries):
            pause = self.pause * 2**number
            try:
                return endpoint.say(body)
            except NoReply as lost:
                why = str(lost)
                if lost.sent:
                    asking.lost(self._most(question, swapped), why)
            except Refused as refused:
                why, pause = str(refused), max(pause, refused.pause)
            if number + 1 < self.tries:
                asking.pause(min(pause, LONGEST_PAUSE))
        raise Unanswered(f"{self.url}: no answer after {self.tries} tries: {why}; answers so far are kept, run again")

    def _verdict(self, question: Asked, said: Spoken, swapped: bool) -> Any:
        """A reply's verdict about the responses in their own order; None if there is none in it."""
        found = [*re.finditer(self.verdict or VERDICTS[self.label], said.text or "")]
        if not found or not (text := found[-1][1]):
            return None
        if question.classes and self.label in ("answer", "labels"):
            with contextlib.suppress(ValueError):
                return (several if question.several else one)(question.classes, text)
            return None
        if self.label == "answer":
            return text if TEXT.is_one(text) else None  # half of a surrogate pair is none
        if self.label == "pair":
            prefers = PREFERS.get(text.strip().lower())
            return None if prefers is None else -prefers if swapped else prefers
        with contextlib.suppress(ValueError):
            return score if math.isfinite(score := float(text)) else None
        return None

    def _most(self, question: Asked, swapped: bool) -> float:
        """Money that one request may cost: a token holds a byte at least."""
        tokens = MESSAGE_TOKENS
        if question.picture is not None:
            if self.image_tokens is None:
                raise ValueError("annotator 'http_judge': say what an image is billed as at most: image_tokens")
            question, tokens = replace(question, picture=None), tokens + self.image_tokens
        messages = self._body(question, swapped)["messages"]
        tokens += sum(len(message["content"].encode()) for message in messages)
        return self._price(tokens, self.max_tokens)

    def _billed(self, question: Asked, said: Spoken, swapped: bool) -> float:
        return self._most(question, swapped) if said.tokens is None else self._price(*said.tokens)

    def _price(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6


@cache
def _read(path: Path, wanted: Wanted, changed: int) -> Rubric:
    return Rubric.read(path, wanted)


@lru_cache(maxsize=8)
def _endpoint(url: str, key: str, timeout: float, pid: int) -> Endpoint:
    """A process keeps its connections; a fork makes its own."""
    from labelbench_plus.answering.chat import Endpoint

    return Endpoint(url, key, timeout)
