"""What trainers of preferences are shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from labelbench_plus.contracts.annotators import Wanted
from labelbench_plus.inputs.conversations import Conversation, Demonstration, turns
from labelbench_plus.language.base import OpenBase
from labelbench_plus.language.comparables import DrawnBlock
from labelbench_plus.language.judged import Judged
from labelbench_plus.language.options import Decoding
from labelbench_plus.language.templates import Template

Truth = Callable[[], Sequence[Judged]]
"""What the expert would say of every candidate, one by one: for bounds alone."""


@dataclass(frozen=True)
class PreferenceData:
    """A policy, and what was bought of an expert's opinion.

    Attributes
    ----------
    base: the policy that candidates come from. Tuned policies are measured against it.
    template: of prompts and responses.
    wants: what was asked: the scores of responses, or which of two is better.
    bought: judgements in the order in which they were bought, of responses that any policy wrote.
    seed: those that everybody is given; declared beside the budget.
    demonstrations: of the seed, which the policy may have been tuned on.
    candidates: of the policy, whatever was judged of them; drawn or read when first needed.
    decoding: how they are drawn.
    truth: for bounds, where a problem tells it; None elsewhere.
    """

    base: OpenBase
    template: Template
    wants: Wanted
    bought: tuple[Judged, ...]
    candidates: DrawnBlock
    decoding: Decoding
    seed: tuple[Judged, ...] = ()
    demonstrations: tuple[Demonstration, ...] = ()
    truth: Truth | None = None

    @property
    def judged(self) -> tuple[Judged, ...]:
        """All judgements there are, those of the seed first."""
        return (*self.seed, *self.bought)

    def digest(self) -> str:
        """Hash of all that a training on it depends on. No candidate is drawn for it."""
        said = [[_turns(each.prompt), list(each.responses), each.verdict] for each in self.judged]
        shown = [[_turns(each.prompt), each.response] for each in self.demonstrations]
        about: list[Any] = [self.base.fingerprint, self.base.device.type, asdict(self.template), self.wants]
        about += [len(self.seed), said, shown, dict(self.candidates.key), self.truth is not None]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def _turns(prompt: Conversation) -> list[list[str]]:
    return [[turn.role, turn.text] for turn in turns(prompt)]
