"""What every strategy that chooses pairs must do, and what some of them are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labelbench_plus.data_selection.choose import PairView, choose
from labelbench_plus.data_selection.strategy import PairStrategy, fraction_of
from labelbench_plus.pair_pools import OpenPool, Shard
from labelbench_plus.pair_pools.generated_pairs import GeneratedPairs
from labelbench_plus.plugins import registry
from labelbench_plus.seeding import Streams
from labelbench_plus.strategies import strategies
from labelbench_plus.view import CapabilityError

ROWS = 700
SETTINGS = {
    "neg_clip_loss": {"batch": 128, "draws": 2},
    "image_based": {"clusters": 30},
    "vas_d": {"rounds": 3},
    "design_removal": {"rounds": 3},
    "two_stage": {"first": "clip_score", "fraction": 0.8},
    "rank_sum": {"first": "clip_score"},
    "known_clean": {"wanted": ("on target",)},
}


def pair_strategies() -> list[str]:
    found = registry("strategies")
    built_in = [name for name, entry in found.entries().items() if entry.origin == "built in"]
    return [name for name in built_in if issubclass(found.load(name), PairStrategy)]


def build(name: str) -> PairStrategy:
    return strategies.build({"name": name, **SETTINGS.get(name, {})})


@pytest.fixture(scope="module")
def pool() -> OpenPool:
    return GeneratedPairs(rows=ROWS, shards=3, width=32, swapped=0.2, target_rows=100).open(Streams(0))


class Spoilt(OpenPool):
    """A pool in which some rows of each shard have no usable vectors, or are dropped altogether."""

    def __init__(self, pool: OpenPool, how: str) -> None:
        self._pool, self._how = pool, how
        self.shards = tuple(Shard(s.name, s.rows - 20 * (how == "dropped")) for s in pool.shards)

    def __getattr__(self, name):
        return getattr(self._pool, name)

    def uids(self, shard):
        return self._pool.uids(shard)[: self.shards[shard].rows]

    def kinds(self, shard):
        return self._pool.kinds(shard)[: self.shards[shard].rows]

    def column(self, shard, name):
        values = self._pool.column(shard, name)[: self.shards[shard].rows]
        if self._how == "spoilt":
            values[-20:] = np.nan
        return values

    def vectors(self, shard, side, chunk):
        whole = np.concatenate(list(self._pool.vectors(shard, side, 10_000)))[: self.shards[shard].rows]
        if self._how == "spoilt":
            whole = whole.copy()
            whole[-20:-10] = np.nan
            whole[-10:] = 0
        yield from (whole[start : start + chunk] for start in range(0, len(whole), chunk))

    def targets(self):
        return self._pool.targets()


def chosen(pool, strategy, count, **options) -> list[list[int]]:
    return [np.flatnonzero(mask).tolist() for mask in choose(pool, strategy, count, 5, **options).masks]


def test_the_list_is_the_issue_s():
    assert set(pair_strategies()) == {
        "random_pairs", "clip_score", "score_column", "neg_clip_loss", "vas", "norm_sim", "vas_d", "two_stage",
        "image_based", "nearest_targets", "design_removal", "known_clean", "rank_sum",
    }  # fmt: skip


@pytest.mark.parametrize("name", pair_strategies())
@pytest.mark.parametrize("count", [0, 1, 233])
def test_exactly_as_many_as_asked_for(pool, name, count):
    assert sum(map(len, chosen(pool, build(name), count))) == count


@pytest.mark.parametrize("name", pair_strategies())
def test_check_9_the_same_for_any_chunk(pool, name):
    whole = chosen(pool, build(name), 233, chunk=ROWS)
    for chunk in (1, 7, 1000):
        assert chosen(pool, build(name), 233, chunk=chunk) == whole


@pytest.mark.parametrize("name", [n for n in pair_strategies() if n not in ("random_pairs", "known_clean")])
def test_rows_without_a_vector_are_never_kept_and_disturb_nobody(pool, name):
    spoilt, dropped = (Spoilt(pool, how) for how in ("spoilt", "dropped"))
    everything = ROWS - 60
    strategy = replace(build(name), fraction=everything / ROWS) if name == "two_stage" else build(name)
    kept = chosen(spoilt, strategy, everything)
    assert [len(rows) for rows in kept] == [shard.rows for shard in dropped.shards]
    if name not in ("neg_clip_loss", "image_based", "two_stage"):  # these draw, or take fractions, among all rows
        assert chosen(spoilt, strategy, 200) == chosen(dropped, strategy, 200)
    with pytest.raises(ValueError, match=r"but only 640 have a score|first stage keeps"):
        chosen(spoilt, strategy, everything + 1)


def test_a_strategy_sees_what_it_declared(pool):
    class Greedy(PairStrategy):
        name = "greedy"
        needs = frozenset({"images"})

        def score(self, shard, state):
            shard.load("texts")

    with pytest.raises(CapabilityError, match="texts were read, but the strategy declares that it needs images"):
        choose(pool, Greedy(), 3, 0)
    view = PairView(frozenset(), pool, [np.ones(shard.rows, dtype=bool) for shard in pool.shards])
    with pytest.raises(CapabilityError, match="not declared"):
        view.best(build("vas"), 3, 0)


def test_a_pool_without_targets(pool):
    class Bare(Spoilt):
        def targets(self):
            return iter(())

    with pytest.raises(ValueError, match="the pool names none"):
        choose(Bare(pool, ""), build("norm_sim"), 3, 0)


def test_fractions_are_of_the_pool_in_every_stage(pool):
    recipe = strategies.build({"name": "two_stage", "first": "clip_score", "second": "vas", "fraction": 0.5})
    stages = recipe.stages(ROWS, fraction_of(ROWS, 0.2))
    assert [stage.count for stage in stages] == [350, 140]
    first = choose(pool, build("clip_score"), 350, 5).masks
    both = choose(pool, recipe, 140, 5).masks
    assert all((mask <= before).all() for mask, before in zip(both, first, strict=True))
    with pytest.raises(ValueError, match="first stage keeps 350 of 700 pairs, fewer than the 400"):
        recipe.stages(ROWS, 400)


def test_two_stages_must_choose_pairs():
    with pytest.raises(ValueError, match="does not choose pairs"):
        strategies.build({"name": "two_stage", "first": "random"})


def test_rank_sum(pool):
    both = choose(pool, strategies.build({"name": "rank_sum", "first": "clip_score", "second": "vas"}), 100, 5)
    single = [np.concatenate(choose(pool, build(name), 100, 5).scores) for name in ("clip_score", "vas")]
    ranks = sum((scores[:, None] >= scores).sum(axis=1) / ROWS for scores in single)
    np.testing.assert_allclose(np.concatenate(both.scores), ranks, rtol=1e-6)
    with pytest.raises(ValueError, match="shard by shard in one stage"):
        strategies.build({"name": "rank_sum", "first": "vas_d"})


def test_check_4_norm_sim_2_and_vas_keep_the_same(pool):
    assert chosen(pool, strategies.build({"name": "norm_sim", "norm": 2}), 200) == chosen(pool, build("vas"), 200)


def test_image_based_keeps_clusters_near_targets(pool):
    scores = choose(pool, build("image_based"), 233, 5).scores
    kinds = [pool.kinds(shard) for shard in range(3)]
    near = np.concatenate(scores) == 1
    on = np.concatenate(kinds) == "on target"
    assert set(np.unique(np.concatenate(scores))) == {0.0, 1.0}
    assert near[on].mean() > 0.95 > 0.5 > near[np.concatenate(kinds) == "off target"].mean()


def share_on_target(pool, strategy, count) -> float:
    masks = choose(pool, strategy, count, 1).masks
    return float(np.mean(np.concatenate([pool.kinds(s)[mask] for s, mask in enumerate(masks)]) == "on target"))


def test_check_15_random_scores_give_the_base_rate():
    pool = GeneratedPairs(rows=12_000, width=32).open(Streams(1))
    base = np.mean(np.concatenate([pool.kinds(shard) for shard in range(4)]) == "on target")
    error = np.sqrt(base * (1 - base) / 3600)
    assert abs(share_on_target(pool, build("random_pairs"), 3600) - base) < 4 * error
    assert share_on_target(pool, build("vas"), 3600) > base + 20 * error


def test_check_15_swapped_captions_fall_for_scores_of_pairs_alone():
    spec = GeneratedPairs(rows=6000, shards=1, width=64, swapped=0.3)
    pool, before = spec.open(Streams(2)), replace(spec, swapped=0.0).open(Streams(2))
    swapped = pool.kinds(0) == "swapped caption"
    fair = pool.quality(0) >= 0.5  # a caption that was half wrong before cannot get much worse
    loss = strategies.build({"name": "neg_clip_loss", "batch": 2048, "draws": 5})
    for strategy in (build("clip_score"), loss):
        scores = choose(pool, strategy, 1, 0).scores[0]
        kept, fallen = scores[fair & ~swapped], scores[fair & swapped]
        order = np.argsort(np.concatenate([fallen, kept]))
        ranks = np.empty(len(order))
        ranks[order] = np.arange(len(order))
        auc = 1 - (ranks[: len(fallen)].mean() - (len(fallen) - 1) / 2) / len(kept)
        assert auc > 0.95, strategy.name
    for name in ("vas", "norm_sim"):
        assert np.array_equal(choose(pool, build(name), 1, 0).scores[0], choose(before, build(name), 1, 0).scores[0])
