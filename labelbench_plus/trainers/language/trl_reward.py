"""A reward that TRL learns, on as many devices as there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt

from labelbench_plus.trainers import Checkpoint, trainers
from labelbench_plus.trainers.language._preference_trainer import Opinionated
from labelbench_plus.trainers.language._trl_trainer import ByTrl

if TYPE_CHECKING:
    from labelbench_plus.language.policy import Policy
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper


@trainers.register("trl_reward")
@dataclass(frozen=True)
class TrlReward(ByTrl, Opinionated):
    """A reward that is learned from the pairs that were bought, by TRL's `RewardTrainer` in processes that accelerate
    launches. No policy is tuned. Needs the extra `trl`.

    Low-rank changes of the policy, with a linear head on the state of a response's last token, are learned by Bradley
    and Terry's loss: of responses that were scored, from all pairs of one prompt. The head begins at zero, and so the
    loss at ln 2. It is what the proxy of `proxy_dpo` with a body is, but for the mean state of the tokens, the
    standardisation and the penalty. With nothing to learn from, there is no reward.

    Notes: `pairs` that were learned from, `ties` that were dropped, `steps`, `train_tokens`, and `loss`, the mean of
    the last tenth of the steps.

    Parameters
    ----------
    steps: of `batch` pairs each.
    """

    title = "Reward model by TRL"

    learning_rate: Annotated[float, Gt(0)] = 1e-4
    steps: Annotated[int, Ge(1)] = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tune == "full":
            raise ValueError("a reward is low-rank changes of the policy and a head: it goes with tune: lora")

    def train(self, data: PreferenceData, streams: Streams, keeper: Keeper) -> Policy:
        import torch

        from labelbench_plus.language.policy import Policy
        from labelbench_plus.language.rewards import Proxy, as_state
        from labelbench_plus.trainers.language._dpo import of_judged
        from labelbench_plus.trainers.language._trl import check, rewarded

        check(self, data.base)
        given = of_judged(data.judged)
        notes = {"pairs": float(len(given.pairs)), "ties": float(given.ties), "steps": 0.0}
        if not given.pairs:
            return Policy(data.base, data.template, notes=notes)
        outcome = rewarded(self, data, given, streams)
        assert outcome.head is not None
        notes.update(steps=float(outcome.steps), loss=outcome.last(10), train_tokens=float(outcome.tokens))
        last = outcome.head.double().cpu()
        weights = torch.cat([torch.zeros_like(last), last])  # of the mean of all tokens' states, and of the last one's
        reward = Proxy(torch.zeros_like(weights), torch.ones_like(weights), weights, outcome.learned)
        keeper.keep({"judges": as_state(reward), "notes": notes})
        return Policy(data.base, data.template, notes=notes, reward=reward)

    def restore(self, data: PreferenceData, streams: Streams, checkpoint: Checkpoint) -> Policy | None:
        state = self._keeper(data, streams, checkpoint).kept()
        if state is None or "judges" not in state:
            return None
        from labelbench_plus.language.policy import Policy
        from labelbench_plus.language.rewards import of_state

        return Policy(data.base, data.template, notes=state["notes"], reward=of_state(state["judges"]))
