"""GGUF files, converted once into folders in transformers' format."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any

from labelbench_plus.content import hash_file
from labelbench_plus.models.model_files import no_progress_bar
from labelbench_plus.models.weights import lent_generator, library
from labelbench_plus.store.artefacts import Artefacts, default_cache_dir

CONVERSION = 1
"""Raised when the same file would be converted into other weights or another tokenizer."""


def converted(file: Path, ways: str) -> Path:
    """The folder with what a GGUF file holds, its weights rounded to bfloat16, from the cache if it was ever made.

    Raises
    ------
    FileNotFoundError
        A library is not installed; the message lists the ways.
    """
    for name in ("gguf", "accelerate"):
        try:
            library(name, "language")
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{error}. {ways}") from error
    key = {"gguf": hash_file(file), "conversion": CONVERSION}
    return Artefacts(default_cache_dir()).directory(key, partial(_convert, file), what=f"{file.stem}, converted")


def read(file: Path) -> Any:
    """The model in a GGUF file as transformers reads it, in float32."""
    import torch

    transformers = library("transformers", "language")
    with lent_generator(), no_progress_bar():
        return transformers.AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32, local_files_only=True
        ).eval()


def _convert(file: Path, folder: Path) -> None:
    import torch

    transformers = library("transformers", "language")
    with redirect_stderr(io.StringIO()):  # a bar of progress that nothing else turns off
        model = read(file)
    # transformers refuses to save a model that it calls quantized, though its weights no longer are.
    config = type(model.config).from_dict(
        {key: value for key, value in model.config.to_dict().items() if key != "quantization_config"}
    )
    with lent_generator():
        plain = type(model)(config).to(torch.bfloat16)
    plain.load_state_dict({name: value.to(torch.bfloat16) for name, value in model.state_dict().items()})
    with no_progress_bar():
        plain.save_pretrained(folder)
        tokenizer = transformers.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    tokenizer.save_pretrained(folder)
