import pytest
import torch

from labelbench_plus.algorithms.round_robin import round_robin


def slowly(groups, scores, n, taken):
    """One at a time: of the group with the least, the highest score."""
    count = {group: taken.count(group) for group in {*groups, *taken}}
    left, picked = set(range(len(groups))), []
    while len(picked) < n:
        group = min({groups[row] for row in left}, key=lambda group: (count[group], group))
        row = min((row for row in left if groups[row] == group), key=lambda row: (-scores[row], row))
        left.remove(row)
        count[group] += 1
        picked.append(row)
    return picked


@pytest.mark.parametrize("seed", range(20))
def test_it_takes_turns_as_one_would_by_hand(seed):
    generator = torch.Generator().manual_seed(seed)
    size = int(torch.randint(1, 40, (1,), generator=generator))
    groups = torch.randint(-2, 5, (size,), generator=generator)
    scores = torch.randint(0, 6, (size,), generator=generator).double()  # with ties
    taken = torch.randint(-3, 6, (seed,), generator=generator)
    for n in (0, 1, size // 2, size):
        found = round_robin(groups, scores, n, taken=taken if seed % 3 else None).tolist()
        assert found == slowly(groups.tolist(), scores.tolist(), n, taken.tolist() if seed % 3 else [])


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="integers, one per score"):
        round_robin(torch.zeros(3), torch.zeros(3), 1)
    with pytest.raises(ValueError, match="finite"):
        round_robin(torch.zeros(2, dtype=torch.long), torch.tensor([0.0, torch.nan]), 1)
    with pytest.raises(ValueError, match="3"):
        round_robin(torch.zeros(2, dtype=torch.long), torch.zeros(2), 3)
