"""The body of a proxy: low-rank changes of the policy beneath the head, learned from what was judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.algorithms.reward_losses import RewardLoss, reward_losses
from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.examples import Example, examples, plan_of
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.scoring import pooled_states
from labelbench_plus.language.trunk import Trunk
from labelbench_plus.trainers.language._tuning import Tuning

if TYPE_CHECKING:
    from labelbench_plus.language.judged import Judged
    from labelbench_plus.language.options import Body
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers.language._tuning import Keeps


@dataclass(frozen=True)
class Lesson:
    """What a head of a kind learns from.

    Attributes
    ----------
    judged: of one response each, or for "bradley_terry" of two that are no tie.
    said: (n,) of each, as `reward_losses` takes it.
    """

    kind: RewardLoss
    judged: Sequence[Judged]
    said: np.ndarray


@dataclass(frozen=True)
class Head:
    """Where a head begins, and how much it is shrunk.

    Attributes
    ----------
    mean, scale, weights: (d,) a reward is weights · (features − mean) / scale.
    l2: as of `reward_heads`.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    l2: float


def learned_body(
    data: PreferenceData, lesson: Lesson, head: Head, body: Body, streams: Streams, keeper: Keeps
) -> tuple[Adapter, Mapping[str, float]]:
    """Low-rank changes under which the head is right more often, and numbers about them.

    They are learned together with the head, from that of the frozen policy on. The loss is that of `reward_heads`,
    divided by the number of judgements; of a step, the mean over its judgements and the whole of the penalty's share.
    """
    device = data.base.device
    beside = [torch.tensor(head.weights, dtype=torch.float32, device=device), *_beside(lesson, device)]
    texts = _texts(data, lesson.judged)
    lengths = [len(each.ids) for each in texts]
    width = 2 if lesson.kind == "bradley_terry" else 1
    sizes = np.array(lengths).reshape(-1, width).sum(axis=1).tolist()
    steps = plan_of(sizes, body.batch, body.steps, streams.rng("proxy_order")) if body.steps else []
    tuning = Tuning(body, data.base, data.template, streams, keeper, len(steps), beside)
    trunk = None
    if body.layers is not None:
        with data.base.computing():
            trunk = Trunk(data.base, body.layers, [each.ids for each in texts])
    loss_of = _Loss(lesson, head, texts, width, beside, trunk)
    last = max(1, len(steps) // 10)
    with tuning.going_on():
        while tuning.step < len(steps):
            found = loss_of.step(tuning, steps[tuning.step])
            if tuning.step > len(steps) - last:
                tuning.notes["proxy_loss"] = tuning.notes.get("proxy_loss", 0.0) + found / last
            tuning.keep_if_due()
    learned = tuning.done().learned
    assert isinstance(learned, Adapter)
    read = sum(sizes[row] for rows in steps for row in rows.tolist())
    return learned, {**tuning.notes, "proxy_steps": float(len(steps)), "proxy_tokens": float(read)}


class _Loss:
    """What the head gets wrong of some judgements, as a function of its own weights and of the changes beneath it."""

    def __init__(
        self,
        lesson: Lesson,
        head: Head,
        texts: Sequence[Example],
        width: int,
        beside: Sequence[Tensor],
        trunk: Trunk | None,
    ) -> None:
        self._lesson, self._texts, self._width, self._trunk = lesson, texts, width, trunk
        self._weights, self._free = beside[0], beside[1:]
        device = self._weights.device
        self._mean, self._scale, self._said = (
            torch.tensor(each, dtype=torch.float32, device=device) for each in (head.mean, head.scale, lesson.said)
        )
        # Half of l2 · ‖w‖² where `reward_heads` takes half of it, and the share of one judgement.
        self._l2 = head.l2 / (len(lesson.said) * (1 if lesson.kind == "ridge" else 2))

    def step(self, tuning: Tuning, rows: np.ndarray) -> float:
        """Learn from these judgements; returns their mean loss before it, without the penalty."""
        found = []

        def backward(model: Any) -> None:
            loss = self.of(model, rows.tolist()).mean()
            (loss + self._l2 * self._weights.square().sum()).backward()
            found.append(float(loss.detach()))

        tuning.advance(backward)
        return found[0]

    def of(self, model: Any, rows: list[int]) -> Tensor:
        """(n,) the loss of each of these judgements."""
        places = [self._width * row + side for row in rows for side in range(self._width)]
        features = self._features(model, places)
        if self._width == 2:
            points = (features[1::2] - features[::2]) / self._scale
        else:
            points = (features - self._mean) / self._scale
        rewards = points @ self._weights
        kind, said = self._lesson.kind, self._said[rows]
        if kind == "ordinal":
            first, gaps = self._free
            thresholds = torch.cat([first, first + torch.cumsum(gaps.exp(), dim=0)])
            return reward_losses(rewards, said, kind, thresholds)
        return reward_losses(rewards + self._free[0] if self._free else rewards, said, kind)

    def _features(self, model: Any, places: list[int]) -> Tensor:
        some = [self._texts[place] for place in places]
        ids, first = [each.ids for each in some], [each.prompt for each in some]
        if self._trunk is None:
            states = pooled_states(model, ids, first)
        else:
            with self._trunk.computed(places):
                states = pooled_states(model, ids, first)
        return states[:, :2].reshape(len(some), -1)


def _beside(lesson: Lesson, device: torch.device) -> list[Tensor]:
    """What is learned of a head besides its weights: a level of scores, or thresholds as the first and logs of gaps."""
    if lesson.kind == "bradley_terry":
        return []
    if lesson.kind == "ridge":
        return [torch.zeros(1, device=device)]
    counts = np.bincount(lesson.said.astype(np.int64))
    shares = np.cumsum(counts)[:-1] / counts.sum()
    first = np.log(shares / (1 - shares))
    return [torch.tensor(each, dtype=torch.float32, device=device) for each in (first[:1], np.log(np.diff(first)))]


def _texts(data: PreferenceData, judged: Sequence[Judged]) -> list[Example]:
    form = LanguageModel(data.base, data.template).format
    said = [Demonstration(each.prompt, text) for each in judged for text in each.responses]
    return examples(form, said, data.base.context)
