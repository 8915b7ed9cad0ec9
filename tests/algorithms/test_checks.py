"""Checks of arguments: what is refused, in which words, and that looking costs no copy."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks import checks
from labelbench_plus.algorithms.blocks.checks import check_count, check_finite, check_matrix, check_probabilities

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@pytest.fixture(params=[7, 2**18])
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_CHUNK", request.param)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("row", [0, 5, 19])
def test_what_is_not_finite_is_found(dtype: torch.dtype, bad: float, row: int, chunks: None) -> None:
    values = torch.rand(20, 3).to(dtype)
    values[row:, 1] = bad
    with pytest.raises(ValueError, match=f"features must be finite, but row {row} holds"):
        check_matrix(values, "features")
    with pytest.raises(ValueError, match=f"features must be finite, but row {row} holds"):
        check_finite(values.T.contiguous().T, "features")
    with pytest.raises(ValueError, match=f"scores must be finite, but row {row} holds"):
        check_finite(values[:, 1], "scores")
    with pytest.raises(ValueError, match=f"probabilities must be finite, but row {row} holds"):
        check_probabilities(values)


def test_infinities_that_would_cancel_are_found() -> None:
    with pytest.raises(ValueError, match="row 1"):
        check_finite(torch.tensor([0.0, math.inf, -math.inf]), "scores")


@pytest.mark.parametrize("dtype", DTYPES)
def test_finite_values_pass_even_if_their_sum_overflows(dtype: torch.dtype, chunks: None) -> None:
    values = torch.full((40, 5), torch.finfo(dtype).max, dtype=dtype)
    assert check_matrix(values, "features") is values
    for shape in [(0, 3), (3, 0), (0, 0)]:
        empty = torch.zeros(shape, dtype=dtype)
        assert check_matrix(empty, "features") is empty
    one = torch.tensor(1.0, dtype=dtype)
    assert check_finite(one, "ridge") is one


def test_forms() -> None:
    with pytest.raises(ValueError, match=r"x must be a matrix \(rows, columns\), got shape \(3,\)"):
        check_matrix(torch.ones(3), "x")
    with pytest.raises(ValueError, match=r"x must be floating point, got torch\.int64"):
        check_matrix(torch.ones(3, 2, dtype=torch.long), "x")
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        check_probabilities(torch.ones(3))
    for rows in (0, 4):
        with pytest.raises(ValueError, match="at least two columns"):
            check_probabilities(torch.ones(rows, 1))
        with pytest.raises(ValueError, match="at least two columns"):
            check_probabilities(torch.ones(rows, 0))
    assert check_probabilities(torch.ones(0, 3)).shape == (0, 3)
    with pytest.raises(ValueError, match="cannot pick 4 of 3 rows: ask for 0 to 3"):
        check_count(4, 3, "rows")


def slow(values: Tensor, tolerance: float) -> str:
    """The verdict in double precision, row by row."""
    wide = values.double()
    if bool(((wide < -tolerance) | (wide > 1 + tolerance)).any()):
        return "lie in"
    return "sum to one" if float((wide.sum(dim=1) - 1).abs().max()) > tolerance else "fine"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [2, 10, 3000])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-5])
def test_verdicts_are_those_of_double_precision(
    dtype: torch.dtype, classes: int, tolerance: float, chunks: None
) -> None:
    """Sums on both sides of the tolerance, closer to it than single precision can add."""
    generator = torch.Generator().manual_seed(classes)
    verdicts = set()
    for off in (0.0, 1 - 1e-3, 1 - 1e-5, 1 - 1e-7, 1 + 1e-7, 1 + 1e-5, 1 + 1e-3, 3.0):
        for sign in (-1, 1):
            values = torch.rand(4, classes, generator=generator, dtype=torch.float64)
            values /= values.sum(dim=1, keepdim=True)
            values[2] *= 1 + sign * off * tolerance
            values = values.to(dtype)
            expected = slow(values, tolerance)
            verdicts.add(expected)
            if expected == "fine":
                assert check_probabilities(values, tolerance=tolerance) is values
            else:
                with pytest.raises(ValueError, match=expected):
                    check_probabilities(values, tolerance=tolerance)
    assert "sum to one" in verdicts


def test_the_worst_row_is_named(chunks: None) -> None:
    values = torch.full((20, 4), 0.25)
    values[3] = 0.26
    values[7] = 0.3
    with pytest.raises(ValueError, match=r"must sum to one, but row 7 sums to 1\.2"):
        check_probabilities(values)
    values[5] = torch.tensor([-0.2, 0.4, 0.4, 0.4])
    with pytest.raises(ValueError, match=r"p must lie in \[0, 1\], but row 5 does not"):
        check_probabilities(values, "p")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_looking_makes_no_copy(dtype: str, peak_bytes: Callable[[str, str], int]) -> None:
    setup = "\n".join(
        [
            "from labelbench_plus.algorithms.blocks.checks import check_matrix, check_probabilities",
            f"x = torch.full((100000, 100), 0.01, dtype=torch.{dtype})",
            "check_matrix(x[:9], 'x'); check_probabilities(x[:9])",
        ]
    )
    # 20 or 40 MB of input; what is allowed are a few numbers a row and a few chunks
    assert peak_bytes(setup, "check_matrix(x, 'x'); check_probabilities(x)") < 8 * 2**20
