"""Soups of parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.combiners import Combiner, Policies, Response, combiners
from labelbench_plus.combiners._listed import checked, of_one

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams


@combiners.register("soup")
@dataclass(frozen=True)
class Soup(Combiner):
    """One policy whose parameters are the weighted sum of the others', as rewarded soups are.

    It costs one model at decoding. Adapters are averaged as what they add to the weights, never factor by factor.
    Exact where policies differ in a last linear layer alone, under reverse KL; elsewhere an approximation that fails
    where policies have moved far from their common start.
    """

    title = "Soup of parameters"
    needs = frozenset({"parameters"})

    def respond(self, policies: Policies, weights: np.ndarray, streams: Streams) -> Response:
        return of_one(policies.parameters().averaged(checked(policies, weights)), streams)
