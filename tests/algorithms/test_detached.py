"""Primitives take tensors as they come out of a network, gradients and all."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from labelbench_plus import algorithms
from labelbench_plus.algorithms import (
    badge,
    bait,
    clue,
    cluster_margin,
    galaxy,
    greedy_design,
    greedy_sampling,
    k_means,
    posterior_variance,
    relaxed_design,
    stochastic_batch,
    uncertainty,
)

ROOT = Path(algorithms.__file__).parent
# Operations on pictures, which networks may be trained through, and losses that policies are trained by.
OTHERS = {"image_operations.py", "preference_losses.py", "reward_losses.py"}


def public_primitives() -> list[tuple[str, ast.FunctionDef]]:
    """Functions that take tensors, of the modules that are called what they compute."""
    found = []
    for file in sorted(ROOT.glob("*.py")):
        for node in ast.parse(file.read_text()).body if file.name not in OTHERS else ():
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                taken = [ast.unparse(a.annotation) for a in (*node.args.args, *node.args.kwonlyargs) if a.annotation]
                if any("Tensor" in each for each in taken):
                    found.append((f"{file.stem}.{node.name}", node))
    return found


def test_every_primitive_is_decorated() -> None:
    found = public_primitives()
    assert len(found) > 50
    bare = [name for name, node in found if "detached" not in map(ast.unparse, node.decorator_list)]
    assert not bare, "decorate them with blocks.detached.detached"


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


FEATURES = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
PROBABILITIES = torch.softmax(torch.randn(40, 3, generator=torch.Generator().manual_seed(1)), 1)
LABELS = torch.arange(10) % 3

PRIMITIVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "badge": lambda f, p: badge.badge(p, f, 5, rng()),
    "bait_binary": lambda f, p: bait.bait_binary(p, f, 5),
    "bait_top_classes": lambda f, p: bait.bait_top_classes(p, f, 5),
    "clue": lambda f, p: clue.clue(p, f, 5, rng()),
    "average_linkage": lambda f, p: cluster_margin.average_linkage(f, 5),
    "average_linkage_of_groups": lambda f, p: cluster_margin.average_linkage_of_groups(f, 5, rng(), n_groups=20),
    "galaxy": lambda f, p: galaxy.galaxy(p[10:], p[:10], LABELS, 5, rng()),
    "a_optimal": lambda f, p: greedy_design.a_optimal(f, 5, ridge=1.0),
    "d_optimal": lambda f, p: greedy_design.d_optimal(f, 5, ridge=1.0),
    "v_optimal": lambda f, p: greedy_design.v_optimal(f, 5, ridge=1.0),
    "relaxed_d_optimal": lambda f, p: relaxed_design.relaxed_d_optimal(f, 5, ridge=1.0).weights,
    "gsx": lambda f, p: greedy_sampling.gsx(f, 5, labelled=f[:3]),
    "k_means": lambda f, p: k_means.k_means(f, 5, rng()).labels,
    "max_variance": lambda f, p: posterior_variance.max_variance(f, 5, noise=1.0),
    "softmax_acquisition": lambda f, p: stochastic_batch.softmax_acquisition(
        uncertainty.entropy(p), 5, rng(), beta=1.0
    ),
}


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_gradient_changes_nothing(name: str) -> None:
    primitive = PRIMITIVES[name]
    plain = primitive(FEATURES, PROBABILITIES)
    given = primitive(FEATURES.clone().requires_grad_(), PROBABILITIES.clone().requires_grad_())
    assert torch.equal(plain, given) and not given.requires_grad
