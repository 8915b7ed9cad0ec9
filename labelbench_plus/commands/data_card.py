"""A page beside exported data: what wrote them, from what, how much was dropped, and what nobody checked."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from labelbench_plus.shown import printable

NOT_CHECKED = (
    "Nobody has read these prompts or answers. Answers are the model's own; what is said of right ones above, if "
    "anything is, was counted after training, where the source knew the answer. The terms of the base's weights and of "
    "the demonstrations that it was taught on apply."
)


def data_card(
    content: bytes,
    kept: int,
    fates: Sequence[str],
    counts: Mapping[str, int],
    config: Mapping[str, Any],
    round_number: int,
    scores: Mapping[str, float],
    notes: Mapping[str, float | None],
    manifest: Mapping[str, Any],
    run: str,
) -> str:
    """The page, as Markdown.

    Parameters
    ----------
    content: of the file that it is about.
    kept: records in it. fates: what became of everything that was written.
    counts: how many demonstrations a model was taught on before it wrote, by where they are from.
    config, manifest: of the run. scores: of the round, those that are about what was written. notes: of its training.
    """
    versions = {name: manifest[name] for name in ("git", "packages") if name in manifest}
    sections = {
        "Written by": _listed(
            {
                "run": f"`{run}`, round {round_number}, seed {config['seed']}",
                "trainer": _code(config["trainer"]),
                "problem": _code(config["problem"]),
                "after": ", ".join(f"{count} demonstrations of origin `{name}`" for name, count in counts.items()),
                "chosen by": _code(config["strategy"]),
            }
        ),
        "What became of what was written": _listed({fate: str(count) for fate, count in Counter(fates).most_common()}),
        "Scores of the round": _listed({name: f"{value:.4g}" for name, value in sorted(scores.items())}),
        "Notes of its training": _listed(
            {name: f"{value:.4g}" for name, value in sorted(notes.items()) if value is not None}
        ),
        "Versions": _listed({name: _code(value) for name, value in versions.items()}),
        "Not checked": NOT_CHECKED,
    }
    head = (
        f"# Synthetic demonstrations of run {run}\n\n{kept} records of {len(fates)} prompts that were drawn; "
        f"SHA-256 of the file `{hashlib.sha256(content).hexdigest()}`."
    )
    return "\n\n".join([head, *(f"## {title}\n\n{text}" for title, text in sections.items() if text)]) + "\n"


def _listed(entries: Mapping[str, str]) -> str:
    return "\n".join(f"* **{name}**: {text}" for name, text in entries.items())


def _code(value: Any) -> str:
    return f"`{printable(json.dumps(value, ensure_ascii=False, sort_keys=True))}`"
