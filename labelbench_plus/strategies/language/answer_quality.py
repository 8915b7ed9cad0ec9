"""What reading all answers would buy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval
from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("answer_quality")
@dataclass(frozen=True)
class AnswerQuality(PoolStrategy):
    """Query the prompts whose answers are long and new to the base, apart from each other. A bound, not a method.

    In the manner of DEITA: complexity times quality, best first, without what lies near what was taken. Here complexity
    is the number of an answer's tokens and quality how unlikely the base finds them, both of answers that were not
    bought: to know them, it would have to buy the whole pool.

    Parameters
    ----------
    apart: the largest cosine of a prompt's features with those of any that was taken; items beyond it come last.
    """

    title = "Answer quality (reads all answers)"
    needs = frozenset({"answer_likelihood", "features"})
    knows_truth = True

    apart: Annotated[float, Interval(gt=-1, le=1)] = 0.9

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.blocks.checks import check_count
        from labelbench_plus.algorithms.uncertainty import top_scores

        check_count(n, len(view.candidates))
        tokens, losses = view.answer_likelihood.unbind(dim=1)
        order = top_scores(tokens * losses / view.prices, len(view.candidates))
        unit = torch.nn.functional.normalize(view.features.double(), dim=1)
        near = torch.zeros(len(order), dtype=torch.bool, device=order.device)
        for bought in torch.nn.functional.normalize(view.labelled_features.double(), dim=1):
            near |= unit @ bought > self.apart
        taken: list[int] = []
        left: list[int] = []
        for row in order.tolist():
            if len(taken) == n:
                break
            if near[row]:
                left.append(row)
            else:
                taken.append(row)
                near |= unit @ unit[row] > self.apart
        return view.candidates[torch.tensor([*taken, *left][:n], dtype=torch.long, device=order.device)]
