"""A proxy that chooses among what the policy draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt

from labelbench_plus.language.options import Body
from labelbench_plus.plugins import Since
from labelbench_plus.trainers import Checkpoint, Trainer, trainers
from labelbench_plus.trainers._kept import NoCheckpoint
from labelbench_plus.trainers.language._language_trainer import keeper_of

if TYPE_CHECKING:
    from labelbench_plus.language.policy import Policy
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams


@trainers.register("best_of_k")
@dataclass(frozen=True)
class BestOfK(Trainer):
    """A proxy reward is learned as in `proxy_dpo`, and no policy is tuned: the best of `k` drawn responses by the proxy
    is the answer.

    It shows what a proxy is worth without DPO. Each answer costs k times as much to write. With nothing to learn from,
    the first response is the answer. Needs the extra `language`.

    Parameters
    ----------
    k: responses that are drawn for each answer.
    head, l2, body: of the proxy, see `proxy_dpo`.
    """

    title = "Best of k by a proxy"
    task = "preference"
    provides = frozenset({"predictions", "embeddings"})

    k: Annotated[int, Ge(1)] = 4
    head: Literal["auto", "bradley_terry", "ridge", "ordinal"] = "auto"
    l2: Annotated[float, Gt(0)] = 0.1
    body: Annotated[Body | None, Since("0.1")] = None

    def fit(self, data: PreferenceData, streams: Streams, previous: Any | None) -> Policy:
        return self.fit_with_checkpoint(data, streams, previous, NoCheckpoint())

    def fit_with_checkpoint(
        self, data: PreferenceData, streams: Streams, previous: Any | None, checkpoint: Checkpoint
    ) -> Policy:
        from labelbench_plus.language.rewards import BestOf
        from labelbench_plus.trainers.language._proxy import taught

        keeper = keeper_of(self, data, streams, checkpoint)
        found = taught(data, self.head, self.l2, self.body, streams, keeper)
        return BestOf(
            data.base,
            data.template,
            notes={} if found is None else found.notes,
            reward=None if found is None else found.proxy,
            k=self.k,
        )
