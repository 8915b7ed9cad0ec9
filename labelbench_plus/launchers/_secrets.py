"""Whether a line of a job script tells a secret: scripts lie on a shared file system, and schedulers show them."""

from __future__ import annotations

import re

# The last word of a variable's name says what it holds: HF_TOKEN is one, TOKENIZERS_PARALLELISM and TOKEN_FILE are not.
NAMED = re.compile(r"(?<![\w$-])(?:--?)?(\w[\w-]*?)\s*[=:]\s*(\"[^\"]*\"|'[^']*'|[^\s;&|]*)")
GIVEN = re.compile(r"--?(\w[\w-]*)\s+(\"[^\"]*\"|'[^']*'|[^\s;&|-][^\s;&|]*)")
HOLDS_ONE = {"token", "secret", "password", "passwd", "passphrase", "pass", "credential", "credentials", "apikey"}
KEYS = {"api", "access", "secret", "private", "auth", "wandb", "account", "encryption", "license"}
SHAPES = re.compile(
    r"\b(?:sk-[\w-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}"
    r"|xox[abprs]-[\w-]{10,}|AKIA[A-Z0-9]{12,}|AIza[\w-]{20,}|eyJ[\w-]{10,}\.[\w-]{10,})"
    r"|(?i:\b(?:bearer|authorization:\s*(?:basic|token))\s+(?!\$)[\w+/=.-]{8,})"
    r"|://[^\s/:@$]+:(?!\$)[^\s/@]+@"
    r"|\bwandb\s+login\s+(?:--\S+\s+)*(?!-|\$)\w{8,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
)


def tells_a_secret(line: str) -> bool:
    """Whether a line holds something that is called a secret, or looks like one.

    What only says where a secret is does not: `$(cat ~/.key)`, `$WANDB_API_KEY`, `HF_TOKEN_PATH=/home/me/token`.
    """
    named = [*NAMED.findall(line), *GIVEN.findall(line)]
    return bool(SHAPES.search(line)) or any(_is_secret(name) and _is_told(value) for name, value in named)


def _is_secret(name: str) -> bool:
    *before, last = re.split(r"[_-]+", name.strip("_-").lower())
    return last in HOLDS_ONE or (last == "key" and bool(before) and before[-1] in KEYS)


def _is_told(value: str) -> bool:
    bare = value.strip("\"'")
    return bool(bare) and not bare.startswith(("$", "`")) and bare.lower() not in ("true", "false")
