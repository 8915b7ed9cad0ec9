"""What the base says of a pool of prompts, once for all runs: states, doubts, lengths. No answer lies here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelbench_plus.contracts.bases import Base
from labelbench_plus.inputs.conversations import Conversation, turns
from labelbench_plus.language.options import Decoding
from labelbench_plus.language.templates import Template
from labelbench_plus.store.artefacts import Artefacts, Rows
from labelbench_plus.store.pieces import Pieces

if TYPE_CHECKING:
    from labelbench_plus.language.base import OpenBase
    from labelbench_plus.language.model import LanguageModel

VERSION = 1  # raised when the same base says something else of the same prompts
PIECE = 64  # prompts that are read or answered between two savings; last bits depend on which are read together


class PromptPool:
    """Prompts as the base of a problem sees them.

    Parameters
    ----------
    decoding: of the base's own answers, of which it is sure or not: greedy, whatever the temperature.
    cache: the folder of artefacts.
    """

    def __init__(
        self,
        prompts: Sequence[Conversation],
        base: Base,
        template: Template,
        decoding: Decoding,
        cache: Path,
        device: str,
    ) -> None:
        self.prompts = tuple(prompts)
        self._plugin, self._template, self._cache, self._device = base, template, cache, device
        self._decoding = Decoding(decoding.max_new_tokens, stop=decoding.stop)

    @cached_property
    def base(self) -> OpenBase:
        """The base, opened when it is first needed."""
        from labelbench_plus.language.base import open_base

        return open_base(self._plugin, self._device)

    @property
    def model(self) -> LanguageModel:
        """The base as a model that has learned nothing."""
        from labelbench_plus.language.model import LanguageModel

        return LanguageModel(self.base, self._template)

    def at(self, items: Any) -> list[Conversation]:
        """The prompts of items (k,)."""
        return [self.prompts[item] for item in items.tolist()]

    @cached_property
    def tokens(self) -> np.ndarray:
        """(N,) int64 tokens of each prompt, the template's included.

        Raises
        ------
        ValueError
            A prompt has more than the template allows.
        """
        return self.model.prompt_tokens(self.prompts)

    @cached_property
    def features(self) -> np.ndarray:
        """(N, h) float32: pooled states, from the cache. Shifted to mean zero and scaled to length one.

        All states of a language model point much the same way; without the shift, lengths of prompts would decide what
        is near what. A prompt whose states are the mean of all keeps zeros.
        """

        def states(rows: Sequence[Conversation]) -> np.ndarray:
            return self.model.hidden(rows).cpu().numpy()

        def compute(pieces: Pieces) -> dict[str, np.ndarray | Rows]:
            raw = [pieces.keep(name, make) for name, make in self._pieces(states).items()]
            mean = sum(part.sum(axis=0, dtype=np.float64) for part in raw) / len(self.prompts)
            return {"features": Rows((len(self.prompts), len(mean)), np.dtype(np.float32), _unit(raw, mean))}

        key, parts = self._key("states"), partial(self._pieces, states)
        return Artefacts(self._cache).arrays(key, compute, parts, "states of prompts")["features"]

    @cached_property
    def _uncertainty(self) -> np.ndarray:
        """(N, 6) float64: of the base's answers, from the cache."""

        def doubts(rows: Sequence[Conversation]) -> np.ndarray:
            found = self.model.token_uncertainty(rows, self._decoding)
            return np.concatenate([found.largest.cpu().numpy(), found.mean.cpu().numpy()], axis=1)

        def compute(pieces: Pieces) -> dict[str, np.ndarray | Rows]:
            return {"doubts": np.concatenate([pieces.keep(*piece) for piece in self._pieces(doubts).items()])}

        key, parts = {**self._key("doubts"), "decoding": asdict(self._decoding)}, partial(self._pieces, doubts)
        return Artefacts(self._cache).arrays(key, compute, parts, "doubts about prompts")["doubts"]

    @property
    def token_uncertainty(self) -> np.ndarray:
        """(N, 3) float64, of each answer's least sure token."""
        return self._uncertainty[:, :3]

    @property
    def mean_token_uncertainty(self) -> np.ndarray:
        """(N, 3) float64, of all tokens of each answer."""
        return self._uncertainty[:, 3:]

    def _pieces(self, make: Callable[[Sequence[Conversation]], np.ndarray]) -> dict[str, Callable[[], np.ndarray]]:
        """What is said of each `PIECE` prompts, by name, as the function that asks."""
        starts = range(0, len(self.prompts), PIECE)
        return {f"rows_{start:08d}": partial(make, self.prompts[start : start + PIECE]) for start in starts}

    def _key(self, what: str) -> dict[str, Any]:
        said = json.dumps([[[turn.role, turn.text] for turn in turns(prompt)] for prompt in self.prompts])
        return {
            "prompts": hashlib.sha256(said.encode()).hexdigest(),
            "base": self.base.fingerprint,
            "template": asdict(self._template),
            "what": what,
            "version": VERSION,
        }


def _unit(parts: Sequence[np.ndarray], mean: np.ndarray) -> Iterator[np.ndarray]:
    for part in parts:
        rows = part - mean
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        yield np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0).astype(np.float32)
