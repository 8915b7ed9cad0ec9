"""Whether answers are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labelbench_plus.contracts.scores import Scored
from labelbench_plus.evaluations import Evaluation, Sitting, evaluations
from labelbench_plus.evaluations._macro import macro
from labelbench_plus.language.matching import right


@evaluations.register("exact_match")
@dataclass(frozen=True)
class ExactMatch(Evaluation):
    """The share of greedy answers that equal one that is accepted, averaged over tasks: `macro_em`.

    Case, articles, blanks and punctuation but `.`, `-` and `+` do not count, and numbers may be in words. The details
    say what was written for every item.
    """

    title = "Exact match"

    def primary_metric(self) -> tuple[str, bool]:
        return "macro_em", True

    def score(self, sitting: Sitting) -> Scored:
        hit = [right(said, item.accepted) for said, item in zip(sitting.answers, sitting.test, strict=True)]
        answers: Mapping[str, object] = {
            "task": [item.prompt.task for item in sitting.test],
            "prompt": [item.prompt.text for item in sitting.test],
            "reference": [item.reference for item in sitting.test],
            "said": list(sitting.answers),
            "right": hit,
        }
        return Scored({"macro_em": macro(hit, sitting.test)}, {"answers": answers})
