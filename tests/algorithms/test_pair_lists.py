"""Ragged lists: what goes in comes out, sorted, and can be thinned."""

from __future__ import annotations

import torch

from labelbench_plus.algorithms.distance_bounds import true_entries
from labelbench_plus.algorithms.pair_lists import TILE, PairListsBuilder, ragged_ranges


def test_ragged_ranges() -> None:
    segment, values = ragged_ranges(torch.tensor([5, 0, 9]), torch.tensor([2, 0, 3]))
    assert segment.tolist() == [0, 0, 2, 2, 2]
    assert values.tolist() == [5, 6, 9, 10, 11]


def test_lists_of_a_matrix_and_thinning() -> None:
    size = 2 * TILE + 100
    generator = torch.Generator().manual_seed(0)
    matrix = torch.rand(size, size, generator=generator)
    mask = matrix < 0.01
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
    rows, columns = mask[some].nonzero(as_tuple=True)
    assert torch.equal(segment, rows)
    assert torch.equal(lists.partner[entries].long(), columns)
    assert torch.equal(lists.values[entries], matrix[some][rows, columns])

    worth = torch.rand(size, generator=generator) * 0.01
    lists.keep(worth)
    kept = mask & (matrix > worth)
    assert len(lists) == int(kept.sum())
    segment, entries = lists.entries(torch.arange(size))
    assert torch.equal(torch.stack([segment, lists.partner[entries].long()]), kept.nonzero().T)
    assert torch.equal(lists.values[entries], matrix[kept])
