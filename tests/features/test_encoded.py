"""Features of a data set: made in shards, scaled by the pool, the same bits however often the work was interrupted."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from PIL import Image

from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.features import encoded as module
from labelbench_plus.features.encoded import _encoded, encoded, encoded_copies
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles
from labelbench_plus.plugins import Infra

ROOT = Path(module.__file__).parents[2]
SEEN: list[int] = []


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "SHARD_ROWS", 50)
    monkeypatch.setattr(module, "CHUNK_IMAGES", 20)
    _encoded.cache_clear()
    SEEN.clear()
    yield
    _encoded.cache_clear()


@datasets.register("far_vectors")
@dataclass(frozen=True)
class FarVectors(Dataset):
    """Vectors far from zero, and a test set smaller than a shard."""

    width: int = 7

    def load(self) -> LabelledData:
        rng = np.random.default_rng(self.width)

        def split(n: int) -> Split:
            return Split(rng.normal(100, 3, (n, self.width)), np.zeros(n, dtype=np.int64))

        return LabelledData(split(333), split(51), split(8), ("a", "b"))

    def fingerprint(self) -> str:
        return f"far {self.width}"


@datasets.register("pictures")
@dataclass(frozen=True)
class Pictures(Dataset):
    """Grey images."""

    def load(self) -> LabelledData:
        images = np.random.default_rng(1).integers(0, 256, (130, 4, 4)).astype(np.uint8)
        part = Split(images, np.zeros(130, dtype=np.int64))
        return LabelledData(part, part, part, ("a", "b"))

    def fingerprint(self) -> str:
        return "pictures"


@encoders.register("counting")
@dataclass(frozen=True)
class Counting(Encoder):
    """The inputs as they are; keeps in SEEN how many came at a time, and gives up after some calls."""

    calls: Annotated[int, Infra()] = 10**9

    def fit(self, pool_inputs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        def encode(inputs: np.ndarray) -> np.ndarray:
            if len(SEEN) >= self.calls:
                raise KeyboardInterrupt
            SEEN.append(len(inputs))
            return inputs.reshape(len(inputs), -1).astype(np.float32)

        return encode


@pytest.mark.parametrize("width", [2, 7, 300])
def test_features_are_scaled_as_one_array_would_be(width: int, tmp_path: Path) -> None:
    found = encoded(FarVectors(width), encoders.build("identity"), tmp_path)
    raw = FarVectors(width).load().pool.array.astype(np.float32)
    mean = raw.mean(axis=0, dtype=np.float64)
    scale = raw.var(axis=0, dtype=np.float64).mean() ** -0.5
    np.testing.assert_array_equal(found.mean, mean)
    assert found.scale == scale
    np.testing.assert_array_equal(found.parts["pool"], ((raw - mean) * scale).astype(np.float32))
    assert [len(found.parts[part]) for part in ("pool", "validation", "test")] == [333, 51, 8]


@encoders.register("zero_means_something")
@dataclass(frozen=True)
class ZeroMeansSomething(Counting):
    """Inputs as they are, to be left where they are."""

    centred = False


@pytest.mark.parametrize("stored", ["float32", "float16"])
def test_what_is_not_centred_is_scaled_alone(stored: str, tmp_path: Path) -> None:
    inner = ZeroMeansSomething()
    encoder = inner if stored == "float32" else encoders.build({"name": "float16", "of": "zero_means_something"})
    found = encoded(FarVectors(), encoder, tmp_path)
    raw = FarVectors().load().pool.array.astype(np.float32)
    scale = raw.var(axis=0, dtype=np.float64).mean() ** -0.5
    np.testing.assert_array_equal(found.mean, np.zeros(7))
    np.testing.assert_array_equal(found.parts["pool"], (raw * scale).astype(stored).astype(np.float32))
    assert module._key(FarVectors(), encoder)["centred"] is False
    assert "centred" not in module._key(FarVectors(), Counting())  # caches filled before there was a choice stay valid


SHARDS = [50, 50, 50, 50, 50, 50, 33, 50, 1, 8]


@pytest.mark.parametrize("calls", [4, 8])  # in the pool, and after it
def test_no_shard_is_encoded_twice_whatever_happens(calls: int, tmp_path: Path) -> None:
    whole = encoded(FarVectors(), Counting(), tmp_path / "whole")
    assert SEEN == SHARDS
    SEEN.clear()
    with pytest.raises(KeyboardInterrupt):
        encoded(FarVectors(), Counting(calls), tmp_path / "stopped")
    assert not list((tmp_path / "stopped").glob("[!.]*"))
    again = encoded(FarVectors(), Counting(), tmp_path / "stopped")
    assert SEEN == SHARDS
    for part, values in whole.parts.items():
        np.testing.assert_array_equal(again.parts[part], values)


def test_half_precision_is_stored_and_float32_is_read(tmp_path: Path) -> None:
    exact = encoded(FarVectors(), encoders.build("identity"), tmp_path).parts["pool"]
    half = encoded(FarVectors(), encoders.build({"name": "float16", "of": "identity"}), tmp_path).parts["pool"]
    assert half.dtype == np.float32
    assert not np.array_equal(half, exact)
    np.testing.assert_allclose(half, exact, rtol=2**-11, atol=2**-25)
    stored = [np.load(file, mmap_mode="r").dtype for file in tmp_path.glob("*/pool.npy")]
    assert sorted(map(str, stored)) == ["float16", "float32"]


def test_what_float16_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="65,504"):
        list(module._scaled([np.full((1, 2), 1e9, np.float32)], np.zeros(2), 1.0, "float16").chunks)


def test_augmented_copies_go_on_with_the_same_draws(tmp_path: Path) -> None:
    plain = encoded(Pictures(), Counting(), tmp_path)
    rows = np.arange(130)[::-1]

    def copy(folder: Path, encoder: Encoder) -> np.ndarray:
        SEEN.clear()
        rng = np.random.default_rng(5)

        def augment(images: np.ndarray) -> np.ndarray:
            return images ^ rng.integers(0, 9, images.shape).astype(np.uint8)

        return encoded_copies(Pictures(), encoder, plain, folder, rows, augment, {"copy": 1})

    whole = copy(tmp_path / "whole", Counting())
    assert SEEN == [20, 20, 20, 20, 20, 20, 10]
    with pytest.raises(KeyboardInterrupt):
        copy(tmp_path / "stopped", Counting(3))
    np.testing.assert_array_equal(copy(tmp_path / "stopped", Counting()), whole)
    assert SEEN == [20, 20, 20, 10]


def test_vectors_have_no_augmented_copies(tmp_path: Path) -> None:
    plain = encoded(FarVectors(), Counting(), tmp_path)
    with pytest.raises(ValueError, match="has no images to augment before encoder 'counting'"):
        encoded_copies(FarVectors(), Counting(), plain, tmp_path, np.arange(3), lambda images: images, {})


READER = """
import hashlib, os, sys, time
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from labelbench_plus.features import encoded as features
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles
from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.encoders import Encoder, encoders
folder, patient = Path(sys.argv[1]), sys.argv[2] == "patient"
features.SHARD_ROWS = 100

@datasets.register("numbers")
@dataclass(frozen=True)
class Numbers(Dataset):
    def load(self):
        values = np.random.default_rng(0).standard_normal((950, 16))
        part = lambda n: Split(values[:n], np.zeros(n, dtype=np.int64))
        return LabelledData(part(950), part(5), part(5), ("a",))
    def fingerprint(self):
        return "numbers"

@encoders.register("noted")
@dataclass(frozen=True)
class Noted(Encoder):
    def fit(self, pool_inputs):
        def encode(inputs):
            descriptor = os.open(folder.parent / "calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(descriptor, f"{os.getpid()} {len(inputs)}\\n".encode())
            os.close(descriptor)
            while patient and (folder.parent / "calls").read_text().count("\\n") == 4:
                time.sleep(0.01)  # until it is killed
            return inputs.astype(np.float32)
        return encode

found = features.encoded(Numbers(), Noted(), folder)
print(hashlib.sha256(b"".join(part.tobytes() for part in found.parts.values())).hexdigest())
"""


def test_eight_processes_share_the_work_of_one_and_of_one_that_was_killed(tmp_path: Path) -> None:
    folder, calls = tmp_path / "cache", tmp_path / "calls"

    def start(mood: str, folder: Path = folder) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", READER, str(folder), mood], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )

    killed = start("patient")
    deadline = time.monotonic() + 600
    while not calls.exists() or calls.read_text().count("\n") < 4:
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    assert len(list(folder.glob(".*.pieces/pool_*.npy"))) == 3, "three shards were done, the fourth was not"
    readers = [start("quick") for _ in range(8)]
    hashes = {reader.communicate(timeout=600)[0] for reader in readers}
    assert all(reader.returncode == 0 for reader in readers)
    (found,) = hashes
    noted = [line.split() for line in calls.read_text().splitlines()[4:]]
    # each shard by one of them, whoever came first; the parts that are one shard by the one that puts all together
    assert sorted(int(rows) for _, rows in noted) == [5, 5, 50, 100, 100, 100, 100, 100, 100]
    assert not list(folder.glob(".*.pieces"))
    assert start("quick", tmp_path / "fresh" / "cache").communicate(timeout=600)[0] == found


def test_images_in_files_are_augmented_at_the_encoders_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    (tmp_path / "images").mkdir()
    shapes = [(40, 30, 3), (25, 25, 3), (20, 60, 3)]
    for number, shape in enumerate(shapes):
        Image.fromarray(rng.integers(0, 256, shape).astype(np.uint8)).save(tmp_path / "images" / f"{number}.png")
    files = ImageFiles(FolderImages(tmp_path / "images", [f"{number}.png" for number in range(3)]))

    @dataclass(frozen=True)
    class Files(Pictures):
        def load(self) -> LabelledData:
            part = Split(files, np.zeros(3, dtype=np.int64))
            return LabelledData(part, part, part, ("a",))

    tiny = {"name": "timm", "model": "test_efficientnet", "weights": "random-plumbing-test", "image_size": 24}
    encoder = encoders.build(tiny)
    plain = encoded(Files(), encoder, tmp_path / "cache")
    seen: list[tuple[int, ...]] = []

    def augment(images: np.ndarray) -> np.ndarray:
        seen.append(images.shape)
        return images

    rows = np.array([2, 0])
    same = encoded_copies(Files(), encoder, plain, tmp_path / "cache", rows, augment, {})
    assert seen == [(2, 24, 24, 3)]
    np.testing.assert_allclose(same, plain.parts["pool"][rows], atol=0.2)  # up to rounding to 0..255
