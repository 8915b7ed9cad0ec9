"""BatchBALD over an ensemble of eight: exact joint entropies first, then sampled ones."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.case import Case, SpeedSetting
from labelbench_plus.algorithms.batch_bald import batch_bald_sampled

SAMPLES = 4096


def textbook(setting: SpeedSetting) -> np.ndarray:
    """Joint entropies from sampled label configurations, every row looked at for every pick."""
    rng = np.random.default_rng(setting.seed)
    members = setting.pool.members().numpy()
    count, rows, classes = members.shape
    tiny = np.finfo(np.float32).tiny
    conditional = -(members * np.log(np.maximum(members, tiny))).sum(axis=2).mean(axis=0)
    # weight[s, m]: probability of member m given the labels in configuration s
    weight = np.full((SAMPLES, count), 1 / count, dtype=np.float32)
    picks: list[int] = []
    for _ in range(setting.batch):
        gain = np.empty(rows, dtype=np.float32)
        for start in range(0, rows, 64):
            predicted = weight @ members[:, start : start + 64].reshape(count, -1)
            entropy = -(predicted * np.log(np.maximum(predicted, tiny))).reshape(SAMPLES, -1, classes).sum(axis=2)
            gain[start : start + 64] = entropy.mean(axis=0)
        gain -= conditional
        gain[picks] = -np.inf
        pick = int(gain.argmax())
        picks.append(pick)
        cumulated = (weight @ members[:, pick]).cumsum(axis=1)
        label = (rng.random((SAMPLES, 1)) * cumulated[:, -1:] > cumulated).sum(axis=1)
        weight *= members[:, pick, np.minimum(label, classes - 1)].T
        weight /= weight.sum(axis=1, keepdims=True)
    return np.array(picks)


def first_five(setting: SpeedSetting, picks: np.ndarray) -> float:
    """I(y; w) of the first five picks from 2^18 sampled labels; it cannot exceed log 8 = 2.08."""
    rng = np.random.default_rng(1)
    chosen = setting.pool.members()[:, picks[:5]].double().numpy()
    count, taken, classes = chosen.shape
    size = 2**15
    log_joint = np.zeros((count, size, count))  # [drawn from, sample, under]
    for member in range(count):
        for place in range(taken):
            label = rng.choice(classes, size, p=chosen[member, place] / chosen[member, place].sum())
            log_joint[member] += np.log(np.maximum(chosen[:, place, label].T, 1e-300))
    own = log_joint[np.arange(count), :, np.arange(count)]
    top = log_joint.max(axis=2)
    marginal = top + np.log(np.exp(log_joint - top[..., None]).mean(axis=2))
    return float((own - marginal).mean())


CASE = Case(
    ours=lambda s: batch_bald_sampled(s.pool.members(), s.batch, np.random.default_rng(s.seed)).indices,
    textbook=textbook,
    quality=first_five,
    quality_name="mutual information of the first five picks, nats (more is better)",
    same_picks=False,
    axes=frozenset({"K", "B"}),
    largest=2000,  # every row is looked at under 4096 samples: 24 s there with 100 classes
    textbook_largest=2000,
    textbook_work=2000 * 10,
)
