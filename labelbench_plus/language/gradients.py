"""Which way demonstrations would pull an untouched base: gradients of its loss, sketched to a few numbers each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labelbench_plus.algorithms.sign_sketch import sign_sketch
from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.examples import Example, examples
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.packing import by_length
from labelbench_plus.language.scoring import token_losses
from labelbench_plus.seeding import Streams, torch_generator

DRAWN_WITH = 0  # the seed of low-rank changes and of sketches: all gradients of a base are comparable
RANK = 8
DIMENSIONS = 1024
BATCH_TOKENS = 1024  # whose activations are there at a time


def answer_gradients(model: LanguageModel, demonstrations: Sequence[Demonstration]) -> Tensor:
    """(n, `DIMENSIONS`) float32: of each demonstration, the gradient of the mean loss over its answer's tokens.

    With respect to low-rank changes of rank `RANK` of all the decoder's linear layers that change nothing yet (A is
    drawn, B is zero, so that the gradient is one of B), sketched by random signs. An answer that does not fit into what
    the base reads is cut off.

    Complexity: a forward and a backward pass; memory for a batch's activations, and n × `DIMENSIONS`.
    """
    base = model.base
    found = examples(model.format, demonstrations, base.context)
    adapter = Adapter.drawn(base, RANK, RANK, torch_generator(Streams(DRAWN_WITH).rng("model_init")))
    out = torch.zeros(len(found), DIMENSIONS)
    for rows in by_length([len(each.ids) for each in found], BATCH_TOKENS):
        for name, gradients in batch_gradients(model, adapter, [found[row] for row in rows]):
            sketched = sign_sketch(gradients.flatten(1), DIMENSIONS, Streams(DRAWN_WITH).rng(f"sketch {name}"))
            out[torch.from_numpy(rows)] += sketched.cpu()
    return out


def batch_gradients(model: LanguageModel, adapter: Adapter, rows: Sequence[Example]) -> Iterator[tuple[str, Tensor]]:
    """Of every changed layer, its name and (n, outputs, rank) float32: each example's own gradient with respect to B.

    One pass over all of them: an example's gradient is the sum over its tokens of what the loss says of the layer's
    output times what A makes of its input, and no example's tokens have a part in another's loss.
    """
    first = [each.first("answers") for each in rows]
    read: dict[str, Tensor] = {}
    pulled: dict[str, Tensor] = {}
    with torch.enable_grad(), model.computing() as whole, _listening(whole, adapter, read, pulled):
        losses = token_losses(whole, [each.ids for each in rows], first)
        counts = np.array([len(each.ids) for each in rows]) - np.array(first)
        weights = torch.from_numpy(np.repeat(1 / counts, counts)).to(losses)
        (losses * weights).sum().backward()
    for name in adapter.weights:
        yield name, torch.einsum("nto,ntr->nor", pulled.pop(name).float(), read.pop(name).float())


@contextmanager
def _listening(whole: Any, adapter: Adapter, read: dict[str, Tensor], pulled: dict[str, Tensor]) -> Iterator[None]:
    """While it lasts, note what A makes of each layer's input, and what a backward pass says of its output."""

    def begin(part: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output.detach().requires_grad_()  # the base's weights are frozen, and yet gradients are to reach it

    def note(name: str, part: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        read[name] = F.linear(given[0].detach(), adapter.weights[name][0])
        output.register_hook(partial(pulled.__setitem__, name))

    with ExitStack() as stack:
        stack.callback(whole.get_input_embeddings().register_forward_hook(begin).remove)
        for name in adapter.weights:
            stack.callback(whole.get_submodule(name).register_forward_hook(partial(note, name)).remove)
        yield
