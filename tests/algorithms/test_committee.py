"""What a committee says, beside the definitions row by row."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from labelbench_plus.algorithms.committee import committee_variance, expected_model_change, vote_entropy
from labelbench_plus.algorithms.learners.ridge import leave_one_out, ridge_regression
from labelbench_plus.algorithms.uncertainty import top_scores
from tests.algorithms.known_regression import FREE, KNOWN, LABELLED, WITH_CONSTANT, X, Y

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def test_known_answers() -> None:
    members = leave_one_out(X[LABELLED], Y[LABELLED], l2=KNOWN["ridge"]).predictions(X)
    variance = committee_variance(members)
    torch.testing.assert_close(variance, torch.tensor(KNOWN["committee_variance"], dtype=torch.float64))
    assert FREE[top_scores(variance[FREE], 5)].tolist() == KNOWN["query_by_committee"]
    own = ridge_regression(X[LABELLED], Y[LABELLED], l2=KNOWN["ridge"]).predictions(X)
    change = expected_model_change(own, members, WITH_CONSTANT)
    torch.testing.assert_close(change, torch.tensor(KNOWN["emcm_scores"], dtype=torch.float64))
    assert FREE[top_scores(change[FREE], 1)].tolist() == [KNOWN["emcm_first"]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("members", [1, 2, 7])
def test_definitions_row_by_row(dtype: torch.dtype, members: int) -> None:
    generator = torch.Generator().manual_seed(members)
    made, own = torch.randn(members, 50, generator=generator).to(dtype), torch.randn(50, generator=generator).to(dtype)
    z = torch.randn(50, 3, generator=generator).to(dtype)
    made[:, 20:30], own[20:30], z[20:30] = made[:, :10], own[:10], z[:10]  # duplicates
    variance, change = committee_variance(made), expected_model_change(own, made, z)
    for row in range(50):
        several = [float(value) for value in made[:, row]]
        mean = sum(several) / members
        assert float(variance[row]) == pytest.approx(sum((v - mean) ** 2 for v in several) / members)
        pull = sum(abs(float(own[row]) - v) for v in several) / members
        assert float(change[row]) == pytest.approx(pull * float(z[row].double().norm()))
    for score in (variance, change):
        assert score.dtype == torch.float64
        assert torch.equal(score[20:30], score[:10])
    for chunk_bytes in (1, 500):
        assert torch.equal(committee_variance(made, chunk_bytes=chunk_bytes), variance)
        assert torch.equal(expected_model_change(own, made, z, chunk_bytes=chunk_bytes), change)


def test_the_unit_and_the_origin_of_labels_change_no_order() -> None:
    generator = torch.Generator().manual_seed(0)
    made, own = torch.randn(5, 80, generator=generator).double(), torch.randn(80, generator=generator).double()
    z = torch.randn(80, 4, generator=generator)
    for moved_own, moved in ((own * 1000, made * 1000), (own + 100, made + 100)):
        before, after = committee_variance(made), committee_variance(moved)
        assert top_scores(after, 80).tolist() == top_scores(before, 80).tolist()
        before, after = expected_model_change(own, made, z), expected_model_change(moved_own, moved, z)
        assert top_scores(after, 80).tolist() == top_scores(before, 80).tolist()


def test_refusals() -> None:
    made, own, z = torch.ones(2, 3), torch.ones(3), torch.ones(3, 2)
    with pytest.raises(ValueError, match="at least one member"):
        committee_variance(made[:0])
    with pytest.raises(ValueError, match="must have the 3 rows of member_predictions"):
        expected_model_change(own[:2], made, z)
    with pytest.raises(ValueError, match="must have the 3 rows of member_predictions"):
        expected_model_change(own, made, z[:2])
    own[1] = torch.nan
    with pytest.raises(ValueError, match="predictions must be finite, but row 1"):
        expected_model_change(own, made, z)
    made[1, 0] = torch.inf
    with pytest.raises(ValueError, match="member_predictions must be finite, but row 1"):
        committee_variance(made)


@pytest.mark.parametrize(("members", "classes"), [(1, 2), (2, 2), (4, 3), (4, 26), (50, 11)])
def test_vote_entropy_counts_votes_row_by_row(members: int, classes: int) -> None:
    votes = torch.randint(classes, (members, 60), generator=torch.Generator().manual_seed(members))
    votes[:, 30:] = (votes[:, :30] + 1) % classes  # the same splits between other classes
    scores = vote_entropy(votes, classes)
    for row, column in enumerate(votes.T.tolist()):
        shares = [count / members for count in Counter(column).values()]
        assert float(scores[row]) == pytest.approx(-sum(share * math.log(share) for share in shares), abs=1e-12)
    assert torch.equal(scores[30:], scores[:30])
    assert torch.equal(vote_entropy(votes, classes, chunk_bytes=1), scores)


@pytest.mark.parametrize(
    ("votes", "says"),
    [
        (torch.zeros(0, 3, dtype=torch.long), "at least one member"),
        (torch.zeros(3, dtype=torch.long), "members, rows"),
        (torch.zeros(2, 3), "integers"),
        (torch.full((2, 3), 4), r"0\.\.3, got 4\.\.4"),
        (torch.full((2, 3), -1), r"0\.\.3, got -1\.\.-1"),
    ],
)
def test_what_are_no_votes_is_refused(votes: torch.Tensor, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        vote_entropy(votes, 4)
