"""Prompts: one file a source. A source knows what is asked, what is right and how that is split, nothing else."""

from labelbench_plus.contracts.prompts import (
    SEED_LINE,
    Prompt,
    PromptData,
    PromptSource,
    TestItem,
    prompts,
)
from labelbench_plus.inputs.conversations import Demonstration, Turn

__all__ = [
    "SEED_LINE",
    "Demonstration",
    "Prompt",
    "PromptData",
    "PromptSource",
    "TestItem",
    "Turn",
    "prompts",
]
