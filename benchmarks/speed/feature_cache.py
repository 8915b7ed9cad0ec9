"""What the feature cache adds to an encoder: seconds and memory of one process that builds, and of eight that read.

    python -m benchmarks.speed.feature_cache [--rows 200000] [--width 768] [--readers 8] [--stored float32]

The encoder draws its features, so that the rest is the cache's own work; what drawing takes is told apart.
Memory is a process's own, sampled every few milliseconds: pages of the mapped files, which all processes share and the
kernel takes back when it needs them, are not counted. Linux only.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.features.encoded import encoded


@datasets.register("numbered")
@dataclass(frozen=True)
class Numbered(Dataset):
    """A number an example: all that the drawing encoder needs."""

    rows: int

    def load(self) -> LabelledData:
        def part(count: int) -> Split:
            return Split(np.arange(count), np.zeros(count, dtype=np.int64))

        return LabelledData(part(self.rows), part(10), part(10), ("a", "b"))

    def fingerprint(self) -> str:
        return f"numbered {self.rows}"


@encoders.register("drawn")
@dataclass(frozen=True)
class Drawn(Encoder):
    """Normal features; notes how long drawing them took."""

    width: int

    def fit(self, pool_inputs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        def encode(inputs: np.ndarray) -> np.ndarray:
            started = time.perf_counter()
            drawn = np.random.default_rng(int(inputs[0])).standard_normal((len(inputs), self.width), np.float32)
            DRAWING.append(time.perf_counter() - started)
            return drawn

        return encode


DRAWING: list[float] = []


class OwnMemory:
    """The most memory of its own that this process has during the body, in MB beyond what it had before."""

    def __enter__(self) -> OwnMemory:
        self._before, self.peak, self._done = _own(), 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.003):
            self.peak = max(self.peak, _own() - self._before)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def _own() -> float:
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def read(rows: int, encoder: Encoder, folder: Path, _: int) -> tuple[float, float]:
    """Find the features and look at every one of them; seconds and MB."""
    started = time.perf_counter()
    with OwnMemory() as memory:
        encoded(Numbered(rows), encoder, folder).parts["pool"].max()
    return time.perf_counter() - started, memory.peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--stored", choices=("float32", "float16"), default="float32")
    chosen = parser.parse_args()
    drawn = {"name": "drawn", "width": chosen.width}
    encoder = encoders.build(drawn if chosen.stored == "float32" else {"name": "float16", "of": drawn})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        with OwnMemory() as memory:
            encoded(Numbered(chosen.rows), encoder, folder)
        seconds = time.perf_counter() - started
        size = sum(file.stat().st_size for file in folder.glob("*/*")) / 2**20
        print(f"built {chosen.rows} x {chosen.width} in {seconds:.1f} s, {sum(DRAWING):.1f} s of it drawing")
        print(f"own memory {memory.peak:.0f} MB; on disk {size:.0f} MB")
        with multiprocessing.get_context("spawn").Pool(chosen.readers) as pool:
            found = pool.starmap(read, [(chosen.rows, encoder, folder, each) for each in range(chosen.readers)], 1)
        slowest, largest = (max(column) for column in zip(*found, strict=True))
        print(f"{chosen.readers} readers at once: at most {slowest:.2f} s and {largest:.0f} MB of own memory each")


if __name__ == "__main__":
    main()
