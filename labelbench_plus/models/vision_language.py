"""Models of transformers that read pictures and texts and write: LLaVA, SmolVLM, Qwen2-VL and others, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from labelbench_plus.models.model_files import SMALL_FILES, ModelFiles
from labelbench_plus.models.weights import library

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class VisionLanguageModel(ModelFiles):
    """A model that answers in words about pictures, with its processor beside it."""

    ways: ClassVar[str] = (
        "Ways to get weights: (1) with a network: weights: pretrained (they stay in the hub's cache, which can be "
        "copied to a machine without one; there set HF_HUB_OFFLINE=1); (2) weights: folder with folder: PATH of what "
        "save_pretrained of model and processor wrote"
    )
    package: ClassVar[str] = ""
    packaged: ClassVar[str] = ""
    small: ClassVar[tuple[str, ...]] = (*SMALL_FILES, "*.jinja")

    def load(self, device: str, dtype: torch.dtype) -> Any:
        """The model in evaluation mode.

        Raises
        ------
        ValueError
            The weights are not whole, or of a model that does not answer about pictures.
        FileNotFoundError
            As of `path`, or transformers is not installed.
        """
        transformers = library("transformers", "transformers")
        return self.whole(transformers.AutoModelForImageTextToText, dtype).to(device).eval()

    def processor(self) -> Any:
        """What makes a model's inputs of texts and pictures.

        Raises
        ------
        ValueError
            There is none beside the model.
        """
        path = self.path()
        try:
            return library("transformers", "transformers").AutoProcessor.from_pretrained(path, local_files_only=True)
        except (OSError, ValueError, ImportError) as error:
            raise ValueError(f"transformers: there is no processor of pictures and texts in {path}: {error}") from error
