"""Multi-objective decoding against policies computed exactly, known answers, and its own symmetries."""

import itertools
import json
import math
from pathlib import Path

import pytest
import torch
from scipy.optimize import brentq

from labelbench_plus.algorithms.decoding.divergences import divergence
from labelbench_plus.algorithms.decoding.policy_combination import combine, kl_divergence

KNOWN = json.loads((Path(__file__).parent / "known_decoding.json").read_text())
ALL = [("reverse_kl", None), ("forward_kl", None), ("jsd", None), ("jeffreys", None), ("alpha", 0.3), ("alpha", 0.7)]
FACTORS = {name: found for case in KNOWN["tables"] for name, found in case["by"].items()}


def named(name):
    kind, _, alpha = name.partition("_0.")
    return divergence(kind, float(f"0.{alpha}")) if alpha else divergence(name)


def logs(values):
    return torch.tensor(values, dtype=torch.float64).log()


def optimum(rewards, reference, found):
    """The policy that is best for rewards/β under a penalty, by bisection: Σ π_ref g(R/β − Z) = 1."""

    def policy(z):
        return reference + found.log_inverse(found.ceiling - (rewards - z))

    def excess(z):
        return float(policy(z).exp().sum()) - 1

    low = float((rewards - found.slope(-reference)).max())
    high = float(rewards.max()) - found.at_one
    if excess(low) <= 0:  # one response has all there is
        return torch.log_softmax(policy(low), 0)
    return torch.log_softmax(policy(brentq(excess, low, high + 1e-9, xtol=1e-14)), 0)


@pytest.mark.parametrize("name", FACTORS)
@pytest.mark.parametrize("case", KNOWN["tables"], ids=lambda case: case["id"])
def test_known_tables(case, name):
    known, found = case["by"][name], named(name)
    arguments = (logs(known["pi"]), case["w"], found)
    exact = combine(*arguments, log_reference=logs(case["ref"]))
    torch.testing.assert_close(exact.exp(), torch.tensor(known["exact"], dtype=torch.float64), rtol=0, atol=1e-9)
    if known["drop"] is None:
        with pytest.raises(ValueError, match="without the normaliser"):
            combine(*arguments, log_reference=logs(case["ref"]), normaliser="drop")
        return
    dropped = combine(*arguments, log_reference=logs(case["ref"]), normaliser="drop")
    torch.testing.assert_close(dropped.exp(), torch.tensor(known["drop"], dtype=torch.float64), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("name", "alpha"), ALL)
def test_optimal_policies_combine_to_the_optimal_policy_of_the_mixture(name, alpha):
    found, rng = divergence(name, alpha), torch.Generator().manual_seed(7)
    for trial in range(100):
        size, count, beta = 3 + trial % 9, 2 + trial % 2, (0.3, 1.0, 3.0)[trial % 3]
        reference = torch.log_softmax(torch.randn(size, generator=rng, dtype=torch.float64), 0)
        rewards = torch.randn(count, size, generator=rng, dtype=torch.float64) / beta
        shares = torch.rand(count, generator=rng, dtype=torch.float64)
        weights = (shares / shares.sum()).tolist() if trial % 4 else [2.0, -1.0, *[0.0] * (count - 2)]
        policies = torch.stack([optimum(each, reference, found) for each in rewards])
        best = optimum(torch.tensor(weights, dtype=torch.float64) @ rewards, reference, found)
        mixed = combine(policies, weights, found, log_reference=reference)
        torch.testing.assert_close(mixed.exp(), best.exp(), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("name", "alpha"), [each for each in ALL if divergence(*each).bounded])
@pytest.mark.parametrize("spread", [0.5, 10.0])
def test_no_step_of_the_solver_leaves_the_domain(name, alpha, spread, monkeypatch):
    """The inverse of a slope that is bounded is asked below the bound alone, however far apart the policies are."""
    found, rng, asked = divergence(name, alpha), torch.Generator().manual_seed(3), []
    inverse = type(found).log_inverse

    def watched(self, shortfall):
        asked.append(float(shortfall.min()))
        return inverse(self, shortfall)

    monkeypatch.setattr(type(found), "log_inverse", watched)
    for trial in range(50):
        size = 2 + trial % 9
        policies = spread * torch.randn(3, size, generator=rng, dtype=torch.float64)
        reference = spread * torch.randn(size, generator=rng, dtype=torch.float64)
        weights = [0.2, 0.3, 0.5] if trial % 2 else [2.0, -1.0, 0.0]
        mixed = combine(policies, weights, found, log_reference=reference)
        assert float(mixed.exp().sum()) == pytest.approx(1, abs=1e-9)
    assert len(asked) > 100 and min(asked) > 0


def test_the_rule_without_the_normaliser_is_another_one_but_for_reverse_kl():
    (peaky,) = (case for case in KNOWN["tables"] if case["id"] == "peaky")
    reference = logs(peaky["ref"])
    for name, differs in (("forward_kl", True), ("reverse_kl", False)):
        policies = logs(peaky["by"][name]["pi"])
        both = [
            combine(policies, peaky["w"], named(name), log_reference=reference, normaliser=n) for n in ("exact", "drop")
        ]
        assert bool(both[0].argmax() != both[1].argmax()) is differs


def test_one_step_from_logits():
    known = KNOWN["one_step"]
    policies, reference = (torch.tensor(known[name], dtype=torch.float64) for name in ("logits", "reference_logits"))
    weights = known["weights"]
    exact = combine(policies, weights, divergence("reverse_kl"))
    torch.testing.assert_close(exact.exp(), torch.tensor(known["reverse_kl"], dtype=torch.float64), rtol=0, atol=1e-9)
    for name, found in (("forward_kl", named("forward_kl")), ("jsd", named("jsd")), ("alpha_05", named("alpha_0.5"))):
        scores = torch.tensor(known[f"drop_{name}"], dtype=torch.float64)
        dropped = combine(policies, weights, found, log_reference=reference, normaliser="drop").exp()
        torch.testing.assert_close(dropped, scores / scores.sum(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("normaliser", ["exact", "drop"])
@pytest.mark.parametrize(("name", "alpha"), ALL)
def test_constants_order_and_equal_policies_change_nothing(name, alpha, normaliser):
    found, rng = divergence(name, alpha), torch.Generator().manual_seed(3)
    policies = torch.randn(3, 2, 5, 40, generator=rng, dtype=torch.float64) * 3
    reference = torch.randn(2, 5, 40, generator=rng, dtype=torch.float64)
    weights = [0.2, 0.5, 0.3]

    def mixed(policies, weights, reference=reference):
        return combine(policies, weights, found, log_reference=reference, normaliser=normaliser)

    plain = mixed(policies, weights)
    assert torch.allclose(plain.exp().sum(-1), torch.ones(2, 5, dtype=torch.float64), atol=1e-12)
    shifts = torch.randn(3, 2, 5, 1, generator=rng, dtype=torch.float64) * 50
    torch.testing.assert_close(mixed(policies + shifts, weights, reference - 7.5), plain, rtol=0, atol=1e-9)
    for order in itertools.permutations(range(3)):
        permuted = mixed(policies[list(order)], [weights[index] for index in order])
        torch.testing.assert_close(permuted, plain, rtol=0, atol=1e-9)
    one = torch.log_softmax(policies[0], -1)
    torch.testing.assert_close(mixed(policies[[0, 0, 0]], weights), one, rtol=0, atol=1e-9)
    torch.testing.assert_close(mixed(policies, [1.0, 0.0, 0.0]), one, rtol=0, atol=1e-9)


def test_policies_of_weight_zero_are_not_read():
    policies = torch.randn(2, 6, dtype=torch.float64)
    policies[1] = math.nan
    torch.testing.assert_close(combine(policies, [1, 0], divergence("reverse_kl")), torch.log_softmax(policies[0], 0))


def test_one_policy_made_weaker_and_stronger():
    known = KNOWN["one_policy_strength"]
    policy, reference = logs([known["policy"]]), logs(known["reference"])
    for strength, wanted in known["lam"].items():
        found = combine(policy, [float(strength)], divergence("reverse_kl"), log_reference=reference)
        torch.testing.assert_close(found.exp(), torch.tensor(wanted, dtype=torch.float64), rtol=0, atol=1e-9)
    for name, alpha in ALL:
        torch.testing.assert_close(combine(policy, [0.0], divergence(name, alpha), log_reference=reference), reference)


def test_whole_responses_and_tokens():
    """Four responses of two tokens: the rule on responses is the optimum, the one on tokens another distribution."""
    known = KNOWN["autoregressive"]
    kl = divergence("reverse_kl")
    pi, weights = logs(known["pi"]), known["weights"]
    exact = combine(pi, weights, kl)
    torch.testing.assert_close(exact.exp(), torch.tensor(known["exact"], dtype=torch.float64), rtol=0, atol=1e-9)
    pairs = pi.view(2, 2, 2)
    first = pairs.logsumexp(-1)
    second = pairs - first[..., None]
    tokens = (combine(first, weights, kl)[:, None] + combine(second, weights, kl)).view(4)
    sampled = torch.tensor(known["token_sampled"], dtype=torch.float64)
    torch.testing.assert_close(tokens.exp(), sampled, rtol=0, atol=1e-9)
    assert 0.5 * (tokens.exp() - exact.exp()).abs().sum().item() == pytest.approx(known["tv"], abs=1e-9)


@pytest.mark.parametrize(("name", "alpha"), ALL)
def test_carried_probabilities_are_those_of_the_prefix(name, alpha):
    """The last step of a response, its prefix carried, follows the rule on whole responses up to what sums to one."""
    found, rng = divergence(name, alpha), torch.Generator().manual_seed(5)
    whole = torch.log_softmax(torch.randn(2, 12, generator=rng, dtype=torch.float64), -1)
    reference = torch.log_softmax(torch.randn(12, generator=rng, dtype=torch.float64), -1)
    weights = [0.4, 0.6]
    wanted = combine(whole, weights, found, log_reference=reference, normaliser="drop").view(3, 4)
    prefix = whole.view(2, 3, 4).logsumexp(-1)
    prefix_reference = reference.view(3, 4).logsumexp(-1)
    step = combine(
        whole.view(2, 3, 4),
        weights,
        found,
        log_reference=reference.view(3, 4),
        carried=prefix,
        carried_reference=prefix_reference,
        normaliser="drop",
    )
    torch.testing.assert_close(step, torch.log_softmax(wanted, -1), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "alpha"), ALL)
def test_large_vocabularies_sum_to_one_and_nothing_comes_from_nowhere(name, alpha, dtype):
    rng = torch.Generator().manual_seed(1)
    policies = (torch.randn(3, 2, 50_000, generator=rng) * 10).to(dtype)
    reference = (torch.randn(2, 50_000, generator=rng) * 10).to(dtype)
    policies[1, :, :7] = -math.inf
    reference[:, 7:9] = -math.inf
    found = combine(policies, [0.2, 0.3, 0.5], divergence(name, alpha), log_reference=reference)
    assert found.dtype == dtype
    assert torch.isneginf(found[:, :9]).all()
    assert not torch.isnan(found).any()
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(2, dtype=dtype), rtol=0, atol=1e-5)


def test_a_soup_of_parameters_is_not_the_mixture_where_signs_are_free():
    known = KNOWN["sign_symmetry"]

    def policy(t):
        return torch.log_softmax(torch.tensor([t * t, 0.0, 0.0], dtype=torch.float64), 0)

    both = torch.stack([policy(1.2), policy(-1.2)])
    torch.testing.assert_close(combine(both, [0.5, 0.5], divergence("reverse_kl")), both[0])
    distance = 0.5 * (policy(0.0).exp() - both[0].exp()).abs().sum().item()
    assert distance == pytest.approx(known["tv"], abs=1e-9)


@pytest.mark.parametrize(
    ("weights", "name", "changes", "says"),
    [
        ([0.5], "reverse_kl", {}, "weights: expected 2, one per policy, got 1"),
        ([0.5, math.nan], "reverse_kl", {}, "finite numbers"),
        ([0.0, 0.0], "reverse_kl", {}, "a sum of weights of 0 needs the policy"),
        ([0.5, 1.0], "reverse_kl", {}, "a sum of weights of 1.5 needs the policy"),
        ([0.5, 0.5], "jsd", {}, "'jsd' with normaliser='exact' needs the policy"),
        ([0.5, 0.5], "reverse_kl", {"normaliser": "half"}, "expected 'exact' or 'drop'"),
        ([0.5, 0.5], "jsd", {"log_reference": torch.zeros(5)}, "log_reference: expected shape"),
        ([0.5, 0.5], "jsd", {"log_reference": torch.full((4,), math.nan)}, "log_reference: .* got NaN"),
        ([1.0, 1.0], "forward_kl", {"log_reference": torch.zeros(4), "normaliser": "drop"}, "only a sum of 1"),
        ([0.5, 0.5], "reverse_kl", {"carried": torch.zeros(3)}, "carried: expected shape"),
    ],
)
def test_what_has_no_meaning_is_refused(weights, name, changes, says):
    with pytest.raises(ValueError, match=says):
        combine(torch.zeros(2, 4), weights, divergence(name), **changes)


def test_a_negative_weight_on_what_a_policy_rules_out_is_refused():
    policies = torch.zeros(2, 3)
    policies[1, 0] = -math.inf
    with pytest.raises(ValueError, match="policy 1 of weight -1 gives a response no probability"):
        combine(policies, [2.0, -1.0], divergence("reverse_kl"))
    with pytest.raises(ValueError, match="every response has probability zero"):
        combine(torch.tensor([[0.0, -math.inf], [-math.inf, 0.0]]), [0.5, 0.5], divergence("reverse_kl"))


def test_the_divergence_from_the_reference():
    p, q = logs([0.5, 0.5, 0.0]), logs([0.25, 0.5, 0.25])
    assert kl_divergence(p, q).item() == pytest.approx(0.5 * math.log(2))
    assert kl_divergence(q, p).item() == math.inf
    assert kl_divergence(p, p).item() == 0.0
