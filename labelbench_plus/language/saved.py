"""Models in folders of their own, which peft and transformers read too."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from labelbench_plus.language.adapters import CONFIG, Adapter
from labelbench_plus.language.base import open_base
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.synthetic import Synthesis, Synthetic
from labelbench_plus.language.templates import Template
from labelbench_plus.models.weights import library
from labelbench_plus.plugins import describe, registry

ABOUT = "language_model.json"


def save(model: LanguageModel, folder: Path) -> None:
    """Write into an empty folder what peft's `PeftModel.from_pretrained` reads, or what transformers reads where there
    is a whole model; the tokenizer lies beside it.
    """
    about: dict[str, Any] = {"base": describe(model.base.plugin), "template": asdict(model.template)}
    about["notes"] = dict(model.notes)
    if model.synthesis is not None:
        about["synthesis"] = {"shown": list(model.synthesis.shown), "rows": model.synthesis.plain()}
    (folder / ABOUT).write_text(json.dumps(about, indent=1))
    model.base.tokenizer.save_pretrained(folder)
    if isinstance(model.learned, Adapter):
        model.learned.save(folder, str(model.base.plugin.path()))
    else:
        whole: Any = model.base.model if model.learned is None else model.learned
        whole.save_pretrained(folder)


def load(folder: Path) -> LanguageModel:
    """The model that `save` wrote, on the CPU."""
    about = json.loads((folder / ABOUT).read_text())
    base = open_base(registry("bases").build(about["base"]), "cpu")
    learned: Adapter | torch.nn.Module
    if (folder / CONFIG).is_file():
        learned = Adapter.load(folder, base.device)
    else:
        transformers = library("transformers", "language")
        learned = transformers.AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32
        ).requires_grad_(False)
    synthesis = None
    if written := about.get("synthesis"):
        synthesis = Synthesis(tuple(written["shown"]), tuple(Synthetic(*row) for row in written["rows"]))
    return LanguageModel(base, Template(**about["template"]), learned, about["notes"], synthesis)
