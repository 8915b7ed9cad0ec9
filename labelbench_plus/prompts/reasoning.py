"""Generated problems of the package reasoning-gym."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, MinLen

from labelbench_plus.faults import did_you_mean
from labelbench_plus.prompts import Prompt, prompts
from labelbench_plus.prompts._missing import not_here
from labelbench_plus.prompts._split import Divided, Question


@prompts.register("reasoning")
@dataclass(frozen=True)
class Reasoning(Divided):
    """Problems that the package reasoning-gym generates, with their solutions: a task for each family.

    A problem that a family generates twice counts once. Right is what equals the solution, as of every source: families
    that many solutions solve (puzzles) are scored too low.

    Parameters
    ----------
    families: their names in the package ("chain_sum", "word_sorting").
    each: how many problems are generated of each.
    seed: of the generator.
    pool, test, demonstrations, validation, longest: how the problems are divided; see `trivia`.
    """

    title = "reasoning-gym"

    families: Annotated[tuple[str, ...], MinLen(1)] = (
        *("basic_arithmetic", "chain_sum", "count_bits", "fraction_simplification", "gcd", "lcm"),
        *("letter_counting", "number_sorting", "prime_factorization", "word_sorting"),
    )
    each: Annotated[int, Ge(1)] = 100
    seed: Annotated[int, Ge(0)] = 0

    @classmethod
    def example(cls) -> None:  # the package is not on every machine
        return None

    def questions(self) -> Iterator[Question]:
        package = _package()
        known = importlib.import_module(f"{package.__name__}.factory").DATASETS
        if unknown := sorted(set(self.families) - {*known}):
            hint = did_you_mean(unknown[0], known)
            there = ", ".join(sorted(known))
            raise ValueError(f"reasoning-gym has no family {', '.join(unknown)}; it has {there}{hint}")
        for family in dict.fromkeys(self.families):
            found: dict[str, str] = {}
            for entry in package.create_dataset(family, size=self.each, seed=self.seed):
                if not isinstance(entry["answer"], str):
                    raise ValueError(f"reasoning-gym's family {family!r} comes without solutions, so none can be sold")
                found.setdefault(entry["question"], entry["answer"])
            yield from (Question(Prompt(asked, family), (answer,)) for asked, answer in found.items())


def _package() -> Any:
    try:
        return importlib.import_module("reasoning_gym")
    except ModuleNotFoundError as error:
        raise not_here(
            "reasoning-gym's problems",
            f"the package {error.name} is not installed",
            "pip install 'labelbench-plus[reasoning]'",
            "write problems to a file with the package where it is installed, and use the source json_lines",
        ) from error
