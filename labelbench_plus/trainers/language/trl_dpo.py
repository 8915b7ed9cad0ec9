"""Direct preference optimisation by TRL, on as many devices as there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt

from labelbench_plus.language.options import Body
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.language._preference_trainer import PreferenceTrainer
from labelbench_plus.trainers.language._trl_trainer import ByTrl

if TYPE_CHECKING:
    from labelbench_plus.language.policy import Policy
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper
    from labelbench_plus.trainers.language._dpo import Pairs


@trainers.register("trl_dpo")
@dataclass(frozen=True)
class TrlDpo(ByTrl, PreferenceTrainer):
    """What `direct_dpo` or `proxy_dpo` does, by TRL's `DPOTrainer` in processes that accelerate launches. Needs the
    extra `trl`.

    It starts from the same weights. Where `batch` divides the number of pairs and a step's pass the model together, it
    reads the same pairs in the same order: on one device its losses are then theirs, up to rounding, where nothing is
    warmed up. The cross-entropy of better responses (`sft`) is a mean over those that pass together. There is no note
    of the margin.

    Parameters
    ----------
    labels: whose opinion says which of two is better: that of the "expert", as in `direct_dpo`, or that of a "proxy"
        which learned from it, as in `proxy_dpo`.
    head, l2, body: of the proxy, see `proxy_dpo`. It is not learned by TRL.
    """

    title = "DPO by TRL"

    labels: Literal["expert", "proxy"] = "expert"
    head: Literal["auto", "bradley_terry", "ridge", "ordinal"] = "auto"
    l2: Annotated[float, Gt(0)] = 0.1
    body: Body | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss != "sigmoid":
            raise ValueError(
                f"loss {self.loss!r} is another one in TRL, which divides by tokens or reads single responses: take "
                "direct_dpo or proxy_dpo"
            )

    def pairs(self, data: PreferenceData, streams: Streams, keeper: Keeper) -> Pairs:
        from labelbench_plus.trainers.language._dpo import of_judged
        from labelbench_plus.trainers.language._proxy import labelled_by, taught

        if self.labels == "expert":
            return of_judged(data.judged)
        return labelled_by(data, taught(data, self.head, self.l2, self.body, streams, keeper))

    def train(self, data: PreferenceData, streams: Streams, keeper: Keeper) -> Policy:
        from labelbench_plus.language.policy import Policy
        from labelbench_plus.language.rewards import Implicit, as_state
        from labelbench_plus.trainers.language._trl import check, preferred

        check(self, data.base)
        given = self.pairs(data, streams, keeper)
        reward = given.reward or Implicit(self.beta)
        notes = {"pairs": float(len(given.pairs)), "ties": float(given.ties), **given.notes, "steps": 0.0}
        if not given.pairs or not self.steps:
            return Policy(data.base, data.template, notes=notes, reward=reward)
        outcome = preferred(self, data, given, streams)
        notes.update(steps=float(outcome.steps), loss=outcome.last(10), train_tokens=float(outcome.tokens))
        keeper.keep({"learned": outcome.state, "notes": notes, "reward": as_state(reward)})
        return Policy(data.base, data.template, outcome.learned, notes, reward=reward)
