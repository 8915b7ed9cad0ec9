"""What trainers of language models are shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from labelbench_plus.inputs.conversations import Conversation, Demonstration, turns
from labelbench_plus.language.base import OpenBase
from labelbench_plus.language.templates import Template


@dataclass(frozen=True)
class InstructionData:
    """Prompts and what was bought of their answers.

    Attributes
    ----------
    base: that is trained.
    template: of prompts and answers.
    bought: demonstrations, in the order in which they were bought.
    seed: those that everybody is given; declared beside the budget.
    pool: every prompt, answered or not.
    validation: demonstrations for trainers that declare them; else None.
    """

    base: OpenBase
    template: Template
    bought: tuple[Demonstration, ...]
    seed: tuple[Demonstration, ...] = ()
    pool: Sequence[Conversation] = ()
    validation: tuple[Demonstration, ...] | None = None

    def digest(self) -> str:
        """Hash of all that a training on it depends on."""
        said = (*self.seed, *self.bought, *(self.validation or ()))
        shown = [[[asdict(turn) for turn in turns(each.prompt)], each.response] for each in said]
        about = [self.base.fingerprint, self.base.device.type, asdict(self.template), len(self.seed), shown]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()
