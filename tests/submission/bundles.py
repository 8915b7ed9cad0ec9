"""A small honest submission, and the tools of somebody who doctors one."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

from labelbench_plus.spec import canonical
from labelbench_plus.store.archive import ARCHIVE

WHO = {"who": "A. Name", "contact": "a.name@example.org", "what": "Margin, again"}


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in gzip.decompress((folder / ARCHIVE).read_bytes()).splitlines()]


def write_lines(folder: Path, lines: list[dict]) -> None:
    (folder / ARCHIVE).write_bytes(gzip.compress(b"".join(canonical(line) + b"\n" for line in lines), mtime=0))


def chained(line: dict) -> None:
    """Make hashes, sums and the result follow from the rounds, as a careful forger would."""
    previous, spent, labels, total = line["run"], 0.0, [], 0
    for record in line["rounds"]:
        record["previous"] = previous
        spent += sum(record["purchase"]["prices"])
        record["spent"] = spent
        total += len(record["purchase"]["items"])
        labels.append(total)
        previous = hashlib.sha256(canonical(record) + b"\n").hexdigest()
    line["result"] |= {
        "head": previous,
        "labels": labels,
        "rounds": len(line["rounds"]),
        "spent": [record["spent"] for record in line["rounds"]],
        "scores": {
            name: [record["scores"].get(name) for record in line["rounds"]] for name in line["rounds"][0]["scores"]
        },
    }


def named(line: dict) -> None:
    """Make the id follow from the identity."""
    line["run"] = hashlib.sha256(canonical(line["result"]["identity"])).hexdigest()[:16]
    line["manifest"]["identity"] = line["result"]["identity"]
    line["manifest"]["run"] = line["result"]["run"] = line["run"]
    chained(line)
