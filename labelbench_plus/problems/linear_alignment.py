"""The setting of the data-selection theory: linear students of image-text pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge

from labelbench_plus.contracts.pair_pools import PairPool
from labelbench_plus.plugins import From
from labelbench_plus.problems import Place, problems
from labelbench_plus.problems.image_text import ImageText, ImageTextInstance
from labelbench_plus.seeding import Streams


@problems.register("linear_alignment")
@dataclass(frozen=True)
class LinearAlignmentProblem(ImageText):
    """Keep some pairs, fit a linear student in closed form, and see how it aligns with clean pairs of the targets.

    With C the test pairs' centred cross-covariance and G the student's map: `raw` is <C, G>, minus the theory's test
    loss times ρ. It grows with the scale of G and so rewards redundancy; `cosine` is the same over both norms, and
    `retrieval` the share of images and texts that find their partner first among 128.
    """

    title = "Linear image-text alignment"
    task = "linear_alignment"

    pool: Annotated[PairPool, From("pair_pools")]
    metric: Literal["raw", "cosine", "retrieval"] = "raw"  # type: ignore[assignment]
    retrieval_among: Annotated[int, Ge(2)] = 128

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        sizes = {"rows": 400, "shards": 2, "width": 16, "concepts": 8, "wanted": 3}
        return {"pool": {"name": "generated_pairs", **sizes}}

    def open(self, place: Place, streams: Streams) -> LinearAlignmentInstance:
        return LinearAlignmentInstance(self.pool.open(streams), self.retrieval_among, place.device)


class LinearAlignmentInstance(ImageTextInstance):
    """A pool of pairs made ready, for linear students."""

    def evaluate(self, model: Any) -> dict[str, float]:
        import torch

        from labelbench_plus.algorithms.learners.contrastive import recall_at_1
        from labelbench_plus.algorithms.learners.linear_alignment import cross_covariance

        pairs = self._evaluation().pairs
        images, texts = (torch.from_numpy(side).to(self._device) for side in (pairs.images, pairs.texts))
        covariance, product = cross_covariance(images, texts), model.product
        raw = float((covariance * product).sum())
        found = recall_at_1(
            images.double() @ model.left, texts.double() @ model.right, torch.arange(len(images)), self._among
        )
        return {"raw": raw, "cosine": raw / float(covariance.norm() * product.norm()), "retrieval": found}

    def denominators(self) -> dict[str, frozenset[int]]:
        return {"raw": frozenset(), "cosine": frozenset()}
