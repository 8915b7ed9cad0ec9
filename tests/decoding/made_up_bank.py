"""Makes the bank `made_up` that comes with the package: `python -m tests.decoding.made_up_bank`."""

import numpy as np

from labelbench_plus.decoding.response_bank import Bank, bank_bytes
from labelbench_plus.policy_sets.response_bank import HOME

PROMPTS, RESPONSES, BETA = 8, 16, 0.5
WORDS = ("the", "day", "was", "long", "and", "we", "walked", "by", "sea", "until", "light", "came", "back", "to")


def made_up() -> Bank:
    """Two rewards that disagree a little, and policies that went two thirds of the way, with noise."""
    rng = np.random.default_rng(0)
    rewards = rng.standard_normal((2, PROMPTS, RESPONSES))
    rewards[1] = -0.2 * rewards[0] + 0.98 * rewards[1]
    reference = -20 + 3 * rng.standard_normal((PROMPTS, RESPONSES))
    ratios = 0.65 * rewards / BETA + 0.3 * rng.standard_normal(rewards.shape)
    ratios -= np.log(np.exp(ratios).mean(axis=-1, keepdims=True))
    texts = tuple(tuple(" ".join(rng.choice(WORDS, 6)) for _ in range(RESPONSES)) for _ in range(PROMPTS))
    return Bank(
        ("first", "second"),
        BETA,
        "reverse_kl",
        None,
        "Made up: random words, normal rewards, policies two thirds of the way to their optima, with noise.",
        tuple(f"Prompt {number}" for number in range(PROMPTS)),
        texts,
        np.minimum(reference, -8.0),
        np.minimum(reference, -8.0) + ratios,
        rewards,
    )


if __name__ == "__main__":
    (HOME / "made_up.jsonl.gz").write_bytes(bank_bytes(made_up()))
