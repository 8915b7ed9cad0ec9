"""A proxy that learns from few judgements to judge everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from labelbench_plus.algorithms import reward_heads
from labelbench_plus.language.comparables import paired_states, response_features
from labelbench_plus.language.judged import Judged
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.rewards import Proxy
from labelbench_plus.trainers.language._dpo import Pairs, best_against_worst

if TYPE_CHECKING:
    from labelbench_plus.language.policy import Reward
    from labelbench_plus.language.preference_data import PreferenceData

Head = Literal["auto", "bradley_terry", "ridge", "ordinal"]


def frozen(data: PreferenceData, head: Head, l2: float) -> Proxy | None:
    """A head on the states of the policy as it is; None where there is nothing to learn from.

    Features are standardised by what they are over all candidates, and divided by the root of their number, so that
    `l2` means the same for any width.

    Raises
    ------
    ValueError
        The head learns from scores, and pairs are sold.
    """
    kind = head if head != "auto" else "bradley_terry" if data.wants == "pair" else "ridge"
    if data.wants == "pair" and kind != "bradley_terry":
        raise ValueError(f"head {kind!r} learns from scores, and this problem sells pairs: choose bradley_terry")
    every = data.candidates.states[:, :2].reshape(len(data.candidates.responses), -1).astype(np.float64)
    mean, spread = every.mean(axis=0), every.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0) * np.sqrt(every.shape[1])
    single, paired = _apart(data.judged)
    model = LanguageModel(data.base, data.template)
    if kind == "bradley_terry":
        weights = _of_pairs(model, [*paired, *_all_pairs(single)], scale, l2)
    else:
        weights = _of_scores(model, single, mean, scale, kind, l2)
    if weights is None:
        return None
    return Proxy(torch.from_numpy(mean), torch.from_numpy(scale), torch.from_numpy(weights))


def labelled_by(data: PreferenceData, reward: Reward | None) -> Pairs:
    """The best against the worst of every prompt's candidates, by a reward. No expert is asked."""
    if reward is None:
        return Pairs((), 0)
    block, count = data.candidates, data.candidates.shape.responses
    if isinstance(reward, Proxy) and reward.body is None:  # what it judges by is there already
        every = block.states[:, :2].reshape(len(block.responses), -1)
        scores = (((torch.from_numpy(np.array(every)).double() - reward.mean) / reward.scale) @ reward.weights).numpy()
    else:
        model = LanguageModel(data.base, data.template)
        scores = reward.rewards(model, [block.single(row) for row in range(len(block.responses))]).numpy()
    texts = np.array([each.text for each in block.responses], dtype=object).reshape(-1, count)
    found = best_against_worst(block.prompts, texts.tolist(), scores.reshape(-1, count))
    return Pairs(found.pairs, found.ties, reward)


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


def _of_pairs(model: LanguageModel, paired: Sequence[Judged], scale: np.ndarray, l2: float) -> np.ndarray | None:
    told = [each for each in paired if each.verdict]  # a tie says nothing to Bradley and Terry
    if not told:
        return None
    differences = response_features(paired_states(model, [each.asked for each in told])) / scale
    return reward_heads.bradley_terry(differences, np.array([(1 + each.verdict) / 2 for each in told]), l2)


def _of_scores(
    model: LanguageModel, single: Sequence[Judged], mean: np.ndarray, scale: np.ndarray, kind: str, l2: float
) -> np.ndarray | None:
    scores = np.array([each.verdict for each in single])
    if not len(scores) or scores.std() == 0:
        return None
    points = (response_features(paired_states(model, [each.asked for each in single])) - mean) / scale
    if kind == "ordinal":
        return reward_heads.ordinal(points, scores, l2)
    return reward_heads.ridge(points, (scores - scores.mean()) / scores.std(), l2)
