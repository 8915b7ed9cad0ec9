"""How likely reference answers are."""

from __future__ import annotations

from dataclasses import dataclass

from labelbench_plus.contracts.scores import Scored
from labelbench_plus.evaluations import Evaluation, Sitting, evaluations
from labelbench_plus.evaluations._macro import macro


@evaluations.register("likelihood")
@dataclass(frozen=True)
class Likelihood(Evaluation):
    """Minus the log probability of the reference answer per token, its end included, averaged over tasks: `macro_nll`.

    In nats, lower is better. It separates models that answer too few prompts correctly for `exact_match` to do so.
    """

    title = "Likelihood of the reference"

    def primary_metric(self) -> tuple[str, bool]:
        return "macro_nll", False

    def score(self, sitting: Sitting) -> Scored:
        references = [item.reference for item in sitting.test]
        found = sitting.model.log_probabilities([item.prompt.said for item in sitting.test], references)
        losses = -found.numpy() / sitting.model.response_tokens(references)
        return Scored({"macro_nll": macro(losses, sitting.test)}, {"likelihood": {"nll": losses}})
