"""Banks of responses: what a language model said to prompts, how probable each policy finds it, and what it is worth.

A file holds one JSON object per line, compressed with gzip. The first line says what the bank is:

    {"bank": 1, "objectives": ["positive", "plain"], "beta": 0.8, "divergence": "reverse_kl", "alpha": null,
     "about": "which model, which rewards, how policies were tuned"}

and every other one is a prompt with responses that were drawn from the reference, as many for each prompt:

    {"prompt": "text", "responses": [{"text": "…", "reference": -31.2, "policies": [-29.8, -33.0],
     "rewards": [0.3, -1.2]}, …]}

`reference` and `policies` are log-probabilities of the whole response.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelbench_plus.algorithms.decoding.divergence_names import check_divergence
from labelbench_plus.inputs.plain_json import JsonRefused, read

FORMAT = 1
MOST_BYTES = 64 * 2**20  # when unpacked
HEADER = {"bank", "objectives", "beta", "divergence", "alpha", "about"}
RESPONSE = {"text", "reference", "policies", "rewards"}
ABOVE_ZERO = 1e-6  # what rounding may add to a log-probability of zero


class BankError(ValueError):
    """A bank cannot be read. The message names the line, what is wrong with it, and what would be right."""


@dataclass(frozen=True)
class Bank:
    """A bank in memory.

    Attributes
    ----------
    objectives: names of M rewards. beta, divergence, alpha: what policies were tuned under.
    about: what it is, for people.
    prompts: c texts; `texts` has n responses to each.
    log_reference: (c, n). log_policies, rewards: (M, c, n). All float64.
    """

    objectives: tuple[str, ...]
    beta: float
    divergence: str
    alpha: float | None
    about: str
    prompts: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    log_reference: np.ndarray
    log_policies: np.ndarray
    rewards: np.ndarray


def read_bank(content: bytes) -> Bank:
    """The bank that a file holds.

    Raises
    ------
    BankError
        It is no such file.
    """
    try:
        with gzip.open(io.BytesIO(content)) as unpacked:
            text = unpacked.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BankError(f"expected a file compressed with gzip: {error}") from error
    if len(text) > MOST_BYTES:
        raise BankError(f"expected at most {MOST_BYTES:,} bytes when unpacked")
    lines = [_object(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if len(lines) < 2:
        raise BankError("expected a line about the bank and one for each prompt")
    objectives, beta = _header(lines[0])
    per_prompt = len(lines[1].get("responses") or [])
    rows = [_prompt(number, line, len(objectives), per_prompt) for number, line in enumerate(lines[1:], start=2)]
    numbers = np.array([row[1] for row in rows], dtype=np.float64)  # (c, n, 1 + 2 M)
    count = len(objectives)
    return Bank(
        objectives,
        beta,
        lines[0]["divergence"],
        lines[0]["alpha"],
        str(lines[0]["about"]),
        tuple(str(line["prompt"]) for line in lines[1:]),
        tuple(row[0] for row in rows),
        numbers[:, :, 0],
        np.ascontiguousarray(numbers[:, :, 1 : 1 + count].transpose(2, 0, 1)),
        np.ascontiguousarray(numbers[:, :, 1 + count :].transpose(2, 0, 1)),
    )


def bank_bytes(bank: Bank, digits: int = 4) -> bytes:
    """The file of a bank, the same bytes for the same bank. Numbers are rounded to so many digits after the point."""

    def rounded(values: np.ndarray) -> list[float]:
        return [round(float(value), digits) for value in values]

    header = {name: getattr(bank, name) for name in ("objectives", "beta", "divergence", "alpha", "about")}
    lines: list[dict[str, Any]] = [{"bank": FORMAT, **header}]
    for c, (prompt, texts) in enumerate(zip(bank.prompts, bank.texts, strict=True)):
        responses = [
            {
                "text": text,
                "reference": rounded(bank.log_reference[c, n : n + 1])[0],
                "policies": rounded(bank.log_policies[:, c, n]),
                "rewards": rounded(bank.rewards[:, c, n]),
            }
            for n, text in enumerate(texts)
        ]
        lines.append({"prompt": prompt, "responses": responses})
    text = "\n".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines) + "\n"
    return gzip.compress(text.encode(), mtime=0)


def _object(number: int, line: bytes) -> dict[str, Any]:
    try:
        found = read(line)
    except JsonRefused as error:
        raise BankError(f"line {number}: {error}") from error
    if not isinstance(found, dict):
        raise BankError(f"line {number}: expected an object, got {type(found).__name__}")
    return found


def _header(line: dict[str, Any]) -> tuple[tuple[str, ...], float]:
    if line.keys() != HEADER or line["bank"] != FORMAT:
        raise BankError(f"line 1: expected the fields {', '.join(sorted(HEADER))}, with 'bank' {FORMAT}")
    names, beta = line["objectives"], line["beta"]
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) and name for name in names):
        raise BankError(f"line 1: objectives: expected two names or more, got {names!r}")
    if len(set(names)) < len(names) or any(set(":@.") & set(name) for name in names):
        raise BankError(f"line 1: objectives: expected different names without ':', '@' and '.', got {names!r}")
    if not isinstance(beta, int | float) or isinstance(beta, bool) or not beta > 0:
        raise BankError(f"line 1: beta: expected a number above 0, got {beta!r}")
    try:
        check_divergence(line["divergence"], line["alpha"])
    except (ValueError, TypeError) as error:
        raise BankError(f"line 1: {error}") from error
    return tuple(names), float(beta)


def _prompt(
    number: int, line: dict[str, Any], objectives: int, count: int
) -> tuple[tuple[str, ...], list[list[float]]]:
    responses = line.get("responses")
    if line.keys() != {"prompt", "responses"} or not isinstance(line["prompt"], str) or not isinstance(responses, list):
        raise BankError(f"line {number}: expected a 'prompt' and its 'responses'")
    if len(responses) != count or count < 2:
        raise BankError(f"line {number}: expected {max(count, 2)} responses, as to every prompt, got {len(responses)}")
    texts, rows = [], []
    for place, response in enumerate(responses):
        where = f"line {number}, response {place}"
        if not isinstance(response, dict) or response.keys() != RESPONSE or not isinstance(response["text"], str):
            raise BankError(f"{where}: expected {', '.join(sorted(RESPONSE))}")
        logs = [response["reference"], *_numbers(where, "policies", response["policies"], objectives)]
        logs = _numbers(where, "log-probabilities", logs, objectives + 1)
        row = [*logs, *_numbers(where, "rewards", response["rewards"], objectives)]
        if max(logs) > ABOVE_ZERO:
            raise BankError(f"{where}: expected log-probabilities of at most 0, got {max(logs)}")
        texts.append(response["text"])
        rows.append(row)
    return tuple(texts), rows


def _numbers(where: str, name: str, values: Any, count: int) -> list[float]:
    if not isinstance(values, list) or len(values) != count:
        raise BankError(f"{where}: {name}: expected {count} numbers, got {values!r:.60}")
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise BankError(f"{where}: {name}: expected numbers, got {values!r:.60}")
    return [float(value) for value in values]
