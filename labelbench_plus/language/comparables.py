"""What a policy's states say of responses, one by one or as pairs: features to choose by, before anything is judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelbench_plus.contracts.annotators import Asked, Wanted
from labelbench_plus.inputs.conversations import Conversation, turns
from labelbench_plus.language.candidates import Response, Shape, Stream, as_text, draw, from_text
from labelbench_plus.language.options import Decoding
from labelbench_plus.store.artefacts import Artefacts
from labelbench_plus.store.pieces import Pieces

if TYPE_CHECKING:
    from labelbench_plus.language.model import LanguageModel
    from labelbench_plus.language.seed_policy import SeedPolicy

VERSION = 1  # raised when the same policy draws or says something else
PIECE = 64  # prompts whose responses are drawn or read between two savings


class Block:
    """Responses to prompts, and the items that they make.

    Parameters
    ----------
    responses: draws or reads them, when they are first needed.
    model: whose states describe them.
    """

    def __init__(
        self,
        prompts: Sequence[Conversation],
        count: int,
        wants: Wanted,
        responses: Callable[[], Sequence[Sequence[Response]]],
        model: Callable[[], LanguageModel],
    ) -> None:
        self.prompts, self.shape = tuple(prompts), Shape(len(prompts), count, wants)
        self._draw, self._model = responses, model

    def __deepcopy__(self, memo: dict[int, Any]) -> Block:
        return self  # what it draws is settled, and nobody changes it

    @cached_property
    def responses(self) -> list[Response]:
        """(N · k) prompt after prompt."""
        return [each for some in self._draw() for each in some]

    @cached_property
    def states(self) -> np.ndarray:
        """(N · k, 3, h) float32, see `LanguageModel.response_states`."""
        return states_of(self._model(), [self.single(row) for row in range(len(self.responses))])

    def asked(self, items: np.ndarray) -> list[Asked]:
        """The questions about items (n,)."""
        prompts = self.shape.prompt_of(items).tolist()
        return [
            Asked(self.prompts[prompt], None, tuple(self.responses[row].text for row in rows))
            for prompt, rows in zip(prompts, self.shape.rows(items).tolist(), strict=True)
        ]

    def valid(self, items: np.ndarray) -> np.ndarray:
        """(n,) bool: whether all responses of an item are valid."""
        fine = np.array([each.valid for each in self.responses], dtype=bool)
        return np.asarray(fine[self.shape.rows(items)].all(axis=1))

    def states_at(self, items: np.ndarray) -> np.ndarray:
        """(n, 1, 3, h) or (n, 2, 3, h) the states of the responses of items (n,)."""
        return np.asarray(self.states[self.shape.rows(items)])

    def single(self, row: int) -> Asked:
        return Asked(self.prompts[row // self.shape.responses], None, (self.responses[row].text,))


class DrawnBlock(Block):
    """A block that the policy of a seed draws once for all runs with that seed, from the cache if it ever was.

    A sampling that is killed loses the piece it was at.

    Parameters
    ----------
    policy: that draws and whose states describe; `writer` draws instead, told something else.
    """

    def __init__(
        self,
        name: str,
        prompts: Sequence[Conversation],
        count: int,
        wants: Wanted,
        decoding: Decoding,
        policy: SeedPolicy,
        stream: Stream,
        cache: Path,
        writer: SeedPolicy | None = None,
    ) -> None:
        super().__init__(prompts, count, wants, self._drawn, lambda: policy.model)
        self._name, self._decoding, self._stream, self.policy = name, decoding, stream, policy
        self._writer, self._cache = writer or policy, cache

    @cached_property
    def key(self) -> Mapping[str, Any]:
        """What the texts depend on."""
        said = json.dumps([[[turn.role, turn.text] for turn in turns(prompt)] for prompt in self.prompts])
        return {
            "candidates": self._name,
            "prompts": hashlib.sha256(said.encode()).hexdigest(),
            "count": self.shape.responses,
            "version": VERSION,
            **self._writer.about(self._decoding),
        }

    def _drawn(self) -> list[list[Response]]:
        def some(start: int) -> list[str]:
            prompts = self.prompts[start : start + PIECE]
            found = draw(self._writer.model, prompts, self.shape.responses, self._decoding, self._named, start)
            return list(map(as_text, found))

        def parts() -> dict[str, Callable[[], Sequence[str]]]:
            return {f"rows_{start:08d}": partial(some, start) for start in range(0, len(self.prompts), PIECE)}

        def compute(pieces: Pieces) -> list[str]:
            return [text for name, make in parts().items() for text in pieces.keep_texts(name, make)]

        texts = Artefacts(self._cache).texts(self.key, compute, parts, "candidates")
        return [from_text(texts[row]) for row in range(len(texts))]

    def _named(self, name: str) -> np.random.Generator:
        return self._stream(f"{self._name} {name}")

    @cached_property
    def states(self) -> np.ndarray:
        def some(start: int) -> np.ndarray:
            width = self.shape.responses
            rows = range(start * width, min(start + PIECE, len(self.prompts)) * width)
            return states_of(self.policy.model, [self.single(row) for row in rows])

        def parts() -> dict[str, Callable[[], np.ndarray]]:
            return {f"rows_{start:08d}": partial(some, start) for start in range(0, len(self.prompts), PIECE)}

        def compute(pieces: Pieces) -> dict[str, np.ndarray]:
            return {"states": np.concatenate([pieces.keep(name, make) for name, make in parts().items()])}

        key = {**self.key, "what": "states", "of": self.policy.base.fingerprint}
        return Artefacts(self._cache).arrays(key, compute, parts, "states of candidates")["states"]


def states_of(model: LanguageModel, asked: Sequence[Asked]) -> np.ndarray:
    """(n, 3, h) float32, the states of questions about one response each."""
    return model.response_states([each.prompt for each in asked], [each.responses[0] for each in asked]).numpy()


def paired_states(model: LanguageModel, asked: Sequence[Asked]) -> np.ndarray:
    """(n, 1, 3, h) or (n, 2, 3, h) float32: of all responses of questions of one kind."""
    single = [Asked(each.prompt, None, (text,)) for each in asked for text in each.responses]
    found = states_of(model, single)
    return found.reshape(len(asked), -1, *found.shape[1:]) if asked else found.reshape(0, 1, *found.shape[1:])


def response_features(states: np.ndarray) -> np.ndarray:
    """(n, 2h): of a response, the mean state of its tokens and its last one; of a pair, the second's less the first's.

    Parameters
    ----------
    states: (n, 1, 3, h) or (n, 2, 3, h).
    """
    found = states[:, :, :2].reshape(*states.shape[:2], 2 * states.shape[3])
    return np.asarray(found[:, 0] if states.shape[1] == 1 else found[:, 1] - found[:, 0])


def instruction_features(states: np.ndarray) -> np.ndarray:
    """(n, h) or (n, 2h): the mean state of all tokens, prompt and response; of a pair one after the other."""
    return np.asarray(states[:, :, 2].reshape(len(states), states.shape[1] * states.shape[3]))


def evaluation_text(asked: Asked) -> str:
    """A question as a judge would be asked it."""
    prompt = turns(asked.prompt)[-1].text
    if len(asked.responses) == 1:
        return f"{prompt}\n\nResponse: {asked.responses[0]}\n\nHow good is this response?"
    first, second = asked.responses
    return f"{prompt}\n\nFirst response: {first}\n\nSecond response: {second}\n\nWhich response is better?"


def evaluation_features(model: LanguageModel, asked: Sequence[Asked]) -> np.ndarray:
    """(n, h) float32: the states of questions as a judge would be asked them, pooled as the template says.

    The end of what the model cannot read is cut off.
    """
    template = replace(model.template, max_tokens=model.base.context, too_long="start")
    return replace(model, template=template).hidden(list(map(evaluation_text, asked))).numpy()


class Centred:
    """Features made comparable: shifted by the mean of a pool's, and scaled to length one.

    All states of a language model point much the same way; without the shift, what is far apart would be so by its
    length.
    """

    def __init__(self, pool: np.ndarray) -> None:
        self._mean = pool.mean(axis=0, dtype=np.float64)

    def __call__(self, found: np.ndarray) -> np.ndarray:
        rows = found - self._mean
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0).astype(np.float32)
