"""The form of a submission's files, as models that check it and as a published JSON schema."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from labelbench_plus.answers import FLOATS, KINDS
from labelbench_plus.faults import worded
from labelbench_plus.submission.findings import Finding

RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Kind = Annotated[str, Field(pattern=rf"^({'|'.join(name for name, kind in KINDS.items() if kind.named)})$")]
Dtype = Annotated[str, Field(pattern=rf"^({'|'.join(FLOATS)})$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Code(_Strict):
    """A state of the code: a commit, and the hash of what was changed since; nulls for what is not known."""

    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None
    dirty: str | None


class Planned(_Strict):
    """What the suite as it was written would have run: labels as tables show them. What is missing is reported."""

    problems: Annotated[list[Text], Field(min_length=1)]
    trainers: Annotated[list[Text], Field(min_length=1)]
    strategies: Annotated[list[Text], Field(min_length=1)]
    seeds: Annotated[list[Count], Field(min_length=1)]


class Submission(_Strict):
    """submission.json: who vouches for the runs beside it, and what a reader must know of them.

    Format 2 says what was planned; format 1 came before that.
    """

    format: Literal[1, 2]
    who: Text = Field(description="Who submits: a person or a group")
    contact: Annotated[str, Field(pattern=r"^(\S+@\S+\.\S+|https?://\S+)$", max_length=200)] = Field(
        description="A mail address or a web address where questions are answered"
    )
    what: Text = Field(description="What was run and why, in a sentence or two")
    suites: Annotated[list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]], Field(min_length=1)] = Field(
        description="The suites that the runs belong to"
    )
    baseline: Text = Field(description="The strategy whose problems and seeds every other one must have")
    code: Annotated[list[Code], Field(min_length=1)] = Field(description="The states of the code that made the runs")
    differences: list[Text] = Field(description="What differs from the benchmark as it is published; empty if nothing")
    planned: Planned | None = Field(
        default=None, description="What was to be run; without it, nothing is known of that"
    )

    @model_validator(mode="after")
    def _says_what_was_planned(self) -> Submission:
        if (self.format >= 2) != (self.planned is not None):
            raise PydanticCustomError("planned", "format 2 says what was planned, format 1 does not")
        return self


class RoundPurchase(_Strict):
    """What a round bought. `counts`: labels got from each source, where items are sources. `asked`: what generated
    items were. `kind`, `dtype`, `shape`: of answers that do not show it themselves. A null is no answer."""

    __qualname__ = "Purchase"  # what the published schema calls it
    model_config = ConfigDict(title="Purchase")

    items: list[Count] | list[list[FiniteFloat]]
    prices: list[Money]
    answers: list[Any]
    counts: list[Count] | None = None
    asked: list[str] | None = None
    kind: Kind | None = None
    dtype: Dtype | None = None
    shape: dict[Literal["items", "answers"], list[Count]] | None = None


class Round(_Strict):
    """What a round decided, and the hash of the round before it (the run's id for the first)."""

    round: Count
    previous: Annotated[str, Field(pattern=r"^([0-9a-f]{16}|[0-9a-f]{64})$")]
    purchase: RoundPurchase
    spent: FiniteFloat
    scores: dict[str, FiniteFloat] = Field(min_length=1)
    details: Sha256 | None = Field(default=None, description="Hash of what its evaluation said beyond scores")


class Result(_Strict):
    """The run in sum; `head` is the hash of its last round."""

    run: RunId
    identity: dict[str, Any]
    rounds: Count
    labels: list[Count]
    spent: list[FiniteFloat]
    scores: dict[str, list[FiniteFloat]]
    head: Sha256


class Config(BaseModel):
    """The resolved spec. What plugins take is checked by building them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    protocol: Count
    problem: dict[str, Any]
    trainer: dict[str, Any]
    strategy: dict[str, Any]
    initial: dict[str, Any] | None
    amounts: list[Money] = Field(min_length=1)
    seed: Count
    proxy: dict[str, Any] | None = Field(default=None, description="The trainer under which the labels were chosen")


class Selection(_Strict):
    """Which run chose the labels of a run with a proxy; `head` is the hash of its last round."""

    run: RunId
    head: Sha256


class Manifest(BaseModel):
    """Where a run comes from. Whatever else a machine says of itself may stand there."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    run: RunId
    identity: dict[str, Any]
    code: Code
    packages: dict[str, str]
    plugins: dict[str, str]
    validation_labels: Count = 0
    beside: dict[str, Count] | None = Field(
        default=None, description="Used beside the budget, where it is more than validation labels"
    )
    selection: Selection | None = None


class RunLine(_Strict):
    """One line of runs.jsonl.gz."""

    run: RunId
    config: Config
    manifest: Manifest
    rounds: list[Round] = Field(min_length=1)
    costs: list[dict[str, FiniteFloat | None]]
    result: Result
    details: list[dict[str, Any] | None] | None = Field(
        default=None, description="For each round what its evaluation said beyond scores; null where that is left out"
    )


def json_schema() -> bytes:
    """The published schema: submission.json, and under `$defs` a line of runs.jsonl.gz (`RunLine`)."""
    schema = Submission.model_json_schema(ref_template="#/$defs/{model}")
    line = RunLine.model_json_schema(ref_template="#/$defs/{model}")
    shared = {**schema.pop("$defs"), **line.pop("$defs"), "RunLine": line}
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": shared}
    return (json.dumps(schema, indent=1, sort_keys=True) + "\n").encode()


def misfits(model: type[BaseModel], value: Any, file: str, run: str = "") -> list[Finding]:
    """In which fields a value does not have the form of a model."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [
            Finding(
                file,
                worded({**fault, "input": ()}),
                run,
                ".".join(str(part) for part in fault["loc"]),
                actual="" if isinstance(fault["input"], dict | list) else _brief(fault["input"]),
            )
            for fault in error.errors(include_url=False)[:20]
        ]
    return []


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
