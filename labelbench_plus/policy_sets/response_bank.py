"""Scored responses of a language model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from labelbench_plus.contracts.problems import Place
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.policy_sets import PolicySet, policy_sets

if TYPE_CHECKING:
    from labelbench_plus.decoding.exact_set import ExactSet
    from labelbench_plus.decoding.response_bank import Bank
    from labelbench_plus.seeding import Streams

HOME = Path(__file__).parent / "banks"
NOTHING_LEARNED = (
    "a bank holds what policies said when it was made: nothing can be learned on it; use another policy set"
)


@policy_sets.register("response_bank")
@dataclass(frozen=True)
class ResponseBank(PolicySet):
    """Responses that were drawn from a reference, with the log-probability of each under policies, and its rewards.

    Its world is the bank: a prompt is answered by one of its responses, the reference gives all of them alike, and a
    policy gives them in proportion to π_i/π_ref. Optima, values and regrets are exact sums over that world, and
    estimates of what they are over everything that the language model could say. Responses are whole: there is no rule
    on tokens.

    Parameters
    ----------
    bank: one that comes with the package. "made_up" is generated, for tests and first steps: its policies are normal
        noise away from their optima. "smollm2_training" and "smollm2_test" are what SmolLM2-135M said to 36 prompts
        that its policies were tuned on, and to 12 others, where those are far from their optima; rewards are two rules
        on the text (`benchmarks/banks/README.md`).
    file: a bank of your own instead, in the form that `decoding.response_bank` describes.
    """

    title = "Bank of scored responses"
    exact = True
    learns = False
    offers = frozenset({"distributions", "reference"})

    bank: Literal["made_up", "smollm2_test", "smollm2_training"] = "made_up"
    file: Annotated[Path | None, Infra(), Outside("files")] = None

    def objectives(self) -> tuple[str, ...]:
        return self._bank.objectives

    def fingerprint(self) -> str:
        return hashlib.sha256(self._content).hexdigest()

    def open(self, place: Place, streams: Streams) -> ExactSet:
        import torch

        from labelbench_plus.algorithms.decoding.divergences import divergence
        from labelbench_plus.decoding.exact_set import ExactSet

        bank = self._bank
        ratios = torch.as_tensor(bank.log_policies - bank.log_reference)
        alike = torch.log_softmax(torch.zeros(bank.log_reference.shape, dtype=torch.float64), dim=-1)
        return ExactSet(
            bank.beta,
            divergence(bank.divergence, bank.alpha),
            alike,
            torch.as_tensor(bank.rewards),
            log_policies=torch.log_softmax(alike + ratios, dim=-1),
            why_not=NOTHING_LEARNED,
        )

    @property
    def _path(self) -> Path:
        return HOME / f"{self.bank}.jsonl.gz" if self.file is None else self.file

    @cached_property
    def _content(self) -> bytes:
        try:
            return self._path.read_bytes()
        except FileNotFoundError as error:
            raise FileNotFoundError(f"response_bank: no file {self._path}") from error

    @cached_property
    def _bank(self) -> Bank:
        from labelbench_plus.decoding.response_bank import BankError, read_bank

        try:
            return read_bank(self._content)
        except BankError as error:
            raise BankError(f"response_bank: {self._path.name}: {error}") from error
