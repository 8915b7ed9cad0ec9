"""Ragged lists: what goes in comes out, sorted, and can be thinned."""

from __future__ import annotations

import pytest
import torch

from labelbench_plus.algorithms.blocks import pair_lists
from labelbench_plus.algorithms.blocks.distance_bounds import true_entries
from labelbench_plus.algorithms.blocks.pair_lists import TILE, PairListsBuilder, ragged_ranges


def test_ragged_ranges() -> None:
    segment, values = ragged_ranges(torch.tensor([5, 0, 9]), torch.tensor([2, 0, 3]))
    assert segment.tolist() == [0, 0, 2, 2, 2]
    assert values.tolist() == [5, 6, 9, 10, 11]


@pytest.mark.parametrize("slab", [3000, 2**21])
def test_lists_of_a_matrix_and_thinning(slab: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_lists, "_SLAB", slab)  # a piece, of up to 10,000 pairs here, may be larger than a slab
    size = 2 * TILE + 100
    generator = torch.Generator().manual_seed(0)
    matrix = torch.rand(size, size, generator=generator)
    mask = matrix < 0.01
    mask[:TILE, :TILE] = False  # the first piece is empty
    blocks = [slice(start, min(start + TILE, size)) for start in range(0, size, TILE)]
    plain, valued = PairListsBuilder(size), PairListsBuilder(size)
    for i, rows in enumerate(blocks):
        for columns in blocks[i:]:
            for candidates, others in {(rows.start, columns.start), (columns.start, rows.start)}:
                part = (slice(candidates, candidates + TILE), slice(others, others + TILE))
                row, other = true_entries(mask[part].contiguous())
                plain.add(candidates, row, other + others, torch.empty(0))
                valued.add(candidates, row, other + others, matrix[part][row, other])
    lists = valued.finish()
    assert len(lists) == int(mask.sum()) == len(plain.finish())
    some = torch.tensor([0, TILE, 3, size - 1, TILE - 1])
    segment, entries = lists.entries(some)
    listed = mask[some].nonzero()
    assert torch.equal(torch.stack([segment, lists.partner[entries].long()], dim=1), listed)
    assert torch.equal(lists.values[entries], matrix[some][listed[:, 0], listed[:, 1]])

    worth = torch.rand(size, generator=generator) * 0.01
    lists.keep(worth)
    kept = mask & (matrix > worth)
    assert len(lists) == int(kept.sum())
    segment, entries = lists.entries(torch.arange(size))
    assert torch.equal(torch.stack([segment, lists.partner[entries].long()]), kept.nonzero().T)
    assert torch.equal(lists.values[entries], matrix[kept])
