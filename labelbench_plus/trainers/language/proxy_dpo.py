"""A proxy labels what no expert was asked about, then DPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt

from labelbench_plus.language.options import Body
from labelbench_plus.plugins import Since
from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.language._preference_trainer import PreferenceTrainer

if TYPE_CHECKING:
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper
    from labelbench_plus.trainers.language._dpo import Pairs


@trainers.register("proxy_dpo")
@dataclass(frozen=True)
class ProxyDpo(PreferenceTrainer):
    """A reward model is learned from what was bought, and labels all candidates: of each prompt the best against the
    worst by it are what DPO learns from (Chen et al., 2024).

    The proxy is a linear head on the policy's own states of a response: their mean and the last one. With nothing to
    learn from, the policy stays what it is.

    Notes of a body beside those of others: `proxy_steps`, `proxy_tokens` read, and `proxy_loss`, the mean of its last
    tenth of steps.

    Parameters
    ----------
    head: "bradley_terry" learns from which of two is better, of scores from all pairs of one prompt; "ridge" from
        scores; "ordinal" from their order (a cumulative logit). "auto" takes Bradley-Terry of pairs, ridge of scores.
    l2: weight of the head's squared norm, of features whose squared length is one on average.
    body: how low-rank changes of the policy are learned beneath the head, for the proxy alone; null leaves the states
        those of the frozen policy.
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
    body: Annotated[Body | None, Since("0.1")] = None

    def pairs(self, data: PreferenceData, streams: Streams, keeper: Keeper) -> Pairs:
        from labelbench_plus.trainers.language._proxy import labelled_by, taught

        return labelled_by(data, taught(data, self.head, self.l2, self.body, streams, keeper))
