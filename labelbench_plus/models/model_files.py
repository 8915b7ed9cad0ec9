"""Folders of files in transformers' format: a package's, one's own, or the hub's cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from labelbench_plus.content import hash_file
from labelbench_plus.models.weights import lent_generator, library

if TYPE_CHECKING:
    import torch

SMALL_FILES = ("*.json", "*.txt", "*.model", "*_Pooling/*.json")
WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin")


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model and of its tokenizer.

    Attributes
    ----------
    model: its name on the hub.
    weights: the name of a Python package that holds them; "pretrained": from the hub or its cache; "folder": `folder`.
    folder: with the model's files, of weights "folder".
    ways: to get weights, in messages.
    package, packaged: the package of weights, and the model whose they are.
    small: patterns of the files beside the weights.
    """

    model: str
    weights: str
    folder: Path | None = None

    ways: ClassVar[str]
    package: ClassVar[str]
    packaged: ClassVar[str]
    small: ClassVar[tuple[str, ...]] = SMALL_FILES

    def path(self) -> Path:
        """The folder that the model's files lie in; those of the hub are downloaded unless they were before.

        Raises
        ------
        ValueError
            Weights and model, or weights and folder, do not go together.
        FileNotFoundError
            They cannot be had; the message lists the ways.
        """
        self.check()
        if self.folder is not None:
            path = self.folder.expanduser().resolve()
            if not (path / "config.json").is_file():
                raise FileNotFoundError(f"transformers: there is no model in {path} (no config.json). {self.ways}")
            return path
        return self.of_package() if self.weights == self.package else _from_hub(self.model, self.small, self.ways)

    def check(self) -> None:
        """Raises ValueError where weights and model, or weights and folder, do not go together."""
        if (self.folder is not None) != (self.weights == "folder"):
            raise ValueError(
                "transformers: weights 'folder' and the field 'folder' go together, "
                f"got weights {self.weights!r} and folder {self.folder}"
            )
        if self.weights == self.package and self.model != self.packaged:
            raise ValueError(
                f"transformers: weights {self.package!r} are those of model {self.packaged!r}, not {self.model!r}"
            )

    def of_package(self) -> Path:
        """The folder of weights from the package."""
        raise NotImplementedError

    def no_package(self) -> FileNotFoundError:
        return FileNotFoundError(f"transformers: the package {self.package} is not installed. {self.ways}")

    def fingerprint(self) -> str:
        """Hash of the files that the model, its tokenizer and its recipe are read from, by name."""
        path = self.path()
        found = [file for pattern in self.small for file in path.glob(pattern)] + self.weight_files()
        digest = hashlib.sha256()
        for file in sorted(found, key=lambda file: file.relative_to(path).as_posix()):
            digest.update(f"{file.relative_to(path).as_posix()} {hash_file(file)}\n".encode())
        return digest.hexdigest()

    def weight_files(self) -> list[Path]:
        path = self.path()
        for pattern in WEIGHT_FILES:
            if files := list(path.glob(pattern)):
                return files
        wanted = " or ".join(WEIGHT_FILES)
        raise FileNotFoundError(f"transformers: there are no weights in {path} ({wanted}). {self.ways}")

    def whole(self, auto: Any, dtype: torch.dtype, unread: str = "") -> Any:
        """The model, with every tensor from the files.

        Parameters
        ----------
        auto: the class of transformers that knows the model's architecture, such as `AutoModelForCausalLM`.
        unread: part of the names of tensors that nothing here reads; those may be missing.

        Raises
        ------
        ValueError
            The files cannot be read, or lack tensors of such a model.
        """
        path = self.path()
        self.weight_files()
        with lent_generator(), no_progress_bar():
            try:
                model, account = auto.from_pretrained(
                    path, local_files_only=True, output_loading_info=True, dtype=dtype
                )
            except Exception as error:  # reading a damaged file can raise anything
                raise ValueError(f"transformers: the model in {path} cannot be loaded: {error}") from error
        missing = [name for name in account["missing_keys"] if not unread or unread not in name]
        if missing := [*missing, *map(str, account["mismatched_keys"])]:
            raise ValueError(
                f"transformers: the weights in {path} lack {len(missing)} of the model's tensors, such as {missing[0]}"
            )
        return model

    def tokenizer(self) -> Any:
        path = self.path()
        try:
            return library("transformers", "transformers").AutoTokenizer.from_pretrained(path, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ValueError(f"transformers: there is no tokenizer in {path}, so it reads no texts: {error}") from error


@contextmanager
def no_progress_bar() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@cache
def _from_hub(model: str, small: tuple[str, ...], ways: str) -> Path:
    library("transformers", "transformers")
    from huggingface_hub import snapshot_download

    for weights in WEIGHT_FILES:
        try:
            path = Path(snapshot_download(model, allow_patterns=[*small, weights]))
        except Exception as error:  # the hub's client lets all kinds of network errors through
            raise FileNotFoundError(
                f"transformers: the files of {model!r} could not be obtained ({type(error).__name__}: {error}). {ways}"
            ) from error
        if any(path.glob(weights)):
            return path
    raise FileNotFoundError(f"transformers: {model!r} has no weights on the hub. {ways}")
