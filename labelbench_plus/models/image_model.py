"""What all libraries' image models have in common: a name, where the weights come from, and their hash."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from labelbench_plus.content import hash_file
from labelbench_plus.models.weights import FILE, SCRATCH, hash_tensors

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Backbone:
    """An image model without its classifier, on the CPU, in float32 and evaluation mode.

    Attributes
    ----------
    module: images (n, 3, size, size), shifted by `mean` and divided by `std`, to embeddings (n, h).
    size: of the square images it was built for.
    mean, std: of each channel, for values in 0..1.
    layers: prefixes of its parameters' names, a tuple a layer, from the input upwards.
    """

    module: nn.Module
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layers: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ImageModel:
    """A model of some library, by name.

    Attributes
    ----------
    library: what messages call the library.
    ways: every way to get weights, for messages.
    model: its name there.
    weights: "pretrained": those that the library knows where to download; "file": `file`; "scratch": drawn from the
        generator that `load` is given; "random-plumbing-test": untrained, the same ones always; or a package's name.
    tag: which of several published weights, where a library has several.
    size: side of the square images it is to see; None for what the weights were trained with.
    file: of weights "file".
    """

    library: ClassVar[str]
    ways: ClassVar[str]

    model: str
    weights: str
    size: int | None = None
    file: Path | None = None
    tag: str | None = None

    def load(self, generator: torch.Generator | None = None) -> Backbone:
        """The model with its weights. Torch's global generator is left as it was.

        Parameters
        ----------
        generator: of weights "scratch".

        Raises
        ------
        ValueError
            The library has no such model, or the weights are of another.
        FileNotFoundError
            The library is not installed, or the weights cannot be had; the message lists the ways to get them.
        """
        raise NotImplementedError

    def side(self) -> int:
        """Of the images it is to see, known without the weights."""
        raise NotImplementedError

    def path(self) -> Path | None:
        """The file that the weights are read from, if they come from one that can be named.

        Raises
        ------
        ValueError, FileNotFoundError
            Weights "file" without one, or the other way round; or it is not there.
        """
        if (self.file is not None) != (self.weights == FILE):
            raise ValueError(
                f"{self.library}: weights 'file' and the field 'file' go together, "
                f"got weights {self.weights!r} and file {self.file}"
            )
        if self.file is None:
            return None
        path = self.file.expanduser().resolve()
        if not path.is_file():
            raise FileNotFoundError(f"{self.library}: there is no file of weights {path}. {self.ways}")
        return path

    def fingerprint(self) -> str:
        """Hash of the file of weights; where none can be named, of the loaded tensors; empty for "scratch"."""
        if self.weights == SCRATCH:
            return ""
        path = self.path()
        return _hash_loaded(self) if path is None else hash_file(path)


@cache
def _hash_loaded(model: ImageModel) -> str:
    return hash_tensors(model.load().module.state_dict())
