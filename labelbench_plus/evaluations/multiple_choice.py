"""Which of several answers is likeliest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_plus.contracts.scores import Scored
from labelbench_plus.evaluations import Evaluation, Sitting, evaluations
from labelbench_plus.evaluations._macro import macro
from labelbench_plus.prompts import TestItem


@evaluations.register("multiple_choice")
@dataclass(frozen=True)
class MultipleChoice(Evaluation):
    """The share of items of whose choices the reference is the likeliest, averaged over tasks: `macro_choice`.

    Parameters
    ----------
    per_token: whether choices are compared by their log probability per token, so that long ones are no worse off.
    """

    title = "Multiple choice"

    per_token: bool = True

    def primary_metric(self) -> tuple[str, bool]:
        return "macro_choice", True

    def check(self, test: Sequence[TestItem]) -> None:
        if without := [item for item in test if item.reference not in item.choices]:
            raise ValueError(
                f"multiple_choice: {len(without)} of {len(test)} items of the test set have no choices with the "
                f"reference among them, such as {without[0].prompt.text[:60]!r}"
            )

    def score(self, sitting: Sitting) -> Scored:
        prompts = [item.prompt.said for item in sitting.test for _ in item.choices]
        choices = [choice for item in sitting.test for choice in item.choices]
        found = sitting.model.log_probabilities(prompts, choices).numpy()
        if self.per_token:
            found = found / sitting.model.response_tokens(choices)
        ends = np.cumsum([len(item.choices) for item in sitting.test])[:-1]
        likeliest = [int(part.argmax()) for part in np.split(found, ends)]
        chosen = [item.choices[place] for item, place in zip(sitting.test, likeliest, strict=True)]
        hit = [choice == item.reference for choice, item in zip(chosen, sitting.test, strict=True)]
        return Scored({"macro_choice": macro(hit, sitting.test)}, {"choices": {"chosen": chosen, "right": hit}})
