"""Demonstrations as TRL's trainers read them: prompts and completions, without a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelbench_plus.inputs.conversations import Demonstration, turns
from labelbench_plus.language.templates import Template

OF_A_CHAT = ("own", "chatml")


def sft_record(example: Demonstration, template: Template) -> dict[str, Any]:
    """`prompt` and `completion` of a demonstration, as its template would have them.

    With a chat template they are messages, the template's system turn included, and whoever reads them puts a
    tokenizer's chat template around them. Without one they are texts as the model was shown them.
    """
    said = template.with_system(turns(example.prompt))
    if template.chat in OF_A_CHAT:
        prompt: Any = [_message(turn.role, turn.text) for turn in said]
        return {"prompt": prompt, "completion": [_message("assistant", example.response)]}
    return {"prompt": template.rendered(said), "completion": template.answer(example.response)}


def _message(role: str, text: str) -> Mapping[str, str]:
    return {"role": role, "content": text}
