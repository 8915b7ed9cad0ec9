"""Questions about pictures with answers to choose from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_plus.inputs.image_files import ImageFiles
from labelbench_plus.inputs.texts import Texts


@dataclass(frozen=True)
class Question:
    """One of them: pixels (h, w, 3) uint8, a text, and the options, one of which is right."""

    image: np.ndarray
    text: str
    options: tuple[str, ...]


class Questions:
    """n questions, each with a picture of its own and K options. `questions[10:20]` and `questions[rows]` are again.

    Parameters
    ----------
    images: of the n questions, in files or in memory (n, h, w, 3).
    texts: what is asked, or the sentence that is to be judged; may be empty where the options say it all.
    options: K of each question; those of one are different.

    Raises
    ------
    ValueError
        There are not as many of each, or two options of a question are alike.
    """

    def __init__(self, images: np.ndarray | ImageFiles, texts: Texts, options: Sequence[tuple[str, ...]]) -> None:
        if not len(images) == len(texts) == len(options):
            raise ValueError(f"{len(images)} images, {len(texts)} texts and options of {len(options)} questions")
        for place, given in enumerate(options):
            if len(set(given)) != len(given) or len(given) != len(options[0]) or len(given) < 2:
                raise ValueError(f"question {place} needs {len(options[0])} different options, got {list(given)}")
        self.images, self.texts, self.options = images, texts, tuple(options)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: slice | np.ndarray) -> Questions:
        rows = np.arange(len(self))[index]
        return Questions(self.images[rows], self.texts[rows], [self.options[row] for row in rows.tolist()])

    def __repr__(self) -> str:
        return f"Questions({len(self)})"

    def with_images(self, images: np.ndarray | ImageFiles) -> Questions:
        """The same questions about other pictures."""
        return Questions(images, self.texts, self.options)

    def question(self, row: int) -> Question:
        """One of them, decoded.

        Raises
        ------
        UnreadableInput
            Its picture cannot be decoded.
        """
        image = self.images.decode(row) if isinstance(self.images, ImageFiles) else self.images[row]
        return Question(image, self.texts[row], self.options[row])

    def content_hash(self) -> str:
        """SHA-256 of pictures, texts and options, in order."""
        digest = hashlib.sha256(b"questions")
        if isinstance(self.images, ImageFiles):
            digest.update(self.images.content_hash().encode())
        else:
            digest.update(repr(self.images.shape).encode())
            digest.update(np.ascontiguousarray(self.images).data)
        digest.update(self.texts.content_hash().encode())
        for given in self.options:
            digest.update(Texts(given).content_hash().encode())
        return digest.hexdigest()


def shuffled(
    options: Sequence[tuple[str, ...]], right: np.ndarray, rng: np.random.Generator
) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """The options of each question in an order of its own, and where its right one has gone (n,) int64.

    Files of questions name the right option first, always: whoever answers with the first would be right.
    """
    orders = [rng.permutation(len(given)) for given in options]
    turned = [tuple(given[place] for place in order) for given, order in zip(options, orders, strict=True)]
    places = [int(np.flatnonzero(order == where)[0]) for order, where in zip(orders, right, strict=True)]
    return turned, np.array(places, dtype=np.int64)
