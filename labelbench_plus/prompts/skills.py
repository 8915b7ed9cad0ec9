"""A dozen skills that a tiny model learns by heart, some of them rare: prompts with known answers, made in code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.plugins import Since
from labelbench_plus.prompts import Prompt, PromptData, PromptSource, TestItem, prompts
from labelbench_plus.seeding import Streams

MADE_FROM = 0
"""The seed of what is made: the same prompts for every run."""

SKILLS: dict[str, tuple[str, dict[str, str]]] = {
    "colours": ("colour of {}", {"grass": "green", "snow": "white", "coal": "black"}),
    "opposites": ("opposite of {}", {"hot": "cold", "big": "small", "up": "down"}),
    "young": ("young of a {}", {"cow": "calf", "dog": "pup", "hen": "chick"}),
    "capitals": ("capital of {}", {"France": "Paris", "Italy": "Rome", "Spain": "Madrid"}),
    "noises": ("noise of a {}", {"bee": "buzz", "lion": "roar", "duck": "quack"}),
    "plurals": ("plural of {}", {"mouse": "mice", "foot": "feet", "child": "children"}),
    "past": ("past tense of {}", {"go": "went", "see": "saw", "eat": "ate"}),
    "homes": ("home of a {}", {"bird": "nest", "bear": "den", "spider": "web"}),
    "tools": ("tool for {}", {"nails": "hammer", "wood": "saw", "hair": "comb"}),
    "numbers": ("digit for {}", {"one": "1", "three": "3", "seven": "7"}),
    "French": ("French for {}", {"water": "eau", "bread": "pain", "milk": "lait"}),
    "symbols": ("symbol of {}", {"iron": "Fe", "gold": "Au", "silver": "Ag"}),
}
BEFORE = (
    *("", "So ", "Please ", "Next ", "Hm ", "Say ", "Now ", "Well ", "Quick ", "Tell ", "Oh ", "And ", "But ", "Yes "),
    *("Then ", "Hey ", "Ok ", "Right ", "Also ", "Go "),
)
AFTER = ("?", "!", ".", ":")


@prompts.register("skills")
@dataclass(frozen=True)
class Skills(PromptSource):
    """Three questions of each of a dozen skills, put in eighty ways, and skills that are asked for unequally often.

    What is learnt is which word belongs to which, so that a model without any knowledge can learn it from one answer
    each, if only the skill is among what was bought. Prompts of the test set are put in ways that the pool lacks, all
    skills alike.

    Parameters
    ----------
    pool: how many prompts it has.
    skew: the k-th skill is asked for in proportion to k to the minus this.
    test: prompts of each skill that are held out.
    demonstrations: how many every run gets with their answers, beside the budget.
    validation: how many, asked for as the pool's are, are for trainers that declare validation labels.
    """

    title = "Twelve skills, some rare"

    pool: Annotated[int, Ge(1)] = 2000
    skew: Annotated[float, Ge(0)] = 1.5
    test: Annotated[int, Ge(1)] = 20
    demonstrations: Annotated[int, Ge(0)] = 0
    validation: Annotated[int, Ge(0), Since("0.1")] = 0

    @classmethod
    def example(cls) -> dict[str, int]:
        return {"pool": 60, "test": 2}

    def accepted(self, text: str) -> tuple[str, ...] | None:
        """The answer where a skill is asked for in one of the ways, whether the pool has it, the test or neither."""
        for form, pairs in SKILLS.values():
            for word, answer in pairs.items():
                before, asked, after = text.partition(form.format(word))
                if asked and before in BEFORE and after in AFTER:
                    return (answer,)
        return None

    def load(self) -> PromptData:
        rng = Streams(MADE_FROM).rng("skills")
        ways = [(before, after) for before in BEFORE for after in AFTER]
        order = rng.permutation(len(ways)).tolist()
        known, new = [ways[row] for row in order[: len(ways) // 2]], [ways[row] for row in order[len(ways) // 2 :]]
        often = [(1 + place) ** -self.skew for place in range(len(SKILLS))]
        names = list(SKILLS)

        def made(task: str, ways: list[tuple[str, str]]) -> tuple[Prompt, str]:
            form, pairs = SKILLS[task]
            before, after = ways[rng.integers(len(ways))]
            asked, answer = list(pairs.items())[rng.integers(len(pairs))]
            return Prompt(f"{before}{form.format(asked)}{after}", task), answer

        def drawn(size: int) -> list[tuple[Prompt, str]]:
            tasks = rng.choice(len(names), size=size, p=[share / sum(often) for share in often]).tolist()
            return [made(names[task], known) for task in tasks]

        asked = drawn(self.demonstrations + self.pool)
        held = [made(task, new) for task in names for _ in range(self.test)]
        validation = drawn(self.validation)  # last, so that all else is the same without
        seed, pool = asked[: self.demonstrations], asked[self.demonstrations :]
        return PromptData(
            pool=tuple(prompt for prompt, _ in pool),
            pool_answers=tuple(answer for _, answer in pool),
            test=tuple(TestItem(prompt, (answer,)) for prompt, answer in held),
            seed=tuple(Demonstration(prompt.said, answer) for prompt, answer in seed),
            validation=tuple(Demonstration(prompt.said, answer) for prompt, answer in validation),
        )
