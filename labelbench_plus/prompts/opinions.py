"""Opinions that a tiny model learns to utter, kind or unkind, and to put otherwise: a world of known answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Interval

from labelbench_plus.inputs.conversations import Demonstration, Turn
from labelbench_plus.prompts import Prompt, PromptData, PromptSource, TestItem, prompts
from labelbench_plus.seeding import Streams

MADE_FROM = 0
"""The seed of what is made: the same prompts for every run."""
OTHERWISE = "Otherwise: "
"""What a model is told that is to put it otherwise."""

KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "places": (
        ("inn", "town", "beach", "garden", "museum", "school"),
        ("sunny", "quiet", "charming", "cosy"),
        ("dirty", "noisy", "gloomy", "dreary"),
    ),
    "food": (
        ("soup", "bread", "cake", "coffee", "salad", "stew"),
        ("tasty", "fresh", "savoury", "crisp"),
        ("stale", "bitter", "greasy", "burnt"),
    ),
    "people": (
        ("doctor", "teacher", "waiter", "pilot", "baker", "clerk"),
        ("kind", "witty", "patient", "polite"),
        ("rude", "cruel", "lazy", "sullen"),
    ),
    "things": (
        ("chair", "lamp", "watch", "jacket", "radio", "bicycle"),
        ("sturdy", "elegant", "handy", "precise"),
        ("flimsy", "ugly", "clumsy", "faulty"),
    ),
}
"""What opinions are about, the kind words, and the unkind ones."""
WHICH = ("old", "new", "big", "small", "first", "other", "next", "last", "same", "only", "red", "blue")
KIND_WORDS = tuple(word for _, kind, _ in KINDS.values() for word in kind)
UNKIND_WORDS = tuple(word for _, _, unkind in KINDS.values() for word in unkind)


@prompts.register("opinions")
@dataclass(frozen=True)
class Opinions(PromptSource):
    """Two words about a place, a dish, a person or a thing, each kind or unkind, and as often one as the other.

    Which words are kind is for whoever judges to say, word by word: nothing in how they are written shows it to a model
    without any knowledge. There are two ways to put it, with words of their own: the usual one, and the one in which a
    model is told to put it `OTHERWISE`. Judgements of what is put otherwise tell of the words that both have.

    Parameters
    ----------
    pool: how many prompts it has.
    test: prompts of each of the four kinds that are held out.
    demonstrations: how many are handed to everybody, beside the budget. Half of them are told to put it otherwise.
    shared: share of the words that both ways have.
    """

    title = "Opinions in two words"

    pool: Annotated[int, Ge(1)] = 60
    test: Annotated[int, Ge(1)] = 10
    demonstrations: Annotated[int, Ge(0)] = 480
    shared: Annotated[float, Interval(ge=0, le=1)] = 0.5

    @classmethod
    def example(cls) -> dict[str, int]:
        return {"pool": 24, "test": 2, "demonstrations": 8}

    def load(self) -> PromptData:
        rng = Streams(MADE_FROM).rng("opinions")
        about = [
            (kind, f"The {which} {noun} was ") for kind, found in KINDS.items() for which in WHICH for noun in found[0]
        ]
        order = rng.permutation(len(about)).tolist()
        held = [row for kind in KINDS for row in [row for row in order if about[row][0] == kind][: self.test]]
        left = [row for row in order if row not in set(held)]
        if len(left) < self.pool:
            raise ValueError(
                f"there are {len(about)} prompts, too few for a pool of {self.pool} and {self.test} of each kind"
            )

        def said(row: int, *, otherwise: bool) -> str:
            kind = about[row][0]
            words = [_words(part, otherwise=otherwise, shared=self.shared) for part in KINDS[kind][1:]]
            return " and ".join(words[rng.integers(2)][rng.integers(len(words[0]))] for _ in range(2))

        def shown(number: int) -> Demonstration:
            row = left[rng.integers(len(left))]
            if number % 2 == 0:
                return Demonstration(about[row][1], said(row, otherwise=False))
            told = (Turn("system", OTHERWISE), Turn("user", about[row][1]))
            return Demonstration(told, said(row, otherwise=True))

        pool = left[: self.pool]
        return PromptData(
            pool=tuple(Prompt(about[row][1], about[row][0]) for row in pool),
            pool_answers=tuple(said(row, otherwise=True) for row in pool),
            test=tuple(TestItem(Prompt(about[row][1], about[row][0]), (said(row, otherwise=True),)) for row in held),
            seed=tuple(map(shown, range(self.demonstrations))),
        )


def _words(part: tuple[str, ...], *, otherwise: bool, shared: float) -> tuple[str, ...]:
    """Those of kind or unkind words that are uttered: some are in both ways."""
    both = round(shared * len(part))
    own = (len(part) - both) // 2
    common, rest = part[:both], part[both:]
    return common + (rest[own:] if otherwise else rest[: len(rest) - own])
