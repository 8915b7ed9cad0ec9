"""How long a folder of answers takes to open, and an answer to be found and kept.

    python -m benchmarks.speed.answers [--answers 1000000]

Beside it stands the plain way, every line parsed into a dictionary, on the same file in the same process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from labelbench_plus.answering.kept_answers import KeptAnswers
from labelbench_plus.shown import say


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def write(folder: Path, count: int) -> None:
    """A folder as a judge of short responses leaves it: some 250 bytes an answer."""
    with open(folder / "0.jsonl", "w", encoding="utf-8") as file:
        file.write('{"purse":"p","spent":0.0}\n')
        for number in range(count):
            question = {"prompt": f"what is {number} plus {number}?", "responses": [f"it is {2 * number}, I think"]}
            about = {"question": question, "said": ["Score: 3"], "tokens_in": 40, "tokens_out": 5}
            line = {"when": 1.0, "money": 0.001, "answer": 3.0, "about": about, "spent": 0.001 * (number + 1)}
            file.write(f'{{"key":"{key(number)}",{json.dumps(line, separators=(",", ":"))[1:]}\n')


def parsed(folder: Path) -> dict[str, object]:
    """The plain way."""
    with open(folder / "0.jsonl", encoding="utf-8") as file:
        return {line["key"]: line for line in map(json.loads, file) if "key" in line}


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Of CPU and of the clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, arguments.answers)
        store = KeptAnswers(folder)
        some = [key(number) for number in range(0, arguments.answers, max(1, arguments.answers // 1000))]
        found = {
            f"open {arguments.answers:,} answers": lambda: KeptAnswers(folder),
            "the same, every line parsed": lambda: parsed(folder),
            f"find {len(some):,} of them": lambda: store.find(some),
            "keep 100 more, each on disk": lambda: [store.add(key(-number), 1.0, 0.001) for number in range(1, 101)],
        }
        say("| | CPU s | s |\n| :-- | --: | --: |")
        for what, work in found.items():
            spent = [seconds(work) for _ in range(arguments.repeats)]
            say(f"| {what} | {median(s[0] for s in spent):.3f} | {median(s[1] for s in spent):.3f} |")


if __name__ == "__main__":
    main()
