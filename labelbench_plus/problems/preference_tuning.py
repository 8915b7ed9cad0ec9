"""Whose opinion is worth asking for: a policy is tuned to please an expert, whose judgements are bought."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge

from labelbench_plus.contracts.annotators import Annotator, check_asked
from labelbench_plus.contracts.bases import Base
from labelbench_plus.contracts.capabilities import FORWARD, FREE, Capability
from labelbench_plus.contracts.prompts import PromptSource, loaded
from labelbench_plus.contracts.scores import Guard, ShownScore
from labelbench_plus.contracts.trainers import Trainer
from labelbench_plus.language.candidates import Shape
from labelbench_plus.language.options import Decoding
from labelbench_plus.language.templates import Template
from labelbench_plus.plugins import From, label
from labelbench_plus.problems import Place, Problem, problems
from labelbench_plus.seeding import Streams

if TYPE_CHECKING:
    from labelbench_plus.problems._preference_instance import PreferenceInstance

SEED_PREFERENCES = "seed preferences"
ALL_JUDGEMENTS = "all_judgements"
EVALUATED = Capability(
    "evaluation_features",
    "(n, h) float32",
    "always",
    FORWARD,
    "the policy's states of the question as a judge would be asked it, with prompt and responses",
)
INSTRUCTED = Capability(
    "instruction_features",
    "(n, h) or (n, 2h) float32",
    "always",
    FORWARD,
    "the policy's states of prompt and response; of a pair one after the other",
)
VALID = Capability("valid", "(n,) bool", "always", FREE, "whether responses ended, are not blank, and no repetition")
PROMPT_OF = Capability("prompt_of", "(n,) long", "always", FREE, "the prompt that an item's responses are to")
PAIRS = Capability("pairs", "(n, 2) long", "always", FREE, "the places of the two responses that an item compares")
OFF_POLICY = Capability(
    "off_policy",
    "(o,) long",
    "always",
    FREE,
    "items that can be bought as well, whose responses another policy wrote; no candidates",
    asked_with="nothing",
)
TASKS = Capability(
    "num_classes", "int", "always", FREE, "how many tasks the pool's prompts are of, at least 2", asked_with="nothing"
)
COLUMNS = frozenset({"features", "tasks", *(each.name for each in (EVALUATED, INSTRUCTED, VALID, PROMPT_OF, TASKS))})


@problems.register("preference_tuning")
@dataclass(frozen=True)
class PreferenceTuning(Problem):
    """Tune a policy to please an expert, from few judgements of its responses, which a strategy buys.

    A policy of the seed writes `responses` candidates to every prompt of a pool. An item is one of them, to be scored,
    or two to the same prompt, to be compared; a judgement costs one unit, a tie too. Responses are recorded as they
    were judged, so nobody ever needs the policy that wrote them. What strategies see is the policy's: the mean state of
    a response's tokens and the last one as `features`, shifted to mean zero and scaled to length one, of a pair the
    second's less the first's. None of that is billed.

    Scores, on held-out prompts: `expert_score`, the expert's mean score of one response each that the tuned policy
    draws; `win_rate`, how often it is better than one of the reference, the policy of the seed, where ties count half;
    `win_rate_at_length`, the same against the reference's response of the nearest length; `proxy_accuracy`, the share
    of the reference's pairs that the model's own reward puts in the expert's order, averaged over tasks;
    `reference_kl` in nats a response; `validity` (they ended and are not blank), `distinct_1`, `distinct_2` and
    `response_tokens`; and what the reference itself has of these. Where the expert's score ranks, one that rises while
    validity falls below half of the reference's is called a collapse; where the win rate does, below half of random's.

    Parameters
    ----------
    prompts: where prompts come from. Its seed demonstrations are what `policy` is tuned on, and stand beside the
        budget; its answers are read by annotators that stand in for somebody, and by nobody else.
    base: the language model that the policy is.
    annotator: whose judgements are sold.
    judge: who scores at the test, if not the annotator: somebody who gives scores and is not paid.
    label: what is sold, the "score" of a response or the better of a "pair".
    policy: how the base is tuned on the seed demonstrations before anything is drawn, once a seed; null for the base as
        it is.
    template: what is put around prompts and responses.
    decoding: how responses are drawn, at a temperature above 0.
    responses: candidates of each prompt.
    refresh: false draws one pool for all rounds. true draws a block anew in each round, by the model that was tuned
        last; what was not bought of an earlier one is gone.
    others: what off-policy strategies may buy beside: "none"; "answers", those of the data, to be scored; or what the
        policy writes under an "instruction".
    instruction: the system turn of others: instruction.
    seed_pairs: judgements of candidates that everybody is handed, beside the budget.
    rank_by: the score that ranks.
    tells_all: whether trainers are told what the expert would say of every candidate. Results are bounds then, and rank
        nowhere.
    """

    title = "Preference tuning"
    query = "pool"
    task = "preference"
    unit = "judgements"
    declares = (EVALUATED, INSTRUCTED, VALID, PROMPT_OF, PAIRS, OFF_POLICY, TASKS)
    precedence = COLUMNS

    prompts: Annotated[PromptSource, From("prompts")]
    base: Annotated[Base, From("bases")]
    annotator: Annotated[Annotator, From("annotators")]
    judge: Annotated[Annotator, From("annotators")] | None = None
    label: Literal["score", "pair"] = "score"
    policy: Annotated[Trainer, From("trainers")] | None = None
    template: Template = field(default_factory=Template)
    decoding: Decoding = field(default_factory=partial(Decoding, temperature=1.0))
    responses: Annotated[int, Ge(2)] = 4
    refresh: bool = False
    others: Literal["none", "answers", "instruction"] = "none"
    instruction: str | None = None
    seed_pairs: Annotated[int, Ge(0)] = 0
    rank_by: Literal["expert_score", "win_rate", "proxy_accuracy"] = "expert_score"
    tells_all: bool = False

    def __post_init__(self) -> None:
        check_asked(self.annotator, self.label)
        if self.scorer.paid or "score" not in self.scorer.kinds:
            what = "is paid for every answer" if self.scorer.paid else "gives no scores"
            raise ValueError(f"{self.scorer.name!r} {what}: name as `judge` who scores at the test")
        if not self.decoding.temperature:
            raise ValueError(
                "decoding: candidates are drawn at a temperature above 0, or all of a prompt were the same"
            )
        if (self.others == "instruction") != (self.instruction is not None):
            raise ValueError("others: instruction goes with an `instruction`, and nothing else does")
        if self.others == "answers" and self.label == "pair":
            raise ValueError("others: there is one answer per prompt, and label: pair compares two")
        if self.refresh and self.others != "none":
            raise ValueError("refresh: true has every round's candidates drawn by its policy: leave others at none")
        if self.annotator.paid and (self.seed_pairs or self.tells_all):
            raise ValueError("seed_pairs and tells_all ask an annotator outside the budget, and this one is paid")

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {
            "prompts": {"name": "opinions", "pool": 20, "test": 1, "demonstrations": 4},
            "base": {"name": "tiny_llama", "width": 16, "layers": 1, "heads": 2, "context": 128},
            "annotator": {"name": "rule", "rule": "brief"},
            "template": {"chat": "plain"},
            "decoding": {"max_new_tokens": 4, "temperature": 1.0},
            "label": "pair",
            "responses": 3,
            "others": "instruction",
            "instruction": "no ",
        }

    @property
    def scorer(self) -> Annotator:
        """Who scores at the test."""
        return self.judge or self.annotator

    @property
    def provides(self) -> frozenset[str]:  # type: ignore[override]
        pairs = {PAIRS.name} if self.label == "pair" else set()
        others = {OFF_POLICY.name} if self.others != "none" else set()
        return COLUMNS | pairs | others

    def raw_inputs(self) -> frozenset[str]:
        return frozenset({ALL_JUDGEMENTS}) if self.tells_all else frozenset()

    def fingerprint(self) -> str:
        parts = [self.prompts.fingerprint(), self.base.fingerprint(), self.annotator.fingerprint()]
        parts += [self.judge.fingerprint()] if self.judge is not None else []
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def capacity(self) -> float:
        if self.refresh:
            return math.inf
        return float(Shape(int(self.prompts.capacity()), self.responses, self.label).size - self.seed_pairs)

    def validation_labels(self) -> int:
        return 0

    def beside(self) -> Mapping[str, int]:
        return {SEED_PREFERENCES: self.seed_pairs}

    def primary_metric(self) -> tuple[str, bool]:
        return self.rank_by, True

    def shown_scores(self) -> tuple[ShownScore, ...]:
        about = ("expert_score", "win_rate", "win_rate_at_length", "proxy_accuracy", "validity", "distinct_2")
        far = ShownScore("reference_kl", False, "how far from the reference, no fault in itself")
        long = ShownScore("response_tokens", False, "length alone can please an expert")
        return (*(ShownScore(name, True) for name in about if name != self.rank_by), long, far)

    def guards(self) -> tuple[Guard, ...]:
        if self.rank_by == "expert_score":
            return (Guard("validity", "reference_validity", "reference_expert_score"),)
        # A win rate is held against the baseline's, as nobody scores what a reference wins against itself. The accuracy
        # of a proxy is no merit of a policy that could fall silent.
        return (Guard("validity"),) if self.rank_by == "win_rate" else ()

    def knows_truth(self) -> bool:
        return self.tells_all

    def dataset_name(self) -> str:
        return self.prompts.dataset_name()

    def facets(self) -> dict[str, str]:
        return {
            "base": label(self.base),
            "template": self.template.chat,
            "expert": label(self.annotator),
            "label": self.label,
            "candidates": "each round's policy" if self.refresh else "the policy of the seed",
        }

    def open(self, place: Place, streams: Streams) -> PreferenceInstance:
        instance = self.open_to_check(place, streams)
        instance.check()
        return instance

    def open_to_check(self, place: Place, streams: Streams) -> PreferenceInstance:
        from labelbench_plus.problems._preference_instance import PreferenceInstance

        return PreferenceInstance(self, loaded(self.prompts), place, streams)
