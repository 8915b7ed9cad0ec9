"""Putting questions to a vision-language model."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import torch

from labelbench_plus.encoders._images import chosen_device
from labelbench_plus.inputs.layouts import grid, squares_of
from labelbench_plus.inputs.questions import Question, Questions
from labelbench_plus.models.vision_language import VisionLanguageModel


@dataclass(frozen=True)
class Asking:
    """How questions are put: see the fields of the encoder `vision_language`."""

    ask: str
    choose: str
    preface: str
    layout: Literal["single", "list", "grid"]

    def text(self, question: Question) -> str:
        """What the model reads, beside the pictures."""
        said = self.ask.replace("{text}", question.text) if question.text else self.choose
        if lettered(question.options):
            letters = string.ascii_uppercase
            listed = "\n".join(f"{letter}. {option}" for letter, option in zip(letters, question.options, strict=False))
            how = f"{listed}\nAnswer with one letter."
        else:
            how = f"Answer with one word: {' or '.join(question.options)}."
        return "\n".join(part for part in (self.preface, said, how) if part)

    def pictures(self, image: np.ndarray) -> list[np.ndarray]:
        """The pictures that the model is shown, each (h, w, 3) uint8."""
        if self.layout == "single":
            return [image]
        squares = squares_of(image[None])
        return list(squares[0]) if self.layout == "list" else [grid(squares)[0]]


def lettered(options: Sequence[str]) -> bool:
    """Whether options are answered by letters: some are of more than one word."""
    return any(len(option.split()) > 1 for option in options)


def answer_tokens(tokenizer: Any, options: Sequence[str]) -> list[list[int]]:
    """For each option the tokens that an answer with it may begin with: of all spellings of its word or letter.

    Raises
    ------
    ValueError
        Two options may begin with the same token, so that the next token does not tell them apart.
    """
    words = list(string.ascii_uppercase[: len(options)]) if lettered(options) else list(options)
    found = []
    for word in words:
        spelt = {word} if lettered(options) else {word, word.lower(), word.capitalize()}
        tokens = {
            tokenizer.encode(before + each, add_special_tokens=False)[0] for each in spelt for before in ("", " ")
        }
        found.append(sorted(tokens))
    for place in range(len(found)):
        for other in range(place):
            if shared := set(found[place]) & set(found[other]):
                raise ValueError(
                    f"options {words[other]!r} and {words[place]!r} begin with the same token "
                    f"({tokenizer.convert_ids_to_tokens(sorted(shared))}) of this model: it cannot distinguish them"
                )
    return found


def asked(
    found: VisionLanguageModel, asking: Asking, arithmetic: str, device: str, classes: int
) -> Callable[[Questions], np.ndarray]:
    """The function from questions to features (n, K + h) float32: log-probabilities of options, last hidden state.

    Parameters
    ----------
    classes: K.
    """
    where, processor = chosen_device(device), found.processor()
    model = found.load(where, torch.float32 if arithmetic == "float32" else torch.bfloat16)
    model.requires_grad_(False)
    width = model.config.get_text_config().hidden_size + classes

    @cache
    def tokens_of(options: tuple[str, ...]) -> list[list[int]]:
        return answer_tokens(processor.tokenizer, options)

    def answer(question: Question) -> np.ndarray:
        pictures = asking.pictures(question.image)
        inputs = prepared(processor, asking.text(question), pictures).to(where)
        for name, value in inputs.items():
            if torch.is_floating_point(value):
                inputs[name] = value.to(model.dtype)
        said = model(**inputs, logits_to_keep=1, output_hidden_states=True)
        logs = said.logits[0, -1].float().log_softmax(dim=0)
        options = [logs[tokens].logsumexp(dim=0) for tokens in tokens_of(question.options)]
        hidden = said.hidden_states[-1][0, -1].float()
        row: np.ndarray = torch.cat([torch.stack(options), hidden]).cpu().numpy()
        return row

    def encode(questions: Questions) -> np.ndarray:
        with torch.inference_mode():
            rows = [answer(questions.question(row)) for row in range(len(questions))]
        return np.stack(rows) if rows else np.empty((0, width), dtype=np.float32)

    return encode


def prepared(processor: Any, text: str, pictures: Sequence[np.ndarray]) -> Any:
    """A model's inputs: the pictures, then the text, in the form of its chats where it has one."""
    from PIL import Image

    if getattr(processor, "chat_template", None):
        content = [*({"type": "image"} for _ in pictures), {"type": "text", "text": text}]
        turns = [{"role": "user", "content": content}]
        whole = processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    else:
        marker = getattr(processor, "image_token", None)
        if not isinstance(marker, str):
            raise ValueError("the model's processor has neither a form of chats nor a mark for pictures")
        whole = "\n".join([*(marker for _ in pictures), text])
    images = [Image.fromarray(picture) for picture in pictures]
    return processor(text=[whole], images=[images], return_tensors="pt")
