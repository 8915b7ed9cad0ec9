"""Whether two tokenizers mean the same by every id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def tokenizer_fingerprint(tokenizer: Any) -> str:
    """SHA-256 of everything that decides which ids a text becomes, but padding and truncation."""
    return hashlib.sha256(json.dumps(_content(tokenizer), sort_keys=True).encode()).hexdigest()


def check_same_tokenizer(tokenizers: Mapping[str, Any]) -> None:
    """Refuse models that would read each other's ids wrongly.

    Parameters
    ----------
    tokenizers: of transformers, by the name of the model.

    Raises
    ------
    ValueError
        Two differ. The message names the first id that means something else, or what else differs.
    """
    (first, one), *others = tokenizers.items()
    for name, other in others:
        if tokenizer_fingerprint(one) == tokenizer_fingerprint(other):
            continue
        mine, its = _by_id(one), _by_id(other)
        for index in sorted(mine.keys() | its.keys()):
            if mine.get(index) != its.get(index):
                raise ValueError(
                    f"{first} and {name} have different tokenizers: id {index} is {_shown(mine.get(index))} in the "
                    f"one and {_shown(its.get(index))} in the other"
                )
        a, b = _content(one), _content(other)
        differing = next(key for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key))
        raise ValueError(
            f"{first} and {name} have different tokenizers: the ids are the same, but not {differing}, so that a text "
            f"becomes other ids ({_shown(a.get(differing))} and {_shown(b.get(differing))})"
        )


def _content(tokenizer: Any) -> dict[str, Any]:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = json.loads(backend.to_str()) if backend is not None else {"vocabulary": tokenizer.get_vocab()}
    for key in ("padding", "truncation"):
        content.pop(key, None)
    content["special tokens"] = {key: str(value) for key, value in sorted(tokenizer.special_tokens_map.items())}
    content["ids around a text"] = tokenizer("")["input_ids"]
    return content


def _by_id(tokenizer: Any) -> dict[int, str]:
    return {index: token for token, index in tokenizer.get_vocab().items()}


def _shown(value: Any) -> str:
    text = repr(value)
    return "no token" if value is None else text if len(text) <= 60 else f"{text[:60]}…"
