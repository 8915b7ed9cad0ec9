"""A proxy labels what no expert was asked about, then DPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.language._preference_trainer import PreferenceTrainer

if TYPE_CHECKING:
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers.language._dpo import Pairs


@trainers.register("proxy_dpo")
@dataclass(frozen=True)
class ProxyDpo(PreferenceTrainer):
    """A reward model is learned from what was bought, and labels all candidates: of each prompt the best against the
    worst by it are what DPO learns from (Chen et al., 2024).

    The proxy is a linear head on the policy's own states of a response: their mean and the last one. With nothing to
    learn from, the policy stays what it is.

    Parameters
    ----------
    head: "bradley_terry" learns from which of two is better, of scores from all pairs of one prompt; "ridge" from
        scores; "ordinal" from their order (a cumulative logit). "auto" takes Bradley-Terry of pairs, ridge of scores.
    l2: weight of the head's squared norm, of features whose squared length is one on average.
    """

    title = "Proxy reward, then DPO"
    reference = Reference(
        ("Chen", "Wang", "Yang", "Sharma", "Karampatziakis", "Yu", "Jamieson", "Du", "Shen"),
        2024,
        "Cost-effective proxy reward model construction with on-policy and active learning",
        arxiv="2407.02119",
    )

    head: Literal["auto", "bradley_terry", "ridge", "ordinal"] = "auto"
    l2: Annotated[float, Gt(0)] = 0.1

    def pairs(self, data: PreferenceData, streams: Streams) -> Pairs:
        from labelbench_plus.trainers.language._proxy import frozen, labelled_by

        return labelled_by(data, frozen(data, self.head, self.l2))
