"""What is asked of a base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from unittest.mock import patch

import torch
from torch import Tensor

from labelbench_plus.contracts.bases import Base, Precision
from labelbench_plus.language.base import OpenBase
from labelbench_plus.models.model_files import no_progress_bar
from labelbench_plus.models.weights import lent_generator, library
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.common_checks import add_common
from labelbench_plus.testing.report import Failure, Skip
from labelbench_plus.testing.subject import check_declaration, fresh
from labelbench_plus.testing.witness import watched

DEVICE = "cpu"
TEXT = "How many legs has a spider? Eight, as a tick has."
CLOSE = 1e-3  # of log-probabilities that are computed in another order, and of weights that were stored shorter


@dataclass(frozen=True)
class Opening:
    """One base and the ways to open it."""

    plugin: Base

    def model(self) -> Any:
        """The model in float32, held to what every model must be."""
        with watched():
            model = fresh(self.plugin).load(DEVICE, torch.float32)
        if not callable(getattr(model, "get_output_embeddings", None)) or getattr(model, "config", None) is None:
            raise Failure("loads", f"expected a model of transformers with a head over words, got {type(model)}")
        if odd := sorted({str(each.dtype) for each in model.parameters()} - {"torch.float32"}):
            raise Failure("loads", f"float32 was asked for, and some of its weights are {', '.join(odd)}")
        if model.training:
            raise Failure("evaluation_mode", "it comes in training mode")
        return model

    def tokenizer(self) -> Any:
        return fresh(self.plugin).tokenizer()

    def ids(self) -> list[int]:
        found: list[int] = self.tokenizer()(TEXT, add_special_tokens=False).input_ids
        return found

    def precision(self) -> str:
        """In what it says it is computed."""
        found = fresh(self.plugin).precision(DEVICE)
        if found not in get_args(Precision):
            raise Failure("precision", f"expected {' or '.join(get_args(Precision))}, got {found!r}")
        return str(found)

    def ordinary(self) -> Tensor:
        ids = self.ids()  # first, as importing a library may move the process's settings
        return scores(self.model(), ids)


@torch.no_grad()
def scores(model: Any, ids: list[int]) -> Tensor:
    """(tokens, V) log-probabilities of what follows each token."""
    found: Tensor = model(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(dim=1)
    return found


CHECKS: Checks[Opening] = Checks(Opening)


@CHECKS.add("declaration", "it is a registered frozen dataclass with a docstring", "see the error")
def _declaration(opening: Opening) -> None:
    check_declaration(opening.plugin, "bases")


@CHECKS.add(
    "loads",
    "`load` gives a model of transformers in the precision that was asked for, and `tokenizer` what writes for it",
    "read the traceback; hand `dtype` on to `from_pretrained`",
    essential=True,
)
def _loads(opening: Opening) -> None:
    try:
        opening.ordinary()
    except FileNotFoundError as error:  # what cannot be had here is no fault of the plugin's
        raise Skip(str(error)) from error


@CHECKS.add("evaluation_mode", "the model comes in evaluation mode, without dropout", "return model.eval()")
def _evaluation_mode(opening: Opening) -> None:
    opening.model()


@CHECKS.add(
    "causal",
    "what comes later in a text changes nothing before it",
    "it must be a decoder with a causal mask: texts are padded on the right",
)
def _causal(opening: Opening) -> None:
    model, ids = opening.model(), opening.ids()
    half = len(ids) // 2
    off = float((scores(model, ids)[:half] - scores(model, ids[:half])).abs().max())
    if off > CLOSE:
        raise Failure("causal", f"log-probabilities within the first half are {off:.3g} off without the second")


@CHECKS.add(
    "a_decoder",
    "its layers and its head are found: a list of `num_hidden_layers` layers, and logits that the head alone makes",
    "models that scale or cap their logits, or hide their layers, are not known here",
)
def _a_decoder(opening: Opening) -> None:
    opening.precision()
    try:
        OpenBase(opening.plugin, DEVICE)
    except ValueError as error:
        raise Failure("a_decoder", str(error)) from error


@CHECKS.add(
    "tokenizer",
    "texts come back from tokens, each token is one of the model's, and there is one that ends texts",
    "the tokenizer must be the model's own, with `eos_token` set",
)
def _tokenizer(opening: Opening) -> None:
    tokenizer, ids = opening.tokenizer(), opening.ids()
    if (back := tokenizer.decode(ids, clean_up_tokenization_spaces=False)).strip() != TEXT:
        raise Failure("tokenizer", f"{TEXT!r} comes back as {back!r}")
    if tokenizer.eos_token_id is None:
        raise Failure("tokenizer", "no token ends a text: `eos_token_id` is None")
    width = opening.model().get_output_embeddings().weight.shape[0]
    if (largest := max(*ids, tokenizer.eos_token_id)) >= width:
        raise Failure("tokenizer", f"token {largest} is beyond the {width} words of the model")


@CHECKS.add(
    "folder",
    "`path` is a folder from which transformers reads the same weights and tokenizer",
    "write both there with `save_pretrained`",
)
def _folder(opening: Opening) -> None:
    path = fresh(opening.plugin).path()
    if not isinstance(path, Path) or not path.is_dir():
        raise Failure("folder", f"{path!r} is no folder")
    transformers = library("transformers", "language")
    try:
        with lent_generator(), no_progress_bar():
            model = transformers.AutoModelForCausalLM.from_pretrained(path, local_files_only=True, dtype=torch.float32)
        ids = transformers.AutoTokenizer.from_pretrained(path)(TEXT, add_special_tokens=False).input_ids
    except (OSError, ValueError) as error:
        raise Failure("folder", f"transformers cannot read {path}: {error}") from error
    if ids != opening.ids():
        raise Failure("folder", "the tokenizer in the folder is another")
    theirs, mine = model.state_dict(), opening.model().state_dict()
    if odd := [name for name in mine if not _alike(mine[name], theirs.get(name))]:
        raise Failure("folder", f"{len(odd)} of the model's tensors are others in the folder, such as {odd[0]}")


def _alike(mine: Tensor, theirs: Tensor | None) -> bool:
    return theirs is not None and mine.shape == theirs.shape and torch.allclose(mine, theirs, rtol=0, atol=CLOSE)


@CHECKS.add(
    "precision",
    "`precision` is float32 or bfloat16, and the same every time",
    "measure once and keep it, or return a constant",
)
def _precision(opening: Opening) -> str:
    found = [opening.precision() for _ in range(3)]
    if len(set(found)) > 1:
        raise Failure("precision", f"asked three times it says {', '.join(found)}")
    return found[0]


@CHECKS.add(
    "fingerprint",
    "`fingerprint` is a text, the same every time, and known without loading the model",
    "hash the files, not the model",
)
def _fingerprint(opening: Opening) -> None:
    refused = Failure("fingerprint", "it loads the model to say what it is")
    with patch.object(type(opening.plugin), "load", side_effect=refused):
        found = [fresh(opening.plugin).fingerprint() for _ in range(2)]
    if not isinstance(found[0], str) or found[0] != found[1]:
        raise Failure("fingerprint", f"first {found[0]!r}, then {found[1]!r}")


add_common(CHECKS, "bases")
