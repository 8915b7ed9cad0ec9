"""What a vision-language model answers, as features: how likely it finds each option, and its last hidden state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.encoders._inputs import shown
from labelbench_plus.inputs.questions import Questions
from labelbench_plus.plugins import Infra, Outside

if TYPE_CHECKING:
    from labelbench_plus.models.vision_language import VisionLanguageModel


@encoders.register("vision_language")
@dataclass(frozen=True)
class VisionLanguage(Encoder):
    """Questions about pictures put to a model of transformers (LLaVA, SmolVLM, Qwen2-VL and others). Needs the extra
    `transformers`.

    One forward pass a question. The first K features are the log-probabilities of the K options as the next word; the
    rest is the last hidden state. Nothing is written, and no text is looked through for an answer. Options of one word
    are answered by that word, in all its spellings together (small or capital, after a space or not); others by the
    letters A, B, C … before them. Questions are asked one at a time, so that no answer depends on the others.

    Features are not shifted, so that the largest of the first K is the model's own answer (trainer
    `zero_shot_margin`); other trainers learn from all of them.

    Parameters
    ----------
    model: its name on the hub, such as "llava-hf/llava-1.5-7b-hf"; for weights "folder" what you call it.
    weights: their source; there is no default, and never a fallback to untrained ones.
        "pretrained": from the hub, or its cache.
        "folder": `folder`, as `save_pretrained` writes it, with the processor beside the model.
    layout: how the model sees a picture. "single": as it is. "list": the squares of a strip (`with_views`) as pictures
        of their own. "grid": its squares in the quarters of one.
    ask: what is asked about a sentence, {text} being the sentence.
    choose: what is asked where there are captions to choose from.
    preface: what the model is told first, such as which picture shows which view.
    arithmetic: in what it is computed.
    folder: the folder of weights "folder". What counts for a run's identity is its content, not where it lies.
    device: "auto" takes a CUDA device if there is one.

    Example
    -------
    encoder: {name: vision_language, model: HuggingFaceTB/SmolVLM-256M-Instruct, weights: pretrained, layout: list}
    """

    title = "Vision-language models"
    takes = frozenset({"questions about images"})
    centred = False
    scores_options = True

    model: str
    weights: Annotated[Literal["pretrained", "folder"], Outside("the network", only=("pretrained",))]
    layout: Literal["single", "list", "grid"] = "single"
    ask: str = "Is this true of the picture? {text}"
    choose: str = "Which of these is true of the picture?"
    preface: str = ""
    arithmetic: Literal["float32", "bfloat16"] = "float32"
    folder: Annotated[Path | None, Infra(), Outside("files")] = None
    device: Annotated[Literal["auto", "cpu", "cuda"], Infra()] = "auto"

    def __post_init__(self) -> None:
        if self.ask.count("{text}") != 1:
            raise ValueError(f"ask: expected {{text}} once, where the sentence goes, got {self.ask!r}")

    def fit(self, pool_inputs: Questions) -> Callable[[Questions], np.ndarray]:
        """Load the model; the pool is not looked at.

        Raises
        ------
        ValueError
            The inputs are no questions about pictures, their options do not differ in one word, or the model
            takes no pictures.
        FileNotFoundError
            transformers is not installed, or the weights cannot be had; the message lists the ways to get them.
        """
        if not isinstance(pool_inputs, Questions) or len(pool_inputs) == 0:
            raise ValueError(f"encoder 'vision_language' takes questions about pictures, got {shown(pool_inputs)}")
        from labelbench_plus.encoders._vision_language import Asking, asked

        wording = Asking(self.ask, self.choose, self.preface, self.layout)
        return asked(self._found(), wording, self.arithmetic, self.device, len(pool_inputs.options[0]))

    def _found(self) -> VisionLanguageModel:
        from labelbench_plus.models.vision_language import VisionLanguageModel

        return VisionLanguageModel(self.model, self.weights, self.folder)

    def fingerprint(self) -> str:
        return self._found().fingerprint()
