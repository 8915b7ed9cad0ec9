"""A language model that tests make in milliseconds."""

from __future__ import annotations

from labelbench_plus.bases import bases
from labelbench_plus.language.base import OpenBase, open_base
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.templates import Template

PROMPTS = ("What is two and two?", "Hi", "Name a colour, any colour that you like", "é", "Say so")
PLAIN = Template(chat="plain")


def tiny(seed: int = 0) -> OpenBase:
    return open_base(bases.build({"name": "tiny_llama", "width": 32, "heads": 2, "context": 128, "seed": seed}))


def model(template: Template = PLAIN) -> LanguageModel:
    return LanguageModel(tiny(), template)
