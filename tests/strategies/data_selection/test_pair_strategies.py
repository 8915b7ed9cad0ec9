"""What every strategy that chooses pairs must do, and what some of them are."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.neg_clip_loss import cut_batches, neg_clip_loss
from labelbench_plus.pair_pools import OpenPool, Shard
from labelbench_plus.pair_pools.generated_pairs import GeneratedPairs
from labelbench_plus.pairs.choose import choose
from labelbench_plus.pairs.strategy import PairStrategy, fraction_of
from labelbench_plus.pairs.view import PairView
from labelbench_plus.plugins import registry
from labelbench_plus.seeding import Streams
from labelbench_plus.strategies import strategies
from labelbench_plus.view import CapabilityError
from tests.pairs import shared_pool

ROWS = 700
WORDS = Path(__file__).with_name("words.txt")
SETTINGS = {
    "neg_clip_loss": {"batch": 128, "draws": 2},
    "neg_clip_loss_mixed": {"batch": 128, "draws": 2, "mix": 2},
    "neg_clip_loss_bank": {"references": 200, "batch": 128, "shards": 2},
    "text_based": {"words": str(WORDS), "digest": hashlib.sha256(WORDS.read_bytes()).hexdigest()},
    "image_based": {"clusters": 30},
    "vas_d": {"rounds": 3},
    "design_removal": {"rounds": 3},
    "two_stage": {"first": "clip_score", "fraction": 0.8},
    "rank_sum": {"first": "clip_score"},
    "known_clean": {"wanted": ("on target",)},
}


BLIND = {"random_pairs", "known_clean", "basic_filter", "text_based"}  # these look at no vector and no stored score
DRAWING = {"neg_clip_loss", "neg_clip_loss_mixed", "neg_clip_loss_bank", "image_based", "two_stage"}
"""These draw among all rows, or take fractions of them."""


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

    def columns(self):
        return self._pool.columns()

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
        "image_based", "nearest_targets", "design_removal", "known_clean", "rank_sum", "neg_clip_loss_mixed",
        "neg_clip_loss_bank", "basic_filter", "text_based",
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


@pytest.mark.parametrize("name", [n for n in pair_strategies() if n not in BLIND])
def test_rows_without_a_vector_are_never_kept_and_disturb_nobody(pool, name):
    spoilt, dropped = (Spoilt(pool, how) for how in ("spoilt", "dropped"))
    everything = ROWS - 60
    strategy = replace(build(name), fraction=everything / ROWS) if name == "two_stage" else build(name)
    kept = chosen(spoilt, strategy, everything)
    assert [len(rows) for rows in kept] == [shard.rows for shard in dropped.shards]
    if name not in DRAWING:
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
    view = PairView(frozenset(), partial(choose, pool))
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


def everything(pool) -> list[torch.Tensor]:
    """Images and texts of all shards."""
    return [
        torch.from_numpy(np.concatenate([part for shard in range(3) for part in pool.vectors(shard, side, 999)]))
        for side in ("images", "texts")
    ]


def test_batches_across_shards_by_hand(pool):
    strategy = strategies.build({"name": "neg_clip_loss_mixed", "batch": 128, "draws": 2, "mix": 3})
    names = "\n".join(shard.name for shard in pool.shards)
    words = np.frombuffer(hashlib.sha256(names.encode()).digest()[:16], dtype="<u4").tolist()
    streams = [np.random.default_rng(np.random.SeedSequence(5, spawn_key=(*words, 0, draw))) for draw in range(2)]
    draws = [cut_batches(rng.permutation(ROWS), 128, "offdiag") for rng in streams]
    ours = np.concatenate(choose(pool, strategy, 100, 5).scores)
    assert np.array_equal(ours, neg_clip_loss(*everything(pool), draws, batch=128).numpy())


def test_every_shard_is_in_one_unit_that_the_seed_draws():
    strategy = strategies.build({"name": "neg_clip_loss_mixed", "mix": 3})
    names = [f"part-{number}" for number in range(10)]
    units = strategy.units(names, 4)
    assert [len(unit) for unit in units] == [3, 3, 3, 1] and sorted(part for unit in units for part in unit) == list(
        range(10)
    )
    assert units == strategy.units(names, 4) != strategy.units(names, 5)
    with pytest.raises(ValueError, match="shard by shard in one stage"):
        strategies.build({"name": "rank_sum", "first": "neg_clip_loss_mixed"})


def test_a_bank_of_the_whole_pool_by_hand(pool):
    strategy = strategies.build({"name": "neg_clip_loss_bank", "references": ROWS, "batch": ROWS})
    ours = np.concatenate(choose(pool, strategy, 100, 5).scores)
    np.testing.assert_allclose(ours, neg_clip_loss(*everything(pool), [[np.arange(ROWS)]]).numpy(), rtol=0, atol=1e-6)


def metadata(pool, name):
    return np.concatenate([pool.metadata(shard, name) for shard in range(3)])


def passing(pool, strategy) -> np.ndarray:
    scores = np.concatenate(choose(pool, strategies.build(strategy), 0, 5).scores)
    assert set(scores.tolist()) <= {0.0, 1.0}
    return scores == 1


def test_basic_filter(pool):
    def by_hand(words, characters, side, aspect, language):
        columns = [metadata(pool, n).tolist() for n in ("text", "language", "original_width", "original_height")]
        return np.array(
            [
                len(text.split()) >= words
                and len(text) >= characters
                and (spoken == "en" or not language)
                and min(width, height) >= side
                and max(width, height) <= aspect * min(width, height)
                for text, spoken, width, height in zip(*columns, strict=True)
            ]
        )

    default = passing(pool, "basic_filter")
    assert np.array_equal(default, by_hand(3, 6, 200, 3.0, True)) and 0.1 < default.mean() < 0.9
    captions = {"name": "basic_filter", "words": 2, "side": 0, "aspect": None}
    assert np.array_equal(passing(pool, captions), by_hand(2, 6, 0, 1e9, True))
    assert np.array_equal(passing(pool, {**captions, "language": None}), by_hand(2, 6, 0, 1e9, False))
    recipe = {"name": "two_stage", "first": captions, "second": "image_based", "at_least": 1.0}
    kept = choose(pool, strategies.build(recipe), 50, 5)
    assert passing(pool, captions)[np.concatenate(kept.masks)].all() and kept.count == 50


def test_captions_and_sizes_may_be_missing(pool):
    class Gaps(Spoilt):
        def metadata(self, shard, name):
            values = self._pool.metadata(shard, name)
            if name == "text":
                return np.array([None, *values[1:]], dtype=object)
            return np.array([np.nan, *values[1:]]) if name == "original_width" else values

    with_gaps = Gaps(pool, "")
    first = np.isin(np.arange(ROWS), np.cumsum([0, *(shard.rows for shard in pool.shards[:2])]))
    easy = {"name": "basic_filter", "language": None, "words": 0, "characters": 0, "side": 1, "aspect": None}
    assert passing(pool, easy).all() and np.array_equal(passing(with_gaps, easy), ~first)
    assert not passing(with_gaps, {**easy, "side": 0, "characters": 1})[first].any()


def test_columns_that_are_not_there_are_refused_before_anything_is_done(pool):
    with pytest.raises(ValueError, match=r"'basic_filter' reads columns .* not have: fasttext; did you mean 'text'\?"):
        choose(pool, strategies.build({"name": "basic_filter", "language": "fasttext"}), 3, 0)
    recipe = {"name": "two_stage", "first": "clip_score", "second": {"name": "score_column", "column": "beauty"}}
    with pytest.raises(ValueError, match="'score_column' reads columns that the pool does not have: beauty"):
        choose(pool, strategies.build(recipe), 3, 0)


def test_text_based(pool, tmp_path):
    listed = set(WORDS.read_text().split())
    has_one = [bool(listed & set(text.split())) for text in metadata(pool, "text")]
    by_hand = has_one & (metadata(pool, "language") == "en")
    assert np.array_equal(passing(pool, {"name": "text_based", **SETTINGS["text_based"]}), by_hand)
    assert 0.1 < by_hand.mean() < 0.9
    other = tmp_path / "other.txt"
    other.write_text("Dusk’s\nred-barn\n")
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=f"set `digest: {digest}`"):
        choose(pool, strategies.build({"name": "text_based", "words": str(other), "digest": "0"}), 3, 0)
    for text, expected in (("At DUSK’S end", True), ("a red-barn.", True), ("red barn", False), ("dusk", False)):

        class Says(Spoilt):
            def metadata(self, shard, name, text=text):
                return np.full(self.shards[shard].rows, text if name == "text" else "en")

        settings = {"words": str(other), "digest": digest}
        assert passing(Says(pool, ""), {"name": "text_based", **settings}).all() == expected


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
    # With the theory's 24 concepts, one wrong caption in eight shows the image's own concept by chance and is none.
    spec = GeneratedPairs(rows=6000, shards=1, width=96, concepts=60, swapped=0.3)
    pool, before = spec.open(Streams(2)), replace(spec, swapped=0.0).open(Streams(2))
    swapped = pool.kinds(0) == "swapped caption"
    fair = pool.quality(0) >= 0.3  # a caption that was wrong before cannot get worse
    loss = strategies.build({"name": "neg_clip_loss", "batch": 2048, "draws": 5})
    for strategy in (build("clip_score"), loss):
        scores = choose(pool, strategy, 1, 0).scores[0]
        assert shared_pool.area_above(scores[fair & ~swapped], scores[fair & swapped]) > 0.95, strategy.name
    for name in ("vas", "norm_sim"):
        assert np.array_equal(choose(pool, build(name), 1, 0).scores[0], choose(before, build(name), 1, 0).scores[0])
