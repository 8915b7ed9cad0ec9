"""A model at its test: what it writes, written once, and what that is like whatever it says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from labelbench_plus.contracts.prompts import PromptSource, TestItem
from labelbench_plus.language.options import Decoding
from labelbench_plus.seeding import Streams

if TYPE_CHECKING:
    from labelbench_plus.language.decoding import Generations
    from labelbench_plus.language.model import LanguageModel

DRAWN = 64  # answers that the divergence from the base is estimated on, at most
DRAWN_WITH = 0  # the seed of these draws: models are compared on the same ones


class ModelSitting:
    """See `contracts.evaluations.Sitting`.

    Parameters
    ----------
    decoding: of the answers, which are greedy whatever its temperature.
    source: where the test comes from.
    """

    def __init__(
        self, model: LanguageModel, test: Sequence[TestItem], decoding: Decoding, source: PromptSource
    ) -> None:
        self.model, self.test, self.source, self._decoding = model, tuple(test), source, decoding

    @cached_property
    def written(self) -> Generations:
        """Its greedy answers."""
        greedy = Decoding(self._decoding.max_new_tokens, stop=self._decoding.stop)
        return self.model.generate([item.prompt.said for item in self.test], greedy)

    @property
    def answers(self) -> tuple[str, ...]:
        """Their texts."""
        return self.written.texts

    def quality(self) -> dict[str, float]:
        """What its answers are like.

        `validity`: the share that ended and is not blank. `distinct_1`, `distinct_2`: the share of different words and
        pairs of words. `response_tokens`: the mean length. `base_kl`: how far it went from the base, in nats an answer
        that is drawn at temperature 1, estimated on `DRAWN` prompts; the end counts for answers that were cut off, too.
        """
        from labelbench_plus.language.quality import distinct, divergence, validity

        step = -(-len(self.test) // DRAWN)
        rows = range(0, len(self.test), step)
        prompts = [self.test[row].prompt.said for row in rows]
        drawing = Decoding(self._decoding.max_new_tokens, 1.0, stop=self._decoding.stop)
        drawn = self.model.generate(prompts, drawing, [Streams(DRAWN_WITH).rng(f"answer {row}") for row in rows])
        return {
            "validity": validity(self.written),
            "distinct_1": distinct(self.written.texts, 1),
            "distinct_2": distinct(self.written.texts, 2),
            "response_tokens": float(self.written.tokens.mean()),
            "base_kl": divergence(self.model, prompts, drawn.texts),
        }
