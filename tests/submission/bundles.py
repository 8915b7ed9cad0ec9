"""A small honest submission, and the tools of somebody who doctors one."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from labelbench_plus.leaderboard.results import read_tables
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
        total += sum(record["purchase"].get("counts") or [1] * len(record["purchase"]["items"]))
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


def retold(folder: Path) -> None:
    """Make curves and tables follow from the archive, as a careful forger would."""
    by_id = {line["run"]: line for line in lines_of(folder)}
    path = folder / "curves.csv"
    with open(path, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["run_id"] in by_id]
    for row in rows:
        line = by_id[row["run_id"]]
        number = int(row["round"])
        costs = {name: "" if value is None else value for name, value in line["costs"][number].items()}
        row |= {name: str(value) for name, value in (line["rounds"][number]["scores"] | costs).items() if name in row}
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for name, content in read_tables(folder).tables().items():
        (folder / name).write_bytes(content)


def forged(folder: Path, change: Callable[[dict], None]) -> None:
    """Do something to every run and cover the tracks in all files."""
    lines = lines_of(folder)
    for line in lines:
        change(line)
        chained(line)
    write_lines(folder, lines)
    retold(folder)
