"""Choosing image-text pairs to train a contrastive model on."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from labelbench_plus.answers import MASK
from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.contracts.pair_pools import Evaluation, Inputs, OpenPool, PairPool
from labelbench_plus.contracts.scores import check_predictions
from labelbench_plus.oracle import Again, Oracle, QueryError, check_again
from labelbench_plus.pairs.view import COLUMNS, Chosen, PairView
from labelbench_plus.plugins import From, label
from labelbench_plus.problems import Place, Problem, problems
from labelbench_plus.seeding import Streams

ANSWER_LEVEL = 6  # of compression; part of what a ledger holds


@dataclass(frozen=True)
class PairData:
    """What a contrastive trainer is shown: the pairs that were chosen, and how many different words there may be."""

    pairs: Inputs
    words: int | None
    device: str


@problems.register("image_text")
@dataclass(frozen=True)
class ImageText(Problem):
    """Keep some pairs of a pool, train a small CLIP on them, and classify images by the captions of their classes.

    One pair costs one unit. What is bought is recorded shard by shard as the rows' bit mask, so that a ledger grows by
    a bit a pair and no list of the pool is ever made.

    Scores: `zero_shot`, the share of test images whose own class's caption is the nearest; `zero_shot_balanced`, the
    mean of that share over classes; `retrieval`, the share of test images and texts whose nearest counterpart among
    `retrieval_among` is theirs or has the same text, both ways averaged.

    Parameters
    ----------
    pool: where the pairs come from. It must have something to test on.
    metric: which score ranks.
    """

    title = "Image-text pairs"
    query = "pairs"
    task = "contrastive"
    unit = "pairs"
    provides = frozenset({"images", "texts", "targets", "scores", "metadata", "truth"})
    declares = COLUMNS

    pool: Annotated[PairPool, From("pair_pools")]
    metric: Literal["zero_shot", "zero_shot_balanced", "retrieval"] = "zero_shot"
    retrieval_among: Annotated[int, Ge(2)] = 128

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        pool = {"name": "captioned_images", "dataset": "digits", "wanted": [0, 1, 2], "pairs": 200}
        return {"pool": pool, "retrieval_among": 16}

    def fingerprint(self) -> str:
        return self.pool.fingerprint()

    def capacity(self) -> float:
        if not self.pool.can_train():
            raise ValueError(
                f"pair pool {self.pool.name!r} has no test data, so nothing can be ranked here; select with "
                "`lbp pairs select` and train elsewhere"
            )
        return float(self.pool.size())

    def validation_labels(self) -> int:
        return 0

    def primary_metric(self) -> tuple[str, bool]:
        return self.metric, True

    def dataset_name(self) -> str:
        return label(self.pool)

    def open(self, place: Place, streams: Streams) -> ImageTextInstance:
        return ImageTextInstance(self.pool.open(streams), self.retrieval_among, place.device)


class ImageTextInstance:
    """A pool of pairs made ready."""

    def __init__(self, pool: OpenPool, among: int, device: str) -> None:
        from labelbench_plus.pairs.choose import choose

        self.oracle = PairOracle([shard.rows for shard in pool.shards])
        self._pool, self._among, self._device = pool, among, device
        self._choose = partial(choose, pool, device=device)

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> PairView:
        unbought = [~mask for mask in self.oracle.bought(ledger)]
        return PairView(needs, partial(self._choose, candidates=unbought))

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> PairData:
        parts = [self._pool.inputs(i, np.flatnonzero(mask)) for i, mask in enumerate(self.oracle.bought(ledger))]
        pairs = Inputs(*(np.concatenate([getattr(part, side) for part in parts]) for side in ("images", "texts")))
        return PairData(pairs, self._evaluation().words, self._device)

    def evaluate(self, model: Any) -> dict[str, float]:
        import torch

        from labelbench_plus.algorithms.learners.contrastive import recall_at_1

        test = self._evaluation()
        images, texts = model.embed_images(test.pairs.images), model.embed_texts(test.pairs.texts)
        for embedded in (images, texts):
            check_predictions(embedded, ("zero_shot", "zero_shot_balanced", "retrieval"))
        nearest = (images @ model.embed_texts(test.class_texts).T).argmax(dim=1).cpu()
        labels = torch.from_numpy(test.labels)
        known = labels >= 0
        right = (nearest == labels)[known].double()
        _, groups = np.unique(test.pairs.texts, axis=0, return_inverse=True)
        of_class = [float(right[labels[known] == k].mean()) for k in labels[known].unique().tolist()]
        return {
            "zero_shot": float(right.mean()),
            "zero_shot_balanced": float(np.mean(of_class)),
            "retrieval": recall_at_1(images, texts, torch.from_numpy(groups), self._among),
        }

    def denominators(self) -> dict[str, frozenset[int]]:
        labels = self._evaluation().labels
        return {"zero_shot": frozenset({int((labels >= 0).sum())})}

    def _evaluation(self) -> Evaluation:
        found = self._pool.evaluation()
        assert found is not None  # a pool without is refused when its capacity is asked for
        return found


class PairOracle(Oracle):
    """Sells pairs, one unit each.

    A purchase lists the shards: how many of each one's pairs were bought, and as the answer which ones they are, a
    compressed bit mask. Nothing in it is as long as the pool.

    Parameters
    ----------
    rows: of each shard.
    """

    kind = MASK

    def __init__(self, rows: Sequence[int]) -> None:
        self._rows = list(rows)

    def ask_for(self, allowance: float, ledger: Ledger) -> int:
        return min(int(allowance), sum(self._rows) - sum(purchase.labels for purchase in ledger.purchases))

    def sells(self, query: Any, allowance: float, ledger: Ledger) -> tuple[np.ndarray, np.ndarray]:
        masks = self._checked(query, allowance, ledger)
        return np.arange(len(masks)), np.array([mask.sum() for mask in masks], dtype=np.float64)

    def answer(self, query: Any, allowance: float, ledger: Ledger) -> None:
        masks = self._checked(query, allowance, ledger)
        counts = np.array([int(mask.sum()) for mask in masks], dtype=np.int64)
        answers = np.array([_packed(mask) for mask in masks], dtype=object)
        purchase = Purchase(np.arange(len(masks)), counts.astype(np.float64), answers, counts, kind=self.kind)
        check_again(query, purchase)
        ledger.record(purchase)

    def _checked(self, query: Any, allowance: float, ledger: Ledger) -> list[np.ndarray]:
        """For each shard (rows,) bool, the pairs of a query that is in order."""
        asked = query
        if isinstance(query, Again):
            asked = Chosen([_unpacked(*each) for each in zip(query.purchase.answers.tolist(), self._rows, strict=True)])
        masks = getattr(asked, "masks", None)
        if not isinstance(asked, Chosen) or masks is None:
            raise QueryError(f"expected a choice of pairs (view.best), got {type(query).__name__}")
        shapes = [mask.shape for mask in masks]
        if shapes != [(rows,) for rows in self._rows]:
            raise QueryError(f"expected a mask for each of {len(self._rows)} shards, got {len(masks)} of {shapes[:3]}")
        if asked.count != (expected := self.ask_for(allowance, ledger)):
            raise QueryError(f"expected {expected} pairs, got {asked.count}")
        for shard, (mask, before) in enumerate(zip(masks, self.bought(ledger), strict=True)):
            if again := int((mask & before).sum()):
                raise QueryError(f"expected pairs not bought before, but {again} of shard {shard} were")
        return list(masks)

    def bought(self, ledger: Ledger) -> list[np.ndarray]:
        """For each shard (rows,) bool, what was bought so far."""
        masks = [np.zeros(rows, dtype=bool) for rows in self._rows]
        for purchase in ledger.purchases:
            for shard, packed in zip(purchase.items.tolist(), purchase.answers.tolist(), strict=True):
                masks[shard] |= _unpacked(packed, self._rows[shard])
        return masks


def _packed(mask: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), ANSWER_LEVEL)).decode()


def _unpacked(text: str, rows: int) -> np.ndarray:
    """A mask (rows,) again. ValueError for a text that is none; no more of it is unpacked than a mask is long."""
    size, reader = (rows + 7) // 8, zlib.decompressobj()
    try:
        content = reader.decompress(base64.b64decode(text), size + 1)
    except zlib.error as error:
        raise ValueError(f"not the mask of {rows} pairs: {error}") from error
    if len(content) != size:
        raise ValueError(f"not the mask of {rows} pairs: expected {size} bytes, got {len(content)} or more")
    return np.unpackbits(np.frombuffer(content, dtype=np.uint8), count=rows).astype(bool)
