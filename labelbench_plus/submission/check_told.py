"""What the process of a limited check does. Its imports come before its limits, so only that process loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from labelbench_plus.contracts.problems import Place
from labelbench_plus.limited import Send
from labelbench_plus.plugins import load_plugin_file
from labelbench_plus.store.artefacts import default_cache_dir
from labelbench_plus.strangers import Allowed
from labelbench_plus.submission.check import check


def check_told(question: dict[str, Any], send: Send) -> None:
    """Check a submission, and send stages and findings as they come, and in the end which runs are sound."""
    torch.set_num_threads(1)  # as runs are computed: one thread each
    for file in question["plugins"]:
        load_plugin_file(Path(file))
    checked = check(
        Path(question["folder"]),
        Place(default_cache_dir()),
        against=list(map(Path, question["against"])),
        allowed=Allowed.of(question["allowed"]),
        told=lambda stage, new: send({"stage": stage, "found": [finding.as_json() for finding in new]}),
    )
    send({"runs": len(checked.runs), "sound": sorted(checked.sound)})
