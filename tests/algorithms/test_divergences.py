"""Divergences: f, its slope and the inverse agree with each other, near the bounds of their domains too."""

import math

import pytest
import torch
from scipy.special import wrightomega

from labelbench_plus.algorithms.decoding.divergence_names import NO_BARRIER
from labelbench_plus.algorithms.decoding.divergences import divergence, log_wright_omega

ALL = [("reverse_kl", None), ("forward_kl", None), ("jsd", None), ("jeffreys", None), ("alpha", 0.3), ("alpha", 0.7)]
PLAIN = {  # f as written in textbooks, of a ratio
    "reverse_kl": lambda x, a: x * x.log(),
    "forward_kl": lambda x, a: -x.log(),
    "jsd": lambda x, a: x * x.log() - (x + 1) * ((x + 1) / 2).log(),
    "jeffreys": lambda x, a: (x - 1) * x.log(),
    "alpha": lambda x, a: (x ** (1 - a) - (1 - a) * x - a) / (a * (a - 1)),
}


@pytest.mark.parametrize(("name", "alpha"), ALL)
def test_value_slope_and_inverse_are_those_of_the_textbook(name, alpha):
    found = divergence(name, alpha)
    log_ratio = torch.linspace(-6, 6, 401, dtype=torch.float64)
    ratio = log_ratio.exp().requires_grad_()
    plain = PLAIN[name](ratio, alpha)
    (slope,) = torch.autograd.grad(plain.sum(), ratio, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), ratio)
    torch.testing.assert_close(found.value(log_ratio), plain.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.slope(log_ratio), slope.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.log_inverse_slope(log_ratio), -curvature.log(), rtol=1e-9, atol=1e-9)
    one = torch.zeros(1, dtype=torch.float64)
    assert found.value(one).item() == pytest.approx(0.0, abs=1e-15)
    assert found.slope(one).item() == pytest.approx(found.at_one)


@pytest.mark.parametrize(("name", "alpha"), ALL)
def test_the_inverse_undoes_the_shortfall_however_far_the_ratio(name, alpha):
    found = divergence(name, alpha)
    log_ratio = torch.linspace(-300, 300, 601, dtype=torch.float64)
    back = found.log_inverse(found.shortfall(log_ratio))
    torch.testing.assert_close(back, log_ratio, rtol=1e-12, atol=1e-11)
    end = torch.tensor([-math.inf], dtype=torch.float64)
    assert found.shortfall(end).item() == math.inf
    assert found.log_inverse(found.shortfall(end)).item() == -math.inf
    assert not found.bounded or (found.shortfall(log_ratio) > 0).all()


@pytest.mark.parametrize("name", NO_BARRIER)
def test_those_without_a_barrier_are_refused_with_the_reason(name):
    with pytest.raises(ValueError, match="stays finite where a ratio goes to 0"):
        divergence(name)


@pytest.mark.parametrize(
    ("name", "alpha", "says"),
    [
        ("kl", None, "expected one of reverse_kl"),
        ("alpha", None, "name its alpha"),
        ("alpha", 1.0, "between 0 and 1"),
        ("jsd", 0.5, "it has no alpha"),
    ],
)
def test_a_name_that_means_nothing_is_refused(name, alpha, says):
    with pytest.raises(ValueError, match=says):
        divergence(name, alpha)


def test_the_omega_function_solves_its_equation():
    z = torch.cat([torch.linspace(-700, 700, 4001), torch.logspace(3, 300, 100, dtype=torch.float64)]).double()
    wanted = torch.from_numpy(wrightomega(z.numpy()))
    torch.testing.assert_close(log_wright_omega(z).exp(), wanted, rtol=1e-13, atol=0)
