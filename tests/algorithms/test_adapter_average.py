"""Averages of adapters are averages of what they add to a layer."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from labelbench_plus.algorithms.decoding.adapter_average import averaged, concatenated, delta

KNOWN = json.loads((Path(__file__).parent / "known_decoding.json").read_text())["lora_soup"]
DOWN, UP = torch.tensor(KNOWN["A"]), torch.tensor(KNOWN["B"])
ADAPTERS = [(down, up, KNOWN["scaling"]) for down, up in zip(DOWN, UP, strict=True)]


def test_the_known_soup_and_not_that_of_the_factors():
    found = averaged(ADAPTERS, KNOWN["weights"])
    torch.testing.assert_close(found, torch.tensor(KNOWN["delta"]))
    weights = torch.tensor(KNOWN["weights"])[:, None, None]
    wrong = delta((weights * DOWN).sum(0), (weights * UP).sum(0), KNOWN["scaling"])
    torch.testing.assert_close(wrong, torch.tensor(KNOWN["wrong_by_factors"]))
    assert not torch.allclose(found, wrong)


def test_it_does_not_depend_on_how_an_adapter_is_written():
    rng = torch.Generator().manual_seed(0)
    normal = partial(torch.randn, generator=rng, dtype=torch.float64)
    adapters = [(normal(rank, 5), normal(4, rank), 0.5) for rank in (2, 3)]
    plain = averaged(adapters, [0.3, 0.7])
    turned = []
    for down, up, scaling in adapters:
        basis = normal(len(down), len(down))
        turned.append((basis @ down, up @ torch.linalg.inv(basis), scaling))
    torch.testing.assert_close(averaged(turned, [0.3, 0.7]), plain, rtol=1e-9, atol=1e-12)
    down, up = concatenated(adapters, [0.3, 0.7])
    assert down.shape == (5, 5)
    torch.testing.assert_close(up @ down, sum(w * delta(*each) for w, each in zip([0.3, 0.7], adapters, strict=True)))


@pytest.mark.parametrize(
    ("adapters", "weights", "says"),
    [
        ([], [], "one adapter or more"),
        (ADAPTERS, [1.0], "got 1 for 2"),
        ([(torch.zeros(2, 3), torch.zeros(4, 1), 1.0)], [1.0], r"expected A \(r, in\)"),
        ([*ADAPTERS, (torch.zeros(1, 3), torch.zeros(2, 1), 1.0)], [1, 1, 1], "of one layer"),
    ],
)
def test_what_does_not_belong_together_is_refused(adapters, weights, says):
    with pytest.raises(ValueError, match=says):
        averaged(adapters, weights)
