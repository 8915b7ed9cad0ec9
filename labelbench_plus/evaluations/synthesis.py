"""What a model wrote to be learned from: relevant or not, new or not, in domain or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from labelbench_plus.contracts.encoders import Encoder
from labelbench_plus.contracts.scores import Scored, Series, SeriesColumn, ShownScore
from labelbench_plus.evaluations import Evaluation, Sitting, evaluations
from labelbench_plus.plugins import From, Since

if TYPE_CHECKING:
    from torch import Tensor

ENDINGS = 0.9  # share of the targets whose last characters, the frequent ones first, are those of the form
PARTS = ("0.25", "0.5", "0.75", "1")  # quarters by relevance, the least relevant first
QUARTERS = Series(
    "quarters",
    "of prompts, up to",
    PARTS,
    (SeriesColumn("relevance", True), SeriesColumn("novelty", True)),
    chart=("relevance", "novelty"),
)


@evaluations.register("synthesis")
@dataclass(frozen=True)
class Synthesis(Evaluation):
    """What a trainer's generator wrote, regardless of what its student learned from it. Models without a generator lack
    these scores.

    Shares are of all prompts that were drawn. `synthetic_parsed` came to their end and say something;
    `synthetic_kept` are learned from; `synthetic_copies` say what a demonstration or an earlier prompt says, and
    `synthetic_near_copies` almost. `synthetic_domain` are prompts that the source could ask, as far as it can tell;
    `synthetic_form` end as nine in ten of the test prompts do. `synthetic_right`: of the kept prompts whose right
    answer the source knows, those that were given it; for diagnosis alone, as no trainer is told.

    Of prompts that came to their end, copies among them: `synthetic_relevance`, the mean NormSim_2 to the test prompts
    over the root of their number; `synthetic_novelty`, the mean of one minus NormSim_∞ to what the generator was shown,
    zero for a copy; `synthetic_distinct_2`. The series `quarters` has both means for each quarter by relevance. The
    names and the scale are ours; see `language.similarity`.

    Parameters
    ----------
    encoder: of prompts. If left out, the base's states, shifted by the mean of the test prompts: to these, short scraps
        of anything lie near, so they flatter.
    """

    title = "Synthetic data"

    encoder: Annotated[Encoder | None, From("encoders"), Since("0.1")] = None

    def primary_metric(self) -> tuple[str, bool]:
        return "synthetic_domain", True

    def shown_scores(self) -> tuple[ShownScore, ...]:
        diagnosis = "for diagnosis: no trainer is told what is right"
        return (
            *(ShownScore(f"synthetic_{name}", True) for name in ("domain", "form", "parsed", "kept")),
            *(ShownScore(f"synthetic_{name}", True) for name in ("relevance", "novelty", "distinct_2")),
            *(ShownScore(f"synthetic_{name}", False) for name in ("copies", "near_copies")),
            ShownScore("synthetic_right", True, diagnosis),
        )

    def series(self) -> tuple[Series, ...]:
        return (QUARTERS,)

    def fingerprint(self) -> str:
        return "" if self.encoder is None else self.encoder.fingerprint()

    def score(self, sitting: Sitting) -> Scored:
        from labelbench_plus.language.matching import right
        from labelbench_plus.language.quality import distinct
        from labelbench_plus.language.similarity import near_copies

        if (written := sitting.model.synthesis) is None:
            return Scored({})
        rows = written.rows
        drawn = [row.prompt for row in rows]
        parsed = [row.prompt for row in rows if row.parsed]
        accepted = [sitting.source.accepted(prompt) for prompt in drawn]
        known = [
            right(row.answer, answers)
            for row, answers in zip(rows, accepted, strict=True)
            if answers and row.fate == "kept"
        ]
        form = _endings([item.prompt.text for item in sitting.test])
        near, new = self._similarity(sitting, parsed, written.shown)
        shares: dict[str, Sequence[float] | np.ndarray] = {
            "parsed": [row.parsed for row in rows],
            "kept": [row.fate == "kept" for row in rows],
            "copies": [row.fate == "copy" for row in rows],
            "near_copies": [*near_copies(parsed, written.shown), *[False] * (len(rows) - len(parsed))],
            "domain": [answers is not None for answers in accepted],
            "form": [row.parsed and row.prompt[-1:] in form for row in rows],
            "right": known,
            "relevance": near,
            "novelty": new,
        }
        scores = {f"synthetic_{name}": _mean(values) for name, values in shares.items()}
        scores["synthetic_distinct_2"] = distinct(parsed, 2)
        order = np.argsort(near, kind="stable")
        for part, places in zip(PARTS, np.array_split(order, len(PARTS)), strict=True):
            scores[QUARTERS.score("relevance", part)] = _mean(near[places])
            scores[QUARTERS.score("novelty", part)] = _mean(new[places])
        return Scored(scores)

    def _similarity(
        self, sitting: Sitting, prompts: Sequence[str], shown: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Relevance and novelty (n,) of each prompt."""
        from labelbench_plus.language.similarity import novelty, relevance

        if not prompts:
            return np.zeros(0), np.zeros(0)
        targets = [item.prompt.text for item in sitting.test]
        vectors = self._vectors(sitting, [*targets, *shown, *prompts])
        wanted, known, mine = vectors.split([len(targets), len(shown), len(prompts)])
        return relevance(mine, wanted).double().numpy(), novelty(mine, known).double().numpy()

    def _vectors(self, sitting: Sitting, texts: Sequence[str]) -> Tensor:
        """(n, d): of the encoder, or of the base; the test's prompts come first."""
        import torch

        if self.encoder is not None:
            from labelbench_plus.inputs.texts import Texts

            return torch.from_numpy(np.asarray(self.encoder.fit(Texts(texts))(Texts(texts))))
        model = sitting.model
        states: Tensor = type(model)(model.base, model.template).hidden(texts).cpu()
        return states - states[: len(sitting.test)].mean(dim=0)


def _endings(texts: Sequence[str]) -> frozenset[str]:
    """The frequent last characters, until they are those of most texts."""
    counts = Counter(text.rstrip()[-1:] for text in texts).most_common()
    sums = np.cumsum([count for _, count in counts])
    return frozenset(ending for ending, _ in counts[: int(np.searchsorted(sums, ENDINGS * len(texts))) + 1])


def _mean(values: Sequence[float] | np.ndarray) -> float:
    """The mean; 0 of nothing."""
    return float(np.mean(values)) if len(values) else 0.0
