"""A proxy that learns from few judgements to judge everything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from labelbench_plus.algorithms import reward_heads
from labelbench_plus.algorithms.reward_losses import RewardLoss
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.comparables import paired_states, response_features
from labelbench_plus.language.judged import Judged
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.policy import policy_features
from labelbench_plus.language.rewards import Proxy
from labelbench_plus.trainers.language._body import Head, Lesson, learned_body
from labelbench_plus.trainers.language._dpo import POLICY, Pairs, best_against_worst
from labelbench_plus.trainers.language._stages import Stage, reached

if TYPE_CHECKING:
    from labelbench_plus.language.options import Body
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper

Kind = Literal["auto", "bradley_terry", "ridge", "ordinal"]


@dataclass(frozen=True)
class Taught:
    """A proxy that was learned.

    Attributes
    ----------
    features: (n, d) float64 what it judges the policy's candidates by.
    notes: numbers about its training.
    body: the state of its body, if it has one.
    """

    proxy: Proxy
    features: np.ndarray
    notes: Mapping[str, float] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


def taught(
    data: PreferenceData, kind: Kind, l2: float, body: Body | None, streams: Streams, keeper: Keeper
) -> Taught | None:
    """A head on the states of the policy, as it is or with a body that is learned first; None where there is nothing to
    learn from.

    Features are standardised by what they are over all candidates, and divided by the root of their number, so that
    `l2` means the same for any width. A body is learned together with a head, from that of the frozen policy on, and
    the head is then fitted anew to the states that came of it: with no step taken, it is that of the frozen policy.

    Raises
    ------
    ValueError
        The head learns from scores, and pairs are sold.
    """
    if kind == "auto":
        kind = "bradley_terry" if data.wants == "pair" else "ridge"
    if data.wants == "pair" and kind != "bradley_terry":
        raise ValueError(f"head {kind!r} learns from scores, and this problem sells pairs: choose bradley_terry")
    lesson = _lesson(data.judged, kind)
    if lesson is None:
        return None
    block = data.candidates
    every = block.states[:, :2].reshape(len(block.responses), -1).astype(np.float64)
    head = _fitted(LanguageModel(data.base, data.template), lesson, every, l2)
    if body is None:
        return Taught(_proxy(head), every)
    stage, came_to = reached(keeper)
    if stage == POLICY:
        learned, notes = Adapter.of_state(body.rank, body.alpha, came_to["body"]), came_to["notes"]
    else:
        learned, notes = learned_body(data, lesson, head, body, streams, Stage(keeper, "proxy", {}))
        came_to = {"body": learned.state(), "notes": dict(notes)}
        Stage(keeper, POLICY, came_to).keep({})  # the body is not learned again
    model = LanguageModel(data.base, data.template, learned)
    asked = [block.single(row) for row in range(len(block.responses))]
    changed = policy_features(model, asked).numpy().astype(np.float64)
    return Taught(_proxy(_fitted(model, lesson, changed, l2), learned), changed, notes, came_to)


def labelled_by(data: PreferenceData, found: Taught | None) -> Pairs:
    """The best against the worst of every prompt's candidates, by a proxy. No expert is asked."""
    if found is None:
        return Pairs((), 0)
    reward = found.proxy
    scores = (((torch.from_numpy(found.features) - reward.mean) / reward.scale) @ reward.weights).numpy()
    return replace(best_and_worst(data, scores), reward=reward, notes=found.notes, came_to=found.body)


def best_and_worst(data: PreferenceData, scores: np.ndarray) -> Pairs:
    """Of every prompt the best candidate against the worst, by (n,) scores of all of them."""
    block, count = data.candidates, data.candidates.shape.responses
    texts = np.array([each.text for each in block.responses], dtype=object).reshape(-1, count)
    return best_against_worst(block.prompts, texts.tolist(), scores.reshape(-1, count))


def _proxy(head: Head, body: Adapter | None = None) -> Proxy:
    mean, scale, weights = map(torch.from_numpy, (head.mean, head.scale, head.weights))
    return Proxy(mean, scale, weights, body)


def _lesson(judged: Sequence[Judged], kind: RewardLoss) -> Lesson | None:
    """What there is to learn from; None if that says nothing."""
    single, paired = _apart(judged)
    if kind == "bradley_terry":
        told = [each for each in (*paired, *_all_pairs(single)) if each.verdict]  # a tie says nothing to them
        return Lesson(kind, told, np.array([(1 + each.verdict) / 2 for each in told])) if told else None
    scores = np.array([each.verdict for each in single])
    if not len(scores) or scores.std() == 0:
        return None
    if kind == "ordinal":
        return Lesson(kind, single, np.unique(scores, return_inverse=True)[1].astype(np.float64))
    return Lesson(kind, single, (scores - scores.mean()) / scores.std())


def _fitted(model: LanguageModel, lesson: Lesson, every: np.ndarray, l2: float) -> Head:
    """The best head on a model's states.

    Parameters
    ----------
    every: (n, d) its states of all candidates.
    """
    mean, spread = every.mean(axis=0), every.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0) * np.sqrt(every.shape[1])
    points = response_features(paired_states(model, [each.asked for each in lesson.judged]))
    if lesson.kind == "bradley_terry":
        weights = reward_heads.bradley_terry(points / scale, lesson.said, l2)
    elif lesson.kind == "ordinal":
        weights = reward_heads.ordinal((points - mean) / scale, lesson.said, l2)
    else:
        weights = reward_heads.ridge((points - mean) / scale, lesson.said, l2)
    return Head(mean, scale, weights, l2)


def _apart(judged: Sequence[Judged]) -> tuple[list[Judged], list[Judged]]:
    """Judgements of one response, and of two."""
    single = [each for each in judged if len(each.responses) == 1]
    return single, [each for each in judged if len(each.responses) == 2]


def _all_pairs(single: Sequence[Judged]) -> list[Judged]:
    """The pairs of one prompt that scores say something about."""
    by_prompt: dict[object, list[Judged]] = {}
    for each in single:
        by_prompt.setdefault(each.prompt, []).append(each)
    return [
        Judged(first.prompt, (*first.responses, *second.responses), float(np.sign(second.verdict - first.verdict)))
        for some in by_prompt.values()
        for place, second in enumerate(some)
        for first in some[:place]
    ]
