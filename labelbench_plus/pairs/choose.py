"""A selection in one process: stages of scoring every shard and cutting exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

import numpy as np
import torch

from labelbench_plus.algorithms.blocks.stream_top_n import Cut, Part, Uids, at_least, top_n, top_n_with_ties
from labelbench_plus.contracts.pair_pools import OpenPool
from labelbench_plus.faults import did_you_mean
from labelbench_plus.pairs.columns import exact_scores
from labelbench_plus.pairs.reading import CHUNK_ROWS, PoolReader, ShardReader
from labelbench_plus.pairs.strategy import PairStrategy, Stage, State
from labelbench_plus.pairs.view import Chosen

Ties = Literal["uid", "datacomp"]


def choose(
    pool: OpenPool,
    strategy: PairStrategy,
    count: int | None,
    seed: int,
    *,
    candidates: Sequence[np.ndarray] | None = None,
    ties: Ties = "uid",
    chunk: int = CHUNK_ROWS,
    device: str = "cpu",
) -> Chosen:
    """Carry out a strategy's stages over the pool.

    Memory: four bytes a row for the scores (eight for doubles) and one for who is in, beside what reading takes.

    Parameters
    ----------
    count: how many to keep in the end; None for a strategy whose last stage has a threshold.
    candidates: for each shard (rows,) bool, who may be chosen; everybody if None.
    ties: see `find_cut`.
    """
    alive = [np.ones(shard.rows, dtype=bool) for shard in pool.shards] if candidates is None else list(candidates)
    chosen = Chosen(alive)
    stages = strategy.stages(chosen.count, count)
    check_columns(stages, pool)
    for number, stage in enumerate(stages):
        reader = PoolReader(pool, chosen.masks.__getitem__, stage.scorer.needs, seed, number, chunk, device)
        scores = score_stage(stage, reader)

        def parts(masks: list[np.ndarray] = chosen.masks, scores: list[np.ndarray] = scores) -> Iterator[Part]:
            for index, mask in enumerate(masks):
                yield scores[index], partial(uids_where, pool, index, mask)

        cut = find_cut(stage, parts, ties)
        masks = []
        for index, mask in enumerate(chosen.masks):
            kept = mask.copy()
            kept[mask] = keeps(cut, scores[index], partial(uids_where, pool, index, mask))
            masks.append(kept)
        chosen = Chosen(masks, [*chosen.cuts, cut], scores)
    return chosen


def score_stage(stage: Stage, reader: PoolReader) -> list[np.ndarray]:
    """The scores of all shards in a stage."""
    state = stage.scorer.prepare(reader)
    if stage.scorer.whole_pool:
        return score_whole_pool(stage, list(reader.shards()), state)
    found: dict[int, np.ndarray] = {}
    for unit in stage.scorer.units(reader.names, reader.seed):
        scores = score_unit(stage.scorer, [reader.shard(shard) for shard in unit], state)
        found.update(zip(unit, scores, strict=True))
    return [found[shard] for shard in range(len(reader.names))]


def check_columns(stages: Sequence[Stage], pool: OpenPool) -> None:
    """Refuse stages that read columns which the pool does not have.

    Raises
    ------
    ValueError
        They do; the message lists those there are.
    """
    known = pool.columns()
    for stage in stages:
        if missing := [name for name in stage.scorer.columns if name not in known]:
            what = f"{', '.join(missing)}{did_you_mean(missing[0], known)} (it has {', '.join(known) or 'none'})"
            raise ValueError(f"strategy {stage.scorer.name!r} reads columns that the pool does not have: {what}")


@torch.no_grad()
def score_unit(scorer: PairStrategy, shards: Sequence[ShardReader], state: State) -> list[np.ndarray]:
    """(rows,) float32 or float64 for each shard of a unit, −∞ for rows that cannot be scored.

    Raises
    ------
    ValueError
        The scorer gave something else.
    """
    found = scorer.score_unit(shards, state)
    return [_checked(scorer, shard, scores) for shard, scores in zip(shards, found, strict=True)]


@torch.no_grad()
def score_whole_pool(stage: Stage, shards: Sequence[ShardReader], state: State) -> list[np.ndarray]:
    """The same of all shards at once, for a scorer of the whole pool."""
    count = stage.count if stage.count is not None else 0
    found = stage.scorer.score_all(shards, state, count)
    return [_checked(stage.scorer, shard, scores) for shard, scores in zip(shards, found, strict=True)]


def find_cut(stage: Stage, parts: Callable[[], Iterator[Part]], ties: Ties) -> Cut:
    """Where a stage cuts its scores.

    With ties "uid" exactly `count` rows stay, those with the lowest uids among equals. With "datacomp" all stay that
    reach the (count + 1)-th greatest score, as DataComp's own program has it: at least one more.

    Raises
    ------
    ValueError
        Fewer rows than asked for have a score.
    """
    if stage.at_least is not None:
        return at_least(stage.at_least)
    assert stage.count is not None
    fit = sum(int((scores > -np.inf).sum()) for scores, _ in parts())
    wanted = stage.count + (ties == "datacomp")
    if fit < wanted:
        raise ValueError(
            f"{stage.scorer.name!r} is to keep {stage.count} pairs, but only {fit} have a score (the others have "
            "vectors that are zero or not finite, or lack a score)"
        )
    return top_n(parts, stage.count) if ties == "uid" else top_n_with_ties(parts, stage.count)


def uids_where(pool: OpenPool, shard: int, mask: np.ndarray) -> np.ndarray:
    """The uids of some rows of a shard."""
    return pool.uids(shard)[mask]


def keeps(cut: Cut, scores: np.ndarray, uids: Uids) -> np.ndarray:
    """(n,) bool: who stays. A score of −∞ never does, whatever the threshold."""
    return cut.keeps(scores, uids) & (scores > -np.inf)


def _checked(scorer: PairStrategy, shard: ShardReader, scores: np.ndarray) -> np.ndarray:
    scores = exact_scores(np.asarray(scores), f"{shard.shard.name}: the scores of {scorer.name!r}")
    if scores.shape != (shard.rows,):
        raise ValueError(f"{scorer.name!r} gave scores {scores.shape} for the {shard.rows} rows of {shard.shard.name}")
    scores = np.where(shard.bad, np.float32(-np.inf), scores)
    if len(wrong := np.flatnonzero(np.isnan(scores) | (scores == np.inf))):
        raise ValueError(f"{scorer.name!r} gave a score of {scores[wrong[0]]} in {shard.shard.name}, row {wrong[0]}")
    return scores
