"""A suite: the product of runs that one YAML file describes, and errors that point into that file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    NonNegativeFloat,
    PositiveFloat,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic.functional_validators import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from labelbench_plus.contracts.problems import Problem
from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.contracts.trainers import Trainer
from labelbench_plus.faults import did_you_mean, told
from labelbench_plus.inputs.plain_yaml import YAMLRefused, load_yaml, place
from labelbench_plus.plugins import BUILT_IN, STRANGERS, From, Plugin, Strangers, describe, label, registry, with_parts
from labelbench_plus.shipped import by_name, unknown
from labelbench_plus.spec import RunSpec, canonical, hidden_needs, incompatibilities

TITLED = ("problems", "trainers")
LONGEST_TITLE = 100
PLUGIN_FIELDS = ("problems", "trainers", "proxy", "strategies", "initial")
MAX_ERRORS = 20
MAX_RUNS = 100_000
MAX_ROUNDS = 100_000
MAX_AMOUNT = 1e15  # beyond it whole units are no longer distinguishable
MAX_SEED = 2**63 - 1  # tables hold seeds in 64 bits

LISTS = ("problems", "trainers", "strategies")
SEEDS = re.compile(r"\s*\d+\s*(\.\.\s*\d+\s*)?(,\s*\d+\s*(\.\.\s*\d+\s*)?)*")
SUITE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")

Seed = Annotated[int, Field(ge=0, le=MAX_SEED, strict=True)]


class SuiteError(Exception):
    """A suite file cannot be used. The message has one line per fault: file, line, column, field, remedy."""


def _seeds(value: Any) -> Any:
    """Read `0..4` (both ends included) and `0, 1, 5..9` as the lists they stand for."""
    if isinstance(value, int) and not isinstance(value, bool):
        many = f", or 0..{value - 1}" if value > 0 else ""
        raise PydanticCustomError("seeds", "one seed or that many? Write [{n}]{many}", {"n": value, "many": many})
    if isinstance(value, str) and SEEDS.fullmatch(value):
        ends = [[int(end) for end in part.split("..")] for part in value.split(",")]
        if any(first > last for first, last in ((part[0], part[-1]) for part in ends)):
            raise PydanticCustomError("seeds", "the range is empty: write the smaller seed first")
        if sum(part[-1] - part[0] + 1 for part in ends) > MAX_RUNS:
            raise PydanticCustomError("seeds", "more than {most} seeds", {"most": MAX_RUNS})
        return [seed for part in ends for seed in range(part[0], part[-1] + 1)]
    if not isinstance(value, list):
        raise PydanticCustomError("seeds", "expected seeds: 0..4, or 0,1,2, or a list")
    return value


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    seen: dict[bytes, int] = {}
    for index, value in enumerate(values):
        said = canonical(
            describe(value) if isinstance(value, Plugin) else value
        )  # hyperparameters need not be hashable
        if (first := seen.setdefault(said, index)) != index:
            what = {"value": label(value) if isinstance(value, Plugin) else value, "first": first, "entry": index}
            raise PydanticCustomError("duplicate", "{value} is there already, as entry {first}", what)
    return values


def _name(value: Any) -> Any:
    if isinstance(value, str) and not SUITE_NAME.fullmatch(value):
        raise PydanticCustomError("name", "expected a name made of a-z, 0-9, '_', '.' and '-', e.g. my_suite")
    return value


def _taken_off(entry: Any, where: tuple[str, int], told: list[tuple[str, int, str]]) -> Any:
    """An entry without its `title`, which is added to `told`."""
    if not isinstance(entry, Mapping) or "title" not in entry:
        return entry
    title = entry["title"]
    if not isinstance(title, str) or not 0 < len(title.strip()) <= LONGEST_TITLE or len(title.splitlines()) > 1:
        what = {"where": f"{where[0]}.{where[1]}.title", "most": LONGEST_TITLE}
        raise PydanticCustomError("title", "{where}: expected a line of at most {most} letters, for people", what)
    told.append((*where, title.strip()))
    return {name: value for name, value in entry.items() if name != "title"}


class Budget(BaseModel):
    """What each round may spend: `first`, then `batch` in each of the remaining `rounds` - 1.

    With a `growth` other than 1, each round gets that many times the previous one's amount, in whole units. One round
    needs no `batch`; a method that buys nothing has `first: 0` and one round.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    first: NonNegativeFloat
    batch: NonNegativeFloat | None = None
    rounds: Annotated[int, Field(gt=0, le=MAX_ROUNDS)]
    growth: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _later_rounds_buy(self) -> Budget:
        if self.rounds > 1 and not self.batch:
            what = {"rounds": self.rounds, "batch": "no batch" if self.batch is None else "a batch of 0"}
            raise PydanticCustomError(
                "batch", "{rounds} rounds with {batch}: name what each round after the first may spend", what
            )
        grows = (self.rounds - 1) * math.log(self.growth) + math.log(self.batch or 1)
        if self.growth != 1 and grows > math.log(MAX_AMOUNT):
            raise PydanticCustomError(
                "growth", "the last round would spend more than {most}", {"most": f"{MAX_AMOUNT:g}"}
            )
        return self

    def amounts(self) -> tuple[float, ...]:
        if self.batch is None:
            return (float(self.first),)
        later = range(self.rounds - 1)
        if self.growth == 1:
            return (float(self.first), *[float(self.batch) for _ in later])
        return (float(self.first), *[float(max(round(self.batch * self.growth**number), 1)) for number in later])


DISTINCT = AfterValidator(_distinct)


class Isolation(BaseModel):
    """How strategies are kept from hidden labels: they choose in a process that never receives one.

    Written as `isolate: process`, or with all of it: `isolate: {kind: process, seconds: 600}`.

    Attributes
    ----------
    kind: "process" refuses to start where that process cannot be confined, "best_effort" continues and says so.
    seconds: how long a choice may take before its process is ended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    kind: Literal["process", "best_effort"]
    seconds: PositiveFloat = 3600.0

    @model_validator(mode="before")
    @classmethod
    def _in_a_word(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


Reporting = Callable[[Isolation | None], AbstractContextManager[Strangers | None]]
"""Makes who answers for third-party plugins while a suite is read; told how the suite isolates them."""


class Nobody:
    """Answers for no stranger: where strategies are isolated, only those of this package are known."""

    def foreign(self, kind: str, name: str) -> bool:
        entry = registry(kind).entries().get(name)
        return kind == "strategies" and entry is not None and entry.origin != BUILT_IN

    def report(self, kind: str, value: Mapping[str, Any]) -> Plugin:
        what = (
            f"'{value['name']}' is third-party and the suite isolates it: use `labelbench_plus.load_suite` to read it"
        )
        raise PydanticCustomError("plugin", "{what}", {"what": what})


class Suite(BaseModel):
    """A product of runs: problems × trainers × strategies × seeds, all on one budget and one first round.

    `suite`, `title` (of the suite, and of each problem and trainer) and `baseline` say how results are shown, `launch`
    how jobs are started (settings by launcher name, for `lbp sweep`), `isolate: process` that strategies choose in a
    process which never receives a hidden label (`isolation.cell`); everything else is part of the runs' identity.

    With a `proxy`, labels are chosen under that trainer, once for all `trainers`, and these are trained on them
    (`RunSpec.proxy`). Where the proxy is one of the `trainers` too, its runs are those that choose.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    suite: Annotated[str, BeforeValidator(_name)]
    title: str = ""
    problems: Annotated[tuple[Annotated[Problem, From("problems")], ...], Field(min_length=1), DISTINCT]
    trainers: Annotated[tuple[Annotated[Trainer, From("trainers")], ...], Field(min_length=1), DISTINCT]
    proxy: Annotated[Trainer, From("trainers")] | None = None
    strategies: Annotated[tuple[Annotated[Strategy, From("strategies")], ...], Field(min_length=1), DISTINCT]
    initial: Annotated[Strategy, From("strategies")] | None = Field(
        default_factory=lambda: registry("strategies").build("random")
    )
    budget: Budget
    seeds: Annotated[tuple[Seed, ...], BeforeValidator(_seeds), Field(min_length=1), DISTINCT]
    baseline: str = "random"
    launch: dict[str, dict[str, Any]] = Field(default_factory=dict)
    isolate: Isolation | None = None
    _titles: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _without_titles(cls, data: Any, handler: ModelWrapValidatorHandler[Suite]) -> Suite:
        """What a suite calls its problems and trainers is taken off before these are made: it is no part of them."""
        told: list[tuple[str, int, str]] = []
        if isinstance(data, Mapping):
            data = dict(data)
            for field in TITLED:
                if isinstance(data.get(field), list):
                    data[field] = [_taken_off(entry, (field, i), told) for i, entry in enumerate(data[field])]
        suite = handler(data)
        suite._titles = {label(getattr(suite, field)[i]): title for field, i, title in told}
        return suite

    @property
    def titles(self) -> dict[str, str]:
        """What it calls its problems and trainers, by label: those that it titles."""
        return dict(self._titles)

    @model_validator(mode="after")
    def _fits_together(self) -> Suite:
        if len({problem.primary_metric() for problem in self.problems}) > 1:
            raise PydanticCustomError("metrics", "the problems of one suite must rank by the same metric, listed first")
        if "baseline" in self.model_fields_set and self.baseline not in map(label, self.strategies):
            known = [*map(label, self.strategies)]
            what = {"name": self.baseline, "known": ", ".join(known), "hint": did_you_mean(self.baseline, known)}
            raise PydanticCustomError("baseline", "baseline '{name}' is none of the strategies{hint} ({known})", what)
        return self

    def primary_metric(self) -> tuple[str, bool]:
        """The name of the score that ranks, and whether more of it is better."""
        return self.problems[0].primary_metric()

    def runs(self) -> list[RunSpec]:
        """Every run of the product, in a fixed order: seeds run slowest, so that all strategies progress together."""
        return self._runs(self.seeds)

    def settings(self) -> list[RunSpec]:
        """The runs of the first seed."""
        return self._runs(self.seeds[:1])

    def __len__(self) -> int:
        """How many runs the product has."""
        return len(self.problems) * len(self.trainers) * len(self.strategies) * len(self.seeds)

    def _runs(self, seeds: Sequence[int]) -> list[RunSpec]:
        amounts = self.budget.amounts()
        return [
            RunSpec(
                problem, trainer, strategy, self.initial, amounts, seed, self.proxy if self.proxy != trainer else None
            )
            for problem, trainer, seed, strategy in product(self.problems, self.trainers, seeds, self.strategies)
        ]


@dataclass(frozen=True)
class Source:
    """A suite as written: plain data, and the position of each value in the file."""

    name: str
    data: Any
    marks: Any
    overridden: tuple[tuple[str | int, ...], ...]

    def place(self, path: Sequence[str | int]) -> str:
        """`file:line:column` of the value at `path`, or of the deepest ancestor that is there."""
        for changed in self.overridden:
            if tuple(path[: len(changed)]) == changed:
                return f"override {'.'.join(map(str, changed))}"
        return f"{self.name}:{place(self.marks, path)}"


def load_suite(
    path: Path | str,
    overrides: Sequence[str] = (),
    reporting: Reporting = lambda terms: nullcontext(None if terms is None else Nobody()),
    absent: list[str] | None = None,
    *,
    as_read: bool = False,
) -> Suite:
    """Read, override and validate a suite, and check that every run of it can be made.

    Parameters
    ----------
    path: a YAML 1.2 file, or the name of a shipped suite.
    overrides: `dotted.path=value` with the value in YAML, e.g. `budget.rounds=5` or `strategies=[random, margin]`;
        list entries are addressed by number.
    reporting: by default, third-party plugins are not reported; `isolation.suites.load_suite` supplies it.
    absent: if given, data and weights missing on this machine are not faults: what is missing and how to get it is
        added here, one text per source. The runs then have no ids yet.
    as_read: skip that check, so that neither data nor weights are needed.

    Raises
    ------
    SuiteError
        All faults, up to twenty at once.
    """
    source = _read(path, overrides)
    try:
        with reporting(_terms(source.data.get("isolate"))) as strangers:
            suite = Suite.model_validate(source.data, context={STRANGERS: strangers})
    except ValidationError as error:
        raise SuiteError("\n".join(_report(source, error))) from error
    if not as_read and (faults := list(_impossible(suite, source, absent))):
        raise SuiteError("\n".join(faults))
    return suite


def _terms(said: Any) -> Isolation | None:
    """How strangers are kept apart while a suite is read: strictly, where it is not clear how."""
    try:
        return None if said is None else Isolation.model_validate(said)
    except ValidationError:
        return Isolation(kind="process")


def _impossible(suite: Suite, source: Source, absent: list[str] | None) -> Iterator[str]:
    if len(suite) > MAX_RUNS:
        yield f"{source.place(())}: the product has {len(suite):,} runs, more than {MAX_RUNS:,}: split the suite"
        return
    reasons: dict[str, None] = {}
    hashed: set[tuple[int, int]] = set()  # problems and trainers: no hash depends on the strategy
    for run in suite.settings():  # no reason depends on the seed
        where = f"problem {run.problem.name!r}"
        try:
            found = [*incompatibilities(run), *(_not_isolated(run) if suite.isolate else ())]
            pair = id(run.problem), id(run.trainer)
            if not found and pair not in hashed:
                hashed.add(pair)
                where = f"problem {run.problem.name!r} with trainer {run.trainer.name!r}"
                if absent is not None and (lacking := _lacking(run)):
                    absent += lacking
                else:
                    run.identity  # noqa: B018 asks for the data's hash and the first weights'
        except (ValueError, ImportError, OSError) as error:
            found = [f"{where}: {error}"]
            if absent is not None and not isinstance(error, ValueError):
                found = []
                absent.append(str(error))
        reasons.update(dict.fromkeys(found))
    if absent is not None:
        absent[:] = dict.fromkeys(absent)  # a source of several problems is told once
    for reason in reasons:
        yield f"{source.name}: {reason}"


def _lacking(run: RunSpec) -> list[str]:
    """What of a run's data and weights is not on this machine: all that is not, where `identity` tells of one."""
    found = []
    for plugin in (run.problem, run.trainer, run.proxy):
        for part in with_parts(plugin) if plugin is not None else ():
            if part is run.problem or (fingerprint := getattr(part, "fingerprint", None)) is None:
                continue
            try:
                fingerprint()
            except (ImportError, OSError) as error:
                found.append(str(error))
    return found


def _not_isolated(run: RunSpec) -> Iterator[str]:
    for chooser in dict.fromkeys((run.chooser(0), run.strategy)):
        if told := hidden_needs(chooser, run.problem):
            yield f"strategy {chooser.name!r} needs {', '.join(told)} and cannot be isolated; remove `isolate`"


def _read(said: Path | str, overrides: Sequence[str]) -> Source:
    path = by_name("suites", said)
    try:
        data, marks = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SuiteError(f"{path}: {unknown('suites', path)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}: cannot be read: {error}") from error
    except YAMLRefused as error:
        raise SuiteError(f"{path}{error.place}: {error}") from error
    if not isinstance(data, dict):
        raise SuiteError(f"{path}:1:1: expected a mapping with the fields {', '.join(Suite.model_fields)}")
    for field in LISTS:
        if field in data:
            data[field] = _listed(data[field])
    paths = tuple(_override(data, override) for override in overrides)
    return Source(str(path), data, marks, paths)


def _listed(value: Any) -> Any:
    """`random, margin` as the list it stands for: names have no commas in them."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


def _override(data: Any, override: str) -> tuple[str | int, ...]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise SuiteError(f"override {override!r}: expected dotted.path=value, e.g. budget.rounds=5")
    parts = tuple(int(part) if part.isdigit() else part for part in key.split("."))
    try:
        value, _ = load_yaml(text)
    except YAMLRefused as error:
        raise SuiteError(f"override {override!r}: {text!r}: {error}") from error
    node = data
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        where = ".".join(map(str, parts[: depth + 1]))
        if isinstance(node, list):
            if not isinstance(part, int) or part >= len(node):
                raise SuiteError(f"override {override!r}: {where}: the list has entries 0 to {len(node) - 1}")
            if not last and isinstance(node[part], str) and parts[0] in PLUGIN_FIELDS:
                node[part] = {"name": node[part]}  # a bare plugin name can be given hyperparameters
        elif isinstance(node, dict):
            if not last and isinstance(node.get(part), str) and parts[0] in PLUGIN_FIELDS:
                node[part] = {"name": node[part]}
            if not last and part not in node:
                raise SuiteError(f"override {override!r}: {where}: no such field{_close(str(part), node)}")
        else:
            raise SuiteError(f"override {override!r}: {where}: its parent is a single value, not a mapping or list")
        if last:
            node[part] = _listed(value) if parts[0] in LISTS and not depth else value
        else:
            node = node[part]
    return parts


def _report(source: Source, error: ValidationError) -> list[str]:
    lines = []
    for path, message in told(error, source.data):
        if message.startswith("unknown field"):
            fields = Budget.model_fields if path[0] == "budget" else Suite.model_fields
            message = f"unknown field{_close(str(path[-1]), fields)}"
        lines.append(f"{source.place(path)}: {'.'.join(map(str, path)) or 'suite'}: {message}")
    if len(lines) > MAX_ERRORS:
        lines[MAX_ERRORS:] = [f"... and {len(lines) - MAX_ERRORS} more"]
    return lines


def _close(name: str, known: Iterable[str]) -> str:
    return f"{did_you_mean(name, known)} (allowed: {', '.join(known)})"
