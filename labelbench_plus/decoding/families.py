"""Families of policies and of rewards over listed responses: free tables, and small networks over tokens."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.decoding.token_tree import joint

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams


@dataclass(frozen=True)
class Tables:
    """A number for every response: log-probabilities up to a constant, or rewards.

    Parameters
    ----------
    first: (c, n) where training starts.
    normalised: whether they are log-probabilities.
    """

    first: Tensor
    normalised: bool
    rate: float = 0.05

    def start(self, streams: Streams) -> Tensor:
        return self.first.flatten()

    def values(self, parameters: Tensor) -> Tensor:
        values = parameters.unflatten(-1, self.first.shape)
        return torch.log_softmax(values, dim=-1) if self.normalised else values


@dataclass(frozen=True)
class TokenPolicies:
    """Autoregressive policies: a network with one hidden layer of tanh, from what was said to the next token.

    It reads a prefix of up to T − 1 tokens as one-hot vectors, zero where nothing was said yet.

    Parameters
    ----------
    vocabulary, length, hidden: V, T and the width of the layer.
    first: (p,) where training starts.
    """

    vocabulary: int
    length: int
    hidden: int
    first: Tensor
    rate: float = 0.01

    @cached_property
    def prefixes(self) -> Tensor:
        """(P, (T − 1) V), shorter ones first."""
        width = (self.length - 1) * self.vocabulary
        rows = []
        for depth in range(self.length):
            for said in itertools.product(range(self.vocabulary), repeat=depth):
                row = np.zeros(width)
                row[[place * self.vocabulary + token for place, token in enumerate(said)]] = 1
                rows.append(row)
        return torch.as_tensor(np.array(rows))

    def start(self, streams: Streams) -> Tensor:
        return self.first

    def values(self, parameters: Tensor) -> Tensor:
        shapes = network_shapes((self.length - 1) * self.vocabulary, self.hidden, self.vocabulary)
        said = torch.log_softmax(perceptron(parameters, self.prefixes, shapes), dim=-1)
        sizes = [self.vocabulary**depth for depth in range(self.length)]
        return joint(said.split(sizes, dim=1)).unsqueeze(1)


@dataclass(frozen=True)
class TokenRewards:
    """Rewards of whole sequences: the same network, from all T tokens to one number."""

    vocabulary: int
    length: int
    hidden: int
    rate: float = 0.01

    @cached_property
    def sequences(self) -> Tensor:
        """(n, T V) one-hot vectors, the last token varying fastest."""
        said = np.array(list(itertools.product(range(self.vocabulary), repeat=self.length)))
        return torch.as_tensor(np.eye(self.vocabulary)[said].reshape(len(said), -1))

    def start(self, streams: Streams) -> Tensor:
        shapes = network_shapes(self.length * self.vocabulary, self.hidden, 1)
        return drawn_network(shapes, streams.rng("reward_init"), last=0.0)

    def values(self, parameters: Tensor) -> Tensor:
        shapes = network_shapes(self.length * self.vocabulary, self.hidden, 1)
        return perceptron(parameters, self.sequences, shapes).movedim(-1, 1)


Shapes = tuple[tuple[int, ...], ...]


def network_shapes(inputs: int, hidden: int, outputs: int) -> Shapes:
    """Of the weights and biases of a network with one hidden layer."""
    return (inputs, hidden), (hidden,), (hidden, outputs), (outputs,)


def drawn_network(shapes: Shapes, rng: np.random.Generator, *, last: float) -> Tensor:
    """(p,) random weights of variance 1 and last² over the number of inputs that are not zero, and no biases."""
    into, bias, out, end = shapes
    first = rng.standard_normal(into)
    second = last * rng.standard_normal(out) / into[1] ** 0.5
    return torch.as_tensor(np.concatenate([first.ravel(), np.zeros(bias), second.ravel(), np.zeros(end)]))


def perceptron(parameters: Tensor, inputs: Tensor, shapes: Shapes) -> Tensor:
    """(b, P, outputs) of inputs (P, i) under each row of parameters (b, p)."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    into, bias, out, end = (
        part.unflatten(-1, shape) for part, shape in zip(parameters.split(sizes, dim=-1), shapes, strict=True)
    )
    hidden = torch.tanh(inputs @ into + bias.unsqueeze(-2))
    return hidden @ out + end.unsqueeze(-2)
