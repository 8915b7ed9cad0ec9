"""Primitives work on numbers: what a tensor was computed from is no business of theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def detached(primitive: Callable[P, R]) -> Callable[P, R]:
    """The primitive, given tensors without their gradients: in place and NumPy operations refuse those that need one.

    Every public primitive that takes tensors, or sequences of them, is decorated with it.
    """

    @wraps(primitive)
    def on_numbers(*args: P.args, **kwargs: P.kwargs) -> R:
        return primitive(*map(_numbers, args), **{name: _numbers(value) for name, value in kwargs.items()})

    return on_numbers


def _numbers(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach() if value.requires_grad else value
    if type(value) in (list, tuple) and any(isinstance(item, torch.Tensor) for item in value):
        return type(value)(map(_numbers, value))
    return value
