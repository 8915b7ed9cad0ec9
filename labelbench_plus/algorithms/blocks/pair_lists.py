"""Ragged lists of partners: for every row those other rows that matter to it, without an N × N array."""

from __future__ import annotations

import torch
from torch import Tensor

TILE = 1024
"""Rows of a block whose lists are sorted together."""

_SLAB = 2**21  # pairs


class PairLists:
    """One list of partners a row, ascending, with a value for each partner.

    counts: (N,) int64 lengths of the lists.
    partner: (pairs,) int32, the lists one after another.
    values: (pairs,) floating point, or empty where pairs have no values.
    """

    def __init__(self, counts: Tensor, partner: Tensor, values: Tensor) -> None:
        self.counts = counts
        self._starts = counts.cumsum(0) - counts
        self.partner, self.values = partner, values

    def __len__(self) -> int:
        return len(self.partner)

    def entries(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(position in `rows`, place in `partner` and `values`) of all pairs of these rows, list after list."""
        return ragged_ranges(self._starts[rows], self.counts[rows])

    def keep(self, worth: Tensor) -> None:
        """Drop, in place, all pairs whose value is not above the `worth` (N,) of the partner."""
        end = 0
        for first in range(0, len(self.counts), TILE):
            counts = self.counts[first : first + TILE]
            start = int(self._starts[first])
            entries = slice(start, start + int(counts.sum()))
            kept = self.values[entries] > worth[self.partner[entries].to(torch.int64)]
            segment = torch.repeat_interleave(counts)[kept]
            # Entries only ever move down, to where nothing is left to be read.
            moved = slice(end, end + len(segment))
            self.partner[moved], self.values[moved] = self.partner[entries][kept], self.values[entries][kept]
            self.counts[first : first + TILE] = torch.bincount(segment, minlength=len(counts))
            end = moved.stop
        self._starts = self.counts.cumsum(0) - self.counts
        self.partner, self.values = self.partner[:end].clone(), self.values[:end].clone()


class PairListsBuilder:
    """Collects the pairs of N rows in the order of `DistanceBounds.half_tiles(TILE)` and turns them into lists."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._blocks: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in range(0, rows, TILE)]
        self._room: tuple[Tensor, Tensor, Tensor] | None = None
        self.pairs = 0

    def add(self, first: int, row: Tensor, partner: Tensor, values: Tensor) -> None:
        """Add pairs (first + row, partner) with `first` the start of a block and `row` within it.

        Within a block, calls come with ascending partners. The values are empty in all calls or in none.
        """
        size = len(row)
        # Pieces lie in slabs: allocated one by one among the large temporaries of the caller, they would leave holes
        # of many times their own size behind.
        if size and (self._room is None or len(self._room[0]) < size):
            slab = max(size, _SLAB)
            self._room = (
                torch.empty(slab, dtype=torch.int16, device=row.device),
                torch.empty(slab, dtype=torch.int32, device=row.device),
                values.new_empty(slab if len(values) else 0),
            )
        if size == 0 or self._room is None:
            self._blocks[first // TILE].append((row.to(torch.int16), partner.to(torch.int32), values))
            return
        rows, partners, room = self._room
        used = len(values)
        self._blocks[first // TILE].append(
            (rows[:size].copy_(row), partners[:size].copy_(partner), room[:used].copy_(values))
        )
        self._room = rows[size:], partners[size:], room[used:]
        self.pairs += size

    def finish(self) -> PairLists:
        """The lists."""
        some = next(piece[2] for block in self._blocks for piece in block)
        counts = torch.zeros(self._rows, dtype=torch.int64, device=some.device)
        partner = torch.empty(self.pairs, dtype=torch.int32, device=some.device)
        valued = any(len(piece[2]) for block in self._blocks for piece in block)
        values = torch.empty(self.pairs if valued else 0, dtype=some.dtype, device=some.device)
        start = 0
        for number, block in enumerate(self._blocks):
            row = torch.cat([piece[0] for piece in block]).to(torch.int64)
            order = row.argsort(stable=True)  # partners came ascending and stay so
            entries = slice(start, start + len(order))
            partner[entries] = torch.cat([piece[1] for piece in block])[order]
            if valued:
                values[entries] = torch.cat([piece[2] for piece in block])[order]
            block_counts = counts[number * TILE : (number + 1) * TILE]
            block_counts += torch.bincount(row, minlength=len(block_counts))
            start = entries.stop
        return PairLists(counts, partner, values)


def ragged_ranges(starts: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Concatenated ranges starts[i] … starts[i] + counts[i] − 1: (the i of every element, the elements)."""
    segment = torch.repeat_interleave(counts)
    offset = starts - (counts.cumsum(0) - counts)
    return segment, torch.arange(len(segment), device=starts.device) + offset[segment]
