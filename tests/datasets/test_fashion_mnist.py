"""Fashion-MNIST: found in its places, read as published, refused when it is something else."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from labelbench_plus.datasets import datasets, fashion_mnist
from labelbench_plus.plugins import describe

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
NAMES = list(fashion_mnist.CONTENT)
real = pytest.mark.skipif(
    not all((DEBIAN / f"{name}.gz").is_file() for name in NAMES),
    reason="Fashion-MNIST is not on this machine: apt-get install dataset-fashion-mnist",
)


@pytest.fixture
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder; none of the usual places holds the data."""
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setenv("LBP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LBP_DATA", raising=False)
    fashion_mnist._fingerprint.cache_clear()
    return tmp_path


def place(folder: Path) -> Path:
    """Put the real files into a folder."""
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / f"{name}.gz").symlink_to(DEBIAN / f"{name}.gz")
    return folder


@real
def test_the_official_images_in_their_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LBP_DATA", raising=False)
    data = datasets.build("fashion_mnist").load()
    parts = (data.pool, data.validation, data.test)
    assert [part.inputs.shape for part in parts] == [(55_000, 28, 28), (5_000, 28, 28), (10_000, 28, 28)]
    assert all(part.inputs.dtype == np.uint8 and part.labels.dtype == np.int64 for part in parts)
    assert [set(np.bincount(part.labels).tolist()) for part in parts] == [{5500}, {500}, {1000}]
    assert data.test.labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert [data.class_names[k] for k in data.test.labels[:3]] == ["Ankle boot", "Pullover", "Trouser"]
    official = np.frombuffer(gzip.decompress((DEBIAN / f"{NAMES[0]}.gz").read_bytes()), np.uint8, offset=16)
    ours = np.concatenate([data.pool.inputs, data.validation.inputs])
    assert sorted(image.tobytes() for image in ours) == sorted(
        image.tobytes() for image in official.reshape(60_000, 28, 28)
    )


@real
def test_neither_content_nor_split_ever_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LBP_DATA", raising=False)
    assert (
        datasets.build("fashion_mnist").fingerprint()
        == "305b7c9ff28200fa3719bb457f4495a463aed14d9aa77a2ed41de6407afc0814"
    )


@real
@pytest.mark.parametrize(
    "where", ["root", "root/FashionMNIST/raw", "data/fashion-mnist", "debian", "cache/fashion-mnist"]
)
def test_it_is_found_in_every_place(where: str, empty_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = place(empty_machine / where)
    monkeypatch.setenv("LBP_DATA", str(empty_machine / "data"))
    root = {"root": str(empty_machine / "root")} if where.startswith("root") else {}
    files = datasets.build({"name": "fashion_mnist", **root})._locate()
    assert [file.parent for file in files.values()] == [folder] * 4


@real
def test_gunzipped_files_are_read_as_well(empty_machine: Path) -> None:
    root = place(empty_machine / "root")
    name = "train-labels-idx1-ubyte"
    plain = gzip.decompress((DEBIAN / f"{name}.gz").read_bytes())
    (root / f"{name}.gz").unlink()
    (root / name).write_bytes(plain)
    file = fashion_mnist.FashionMNIST(root=root)._locate()[name]
    assert file == root / name
    assert np.array_equal(fashion_mnist._read(name, file), np.frombuffer(plain, np.uint8, offset=8))


def test_where_it_lies_is_no_part_of_a_runs_identity() -> None:
    dataset = fashion_mnist.FashionMNIST(root=Path("/somewhere"), download=True)
    assert describe(dataset, semantic_only=True) == describe(fashion_mnist.FashionMNIST(), semantic_only=True)


@pytest.mark.parametrize("act", [lambda dataset: dataset.load(), lambda dataset: dataset.fingerprint()])
def test_absent_data_is_one_error_with_the_three_ways(
    act: Callable[[fashion_mnist.FashionMNIST], object], empty_machine: Path
) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        act(fashion_mnist.FashionMNIST())
    message = str(caught.value)
    for way in (
        "apt-get install dataset-fashion-mnist",
        "root: FOLDER",
        "download: true",
        str(empty_machine / "debian"),
    ):
        assert way in message


def test_a_named_root_is_the_only_place_looked_at(empty_machine: Path) -> None:
    (empty_machine / "root").mkdir()
    (empty_machine / "root" / f"{NAMES[0]}.gz").touch()  # one file is not all
    with pytest.raises(FileNotFoundError, match="root") as caught:
        fashion_mnist.FashionMNIST(root=empty_machine / "root").load()
    assert "debian" not in str(caught.value).partition("Three ways")[0]


def damaged(_: Path) -> bytes:
    return gzip.compress(b"\0\0\x08\x01")[:-3]


def of_another_data_set(_: Path) -> bytes:
    return gzip.compress(b"\0\0\x08\x03" + b"\0\0\0\x01" * 3 + b"\7")


def not_gzipped(_: Path) -> bytes:
    return b"<html>404</html>"


@pytest.mark.parametrize("content", [damaged, of_another_data_set, not_gzipped])
def test_other_files_under_the_same_names_are_refused(content: Callable[[Path], bytes], empty_machine: Path) -> None:
    root = empty_machine / "root"
    root.mkdir()
    for name in NAMES:
        (root / f"{name}.gz").write_bytes(content(root))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz .*damaged"):
        fashion_mnist.FashionMNIST(root=root).load()


@real
def test_a_download_is_asked_for_and_ends_up_in_place(empty_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def source(folder: str, download: bool) -> None:
        asked.append(download)
        place(Path(folder) / "FashionMNIST" / "raw")

    monkeypatch.setitem(sys.modules, "torchvision.datasets", SimpleNamespace(FashionMNIST=source))
    dataset = fashion_mnist.FashionMNIST(download=True)
    for _ in range(2):
        assert [file.parent for file in dataset._locate().values()] == [empty_machine / "cache" / "fashion-mnist"] * 4
    assert asked == [True], "what is there is not fetched again"
    assert sorted(file.name for file in (empty_machine / "cache" / "fashion-mnist").iterdir()) == sorted(
        f"{name}.gz" for name in NAMES
    )


def test_a_failed_download_is_a_clear_error_and_leaves_nothing(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def source(folder: str, download: bool) -> None:
        (Path(folder) / "half").touch()
        raise RuntimeError("no route to host")

    monkeypatch.setitem(sys.modules, "torchvision.datasets", SimpleNamespace(FashionMNIST=source))
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded.*no route"):
        fashion_mnist.FashionMNIST(root=empty_machine / "root", download=True).load()
    assert list((empty_machine / "root").iterdir()) == []
