"""What a run is: its resolved description, and the id that is the hash of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from labelbench_plus.contracts.capabilities import offered_by_problem, offered_by_trainer
from labelbench_plus.contracts.problems import Problem
from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.contracts.trainers import Trainer
from labelbench_plus.plugins import Plugin, Strangers, describe, is_built_in, label, registry, with_parts

VALIDATION = "validation"
"""The line beside the budget that every board has."""
BESIDE = "beside_"
"""The prefix of the other lines' columns in tables of learning curves."""
LINE = re.compile("[A-Za-z][A-Za-z0-9 -]*")
IMAGES_ADVICE = "choose a network that reads features, and augment: noise or augment: null"

PROTOCOL = 1
"""Version of the loop. Raised when the same spec would give other rounds; part of every run's identity."""


@dataclass(frozen=True)
class RunSpec:
    """One run: a problem, a strategy, a trainer, a schedule and a seed.

    Attributes
    ----------
    initial: the strategy of the first round, the same for all competitors; None leaves it to `strategy`.
    amounts: what each round may spend.
    proxy: the trainer under which the labels were chosen, if it is another one (selection via proxy, Coleman et al.,
        2020): each round has the purchases of the run that differs only in `trainer=proxy`, and `trainer` is trained on
        them and scored. None: labels are chosen under `trainer`.
    """

    problem: Problem
    trainer: Trainer
    strategy: Strategy
    initial: Strategy | None
    amounts: tuple[float, ...]
    seed: int
    proxy: Trainer | None = None

    def chooser(self, round_number: int) -> Strategy:
        """The strategy that chooses in a round."""
        return self.initial if round_number == 0 and self.initial is not None else self.strategy

    @property
    def selection(self) -> RunSpec:
        """The run that chooses the labels: this one, unless it has a proxy."""
        return self if self.proxy is None else replace(self, trainer=self.proxy, proxy=None)

    @property
    def trainer_label(self) -> str:
        """What tables call the trainer. Results with a proxy share no table with those without."""
        chosen = f", labels chosen by {label(self.proxy)}" if self.proxy is not None else ""
        return label(self.trainer) + chosen

    @property
    def validation_labels(self) -> int:
        """How many validation labels are used beside the budget, in choosing or in training."""
        reads = self.trainer.uses_validation or (self.proxy is not None and self.proxy.uses_validation)
        return self.problem.validation_labels() if reads else 0

    @property
    def beside(self) -> dict[str, int]:
        """What is used beside the budget, by name: validation labels, if any are, and what its plugins say.

        Raises
        ------
        ValueError
            Two plugins use one name for different things, or a line is not a name with a whole number.
        """
        lines: dict[str, int] = {VALIDATION: self.validation_labels} if self.validation_labels else {}
        mine = _lines((self.problem, self.trainer))
        theirs = _lines((self.proxy,)) if self.proxy is not None else {}
        for name in sorted(mine.keys() & theirs.keys()):  # both trainers may use the same, once
            if mine[name] != theirs[name]:
                raise ValueError(f"trainer and proxy use {mine[name]} and {theirs[name]} of {name!r} beside the budget")
        return lines | mine | theirs

    def as_json(self, *, semantic_only: bool = False) -> dict[str, Any]:
        """Every field resolved, defaults included; `from_json` builds an equal spec from it.

        With `semantic_only`, what merely says where things are is left out. A run without a proxy omits the field, as
        all did before there were proxies.
        """

        def described(plugin: Any) -> dict[str, Any] | None:
            return describe(plugin, semantic_only=semantic_only) if plugin is not None else None

        return {
            "protocol": PROTOCOL,
            "problem": described(self.problem),
            "trainer": described(self.trainer),
            "strategy": described(self.strategy),
            "initial": described(self.initial),
            "amounts": list(self.amounts),
            "seed": self.seed,
            **({"proxy": described(self.proxy)} if self.proxy is not None else {}),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any], strangers: Strangers | None = None) -> RunSpec:
        """Build a spec from `as_json`.

        Parameters
        ----------
        strangers: who answers for plugins that may not be imported here; None if all may.

        Raises
        ------
        ValueError
            Written under another protocol version, or by plugins that are not installed in that version.
        """
        if record["protocol"] != PROTOCOL:
            raise ValueError(f"the run follows protocol {record['protocol']}; this version follows {PROTOCOL}")
        initial, proxy = record["initial"], record.get("proxy")
        return cls(
            problem=registry("problems").build(record["problem"], strangers),
            trainer=registry("trainers").build(record["trainer"], strangers),
            strategy=registry("strategies").build(record["strategy"], strangers),
            initial=registry("strategies").build(initial, strangers) if initial is not None else None,
            amounts=tuple(map(float, record["amounts"])),
            seed=record["seed"],
            proxy=registry("trainers").build(proxy, strangers) if proxy is not None else None,
        )

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What `id` hashes: the semantic description, and the fingerprints of data and initial weights."""
        weights = [trainer.fingerprint() for trainer in (self.trainer, self.proxy) if trainer is not None]
        return {
            **self.as_json(semantic_only=True),
            "data": self.problem.fingerprint(),
            **({"weights": weights} if any(weights) else {}),
        }

    @cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits that name this run wherever it is computed."""
        return hashlib.sha256(canonical(self.identity)).hexdigest()[:16]

    def __str__(self) -> str:
        parts = (label(self.problem), self.trainer_label, label(self.strategy), f"seed {self.seed}")
        return " · ".join(parts)


def _lines(plugins: Iterable[Plugin]) -> dict[str, int]:
    """What plugins and those in their fields use beside the budget; two that are equal use the same, once."""
    lines: dict[str, int] = {}
    seen: list[Plugin] = []
    for plugin in plugins:
        for part in with_parts(plugin):
            if not (said := part.beside()) or part in seen:
                continue
            seen.append(part)
            for name, count in said.items():
                if not isinstance(name, str) or not LINE.fullmatch(name) or name == VALIDATION:
                    raise ValueError(
                        f"{part.name!r} declares a line beside the budget {name!r}: expected letters and spaces"
                    )
                if not isinstance(count, int) or isinstance(count, bool) or count < 0:
                    raise ValueError(
                        f"{part.name!r} uses {count!r} of {name!r} beside the budget: expected a whole number"
                    )
                if name in lines:
                    raise ValueError(f"{part.name!r} and another plugin both use {name!r} beside the budget")
                if count:
                    lines[name] = count
    return lines


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def incompatibilities(spec: RunSpec) -> list[str]:
    """Why a run cannot work, before any work: one sentence per reason, none if it can."""
    if spec.proxy is not None:
        if spec.proxy == spec.trainer:
            return [f"trainer {spec.trainer.name!r} is its own proxy: leave the proxy out"]
        found = [*_misfit(spec.trainer, spec.problem), *incompatibilities(spec.selection), *_contradictions(spec)]
        return list(dict.fromkeys(found))
    problem, trainer = spec.problem, spec.trainer
    reasons = _misfit(trainer, problem)
    if spec.strategy.uses_hidden_labels:
        reasons.append(f"strategy {spec.strategy.name!r} uses hidden labels, so it can only be named in 'initial'")
    if (initial := spec.initial) is not None and initial.uses_hidden_labels and not is_built_in(initial):
        reasons.append(f"strategy {initial.name!r} uses hidden labels: only those that come with the package may")
    first, later = spec.chooser(0), spec.strategy if len(spec.amounts) > 1 else None
    for chooser, has_model in ((first, False), (later, True)):
        if chooser is None:
            continue
        if chooser.query != problem.query:
            reasons.append(
                f"strategy {chooser.name!r} asks for {chooser.query}, problem {problem.name!r} sells {problem.query}"
            )
            continue
        reasons += _unmet(chooser, problem, trainer if has_model else None)
    reasons += _contradictions(spec)
    if not reasons and (total := sum(spec.amounts)) > problem.capacity():
        reasons.append(f"the budget of {total:g} is more than the whole pool's price of {problem.capacity():g}")
    return list(dict.fromkeys(reasons))


def _contradictions(spec: RunSpec) -> list[str]:
    """What plugins say of what they use beside the budget that cannot stand on one board."""
    try:
        spec.beside  # noqa: B018 it is read by every board
    except ValueError as error:
        return [str(error)]
    return []


def hidden_needs(strategy: Strategy, problem: Problem) -> list[str]:
    """What a problem would show a strategy without its being bought.

    Strategies that need any are bounds, never isolated or ranked.
    """
    ours = offered_by_problem(problem)
    return sorted(name for name in strategy.needs if name in ours and ours[name].hidden)


def _unmet(chooser: Strategy, problem: Problem, trainer: Trainer | None) -> list[str]:
    """Which of a strategy's needs nothing offers, or two things do; in a round without a model there is no trainer."""
    ours, theirs = offered_by_problem(problem), offered_by_trainer(trainer) if trainer is not None else {}
    offers = f"problem {problem.name!r} offers {_listed([name for name in ours if not ours[name].hidden])}"
    reasons = []
    if missing := chooser.needs - {*ours, *theirs}:
        needed = f"strategy {chooser.name!r} needs {_listed(missing)}"
        if trainer is not None:
            reasons.append(f"{needed}; {offers}, trainer {trainer.name!r} offers {_listed(theirs)}")
        else:
            advice = "no model exists in the first round; name a strategy for it in 'initial'"
            reasons.append(f"{needed}; {advice} ({offers})")
    if trainer is not None and (twice := (chooser.needs & {*ours} & {*theirs}) - problem.precedence):
        reasons.append(
            f"strategy {chooser.name!r} needs {_listed(twice)}, which both problem {problem.name!r} and trainer "
            f"{trainer.name!r} offer: the problem's `precedence` must say that its own are meant"
        )
    if (told := hidden_needs(chooser, problem)) and not (chooser.knows_truth and is_built_in(chooser)):
        reasons.append(
            f"strategy {chooser.name!r} needs {_listed(told)}, which were not bought: only bounds that come with the "
            "package may (`knows_truth`)"
        )
    return reasons


def _misfit(trainer: Trainer, problem: Problem) -> list[str]:
    if trainer.task != problem.task:
        return [f"trainer {trainer.name!r} solves {trainer.task}, but problem {problem.name!r} is {problem.task}"]
    if missing := trainer.needs and trainer.needs - problem.raw_inputs():
        return [
            f"trainer {trainer.name!r} reads or augments {_listed(missing)}, which problem {problem.name!r} does not "
            f"have; {IMAGES_ADVICE if 'images' in missing else f'it has {_listed(problem.raw_inputs())}'}"
        ]
    if (remedy := trainer.mirroring()) and not problem.mirror_keeps_class():
        return [
            f"trainer {trainer.name!r} mirrors images, which changes their class in problem {problem.name!r} on "
            f"{problem.dataset_name()}: write {remedy}"
        ]
    if trainer.uses_validation and not problem.validation_labels():
        return [f"trainer {trainer.name!r} reads validation labels, of which problem {problem.name!r} has none"]
    return []


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "nothing"
