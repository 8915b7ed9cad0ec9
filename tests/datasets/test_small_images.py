"""CIFAR-10, CIFAR-100, SVHN and Kuzushiji-49, from files in exactly their forms."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from labelbench_plus.datasets import cifar10, cifar100, datasets, svhn


def python2(value: Any) -> bytes:
    """A value as Python 2.7's cPickle writes it in protocol 2: text is bytes, arrays are rebuilt by numpy.core."""

    def text(content: bytes) -> bytes:
        return (
            b"U" + bytes([len(content)]) + content
            if len(content) < 256
            else b"T" + struct.pack("<i", len(content)) + content
        )

    if isinstance(value, str):
        return text(value.encode())
    if isinstance(value, int):
        return b"K" + bytes([value]) if value < 256 else b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(python2, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(python2(key) + python2(item) for key, item in value.items()) + b"u"
    shape = b"".join(map(python2, value.shape)) + b"\x86"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    rebuilt = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return rebuilt + b"(K\x01" + shape + dtype + b"\x89" + text(value.tobytes()) + b"tb"


def write(file: Path, value: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\x80\x02" + python2(value) + b".")


def planes(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(count, 3072), dtype=np.uint8)


def cifar_10(folder: Path, classes: int = 10) -> Path:
    for number in range(1, 6):
        labels = [(number + i) % classes for i in range(4)]
        content = {
            "batch_label": f"batch {number}",
            "labels": labels,
            "data": planes(4, number),
            "filenames": ["a.png"] * 4,
        }
        write(folder / f"data_batch_{number}", content)
    write(folder / "test_batch", {"labels": [0, 1, 2, 3, 4, 5, 6], "data": planes(7, 9)})
    write(folder / "batches.meta", {"num_cases_per_batch": 10000, "label_names": list(cifar_names)})
    return folder


cifar_names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def test_cifar10(bare_machine):
    cifar_10(bare_machine / "cifar10" / "cifar-10-batches-py")
    dataset = datasets.build({"name": "cifar10", "official": False})
    data = dataset.load()
    assert [len(part.labels) for part in (data.pool, data.validation, data.test)] == [20, 3, 4]
    assert data.class_names == cifar_names
    assert len(data.templates) == 80
    assert data.pool.inputs.shape == (20, 32, 32, 3)
    assert data.pool.labels.tolist()[:8] == [1, 2, 3, 4, 2, 3, 4, 5]
    red, green, blue = planes(4, 1)[1].reshape(3, 32, 32)
    assert np.array_equal(data.pool.inputs[1], np.dstack([red, green, blue]))
    order = np.random.RandomState(42).permutation(7)  # as LabelBench halves the test images
    assert data.validation.labels.tolist() == order[:3].tolist()
    assert data.test.labels.tolist() == order[3:].tolist()
    assert (
        dataset.fingerprint()
        == datasets.build({"name": "cifar10", "official": False, "root": str(bare_machine / "cifar10")}).fingerprint()
    )


def test_cifar10_insists_on_the_published_files(bare_machine):
    folder = cifar_10(bare_machine / "cifar10")
    with pytest.raises(ValueError, match=r"data_batch_1 is not the published file \(MD5 [0-9a-f]{32}, published c99c"):
        datasets.build("cifar10").load()
    other = datasets.build({"name": "cifar10", "official": False})
    for content, message in (
        (b"cposix\nsystem\n(S'true'\ntR.", r"test_batch is not a file of CIFAR.*posix\.system"),
        (b"\x80\x02]q\x00.", r"test_batch is not a CIFAR file: it must hold 'data' and 'labels'"),
        (
            b"\x80\x02" + python2({"labels": [1], "data": planes(2, 0)}) + b".",
            r"test_batch: expected uint8 \(1, 3072\)",
        ),
        (b"\x80\x02" + python2({"labels": [10], "data": planes(1, 0)}) + b".", r"test_batch: classes must be.*0\.\.9"),
        (b"", r"test_batch is not a file of CIFAR, or damaged"),
    ):
        (folder / "test_batch").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            other.load()


def test_cifar100_takes_the_fine_classes(bare_machine):
    folder = bare_machine / "cifar100" / "cifar-100-python"
    fine = [f"class_{k}" for k in range(100)]
    write(folder / "meta", {"fine_label_names": fine, "coarse_label_names": ["x"] * 20})
    write(folder / "train", {"fine_labels": [99, 0, 50], "coarse_labels": [1, 2, 3], "data": planes(3, 0)})
    write(folder / "test", {"fine_labels": [5, 6], "coarse_labels": [1, 2], "data": planes(2, 1)})
    data = datasets.build({"name": "cifar100", "official": False}).load()
    assert data.pool.labels.tolist() == [99, 0, 50]
    assert sorted([*data.validation.labels, *data.test.labels]) == [5, 6]
    assert data.class_names[:2] == ("class 0", "class 1")


def test_the_published_sums_are_those_that_torchvision_knows():
    import torchvision.datasets as known

    for ours, theirs in ((cifar10.MD5, known.CIFAR10), (cifar100.MD5, known.CIFAR100)):
        listed = dict(map(tuple, [*theirs.train_list, *theirs.test_list]))
        assert ours == {**listed, theirs.meta["filename"]: theirs.meta["md5"]}
    assert {known.SVHN.split_list[part][1]: known.SVHN.split_list[part][2] for part in ("train", "test")} == svhn.MD5


def test_svhn(bare_machine):
    rng = np.random.default_rng(0)
    images = {part: rng.integers(256, size=(32, 32, 3, 5), dtype=np.uint8) for part in ("train", "test")}
    (bare_machine / "svhn").mkdir()
    for part, pixels in images.items():
        labels = np.array([[1], [10], [9], [2], [10]], dtype=np.uint8)
        savemat(bare_machine / "svhn" / f"{part}_32x32.mat", {"X": pixels, "y": labels})
    data = datasets.build({"name": "svhn", "official": False}).load()
    assert data.pool.labels.tolist() == [1, 0, 9, 2, 0]
    assert np.array_equal(data.pool.inputs[2], images["train"][:, :, :, 2])
    assert [len(part.labels) for part in (data.validation, data.test)] == [2, 3]
    assert data.templates[0].format(data.class_names[7]) == 'a photo of the number: "7".'
    with pytest.raises(ValueError, match=r"train_32x32\.mat is not the published file"):
        datasets.build("svhn").load()
    (bare_machine / "svhn" / "test_32x32.mat").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"test_32x32\.mat is not a file of SVHN"):
        datasets.build({"name": "svhn", "official": False}).load()


def test_kuzushiji49_is_read_whole(bare_machine):
    folder = bare_machine / "kuzushiji49"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, count in (("train", 49), ("test", 5)):
        np.savez(folder / f"k49-{part}-imgs.npz", rng.integers(256, size=(count, 28, 28), dtype=np.uint8))
        np.savez(folder / f"k49-{part}-labels.npz", np.arange(count, dtype=np.uint8))
    data = datasets.build("kuzushiji49").load()
    assert [len(part.labels) for part in (data.pool, data.validation, data.test)] == [49, 2, 3]
    assert data.pool.labels.tolist() == list(range(49))
    assert len(set(data.class_names)) == 49
    assert [data.class_names[k] for k in (0, 47, 48)] == ["あ", "ん", "ゝ"]
    np.savez(folder / "k49-test-labels.npz", np.full(5, 49))
    with pytest.raises(ValueError, match=r"k49-test-labels\.npz: expected integers \(n,\) in 0\.\.48"):
        datasets.build("kuzushiji49").load()


@pytest.mark.parametrize(
    ("name", "ways"),
    [
        ("cifar10", ["cifar-10-python.tar.gz", "d.CIFAR10("]),
        ("cifar100", ["cifar-100-python.tar.gz"]),
        ("svhn", ["housenumbers"]),
        ("kuzushiji49", ["k49-train-imgs.npz", "codh.rois.ac.jp"]),
        ("caltech256", ["256_ObjectCategories.tar"]),
        ("imagenet", ["image-net.org", "hf download", "validation-*.parquet"]),
        ("iwildcam", ["wilds.get_dataset('iwildcam'", "iwildcam_v2.0"]),
        ("fmow", ["wilds.get_dataset('fmow'", "fmow_v1.1"]),
        ("celeba", ["img_align_celeba.zip"]),
        ("voc", ["host.robots.ox.ac.uk"]),
        ("coco", ["cocodataset.org", "instances_train2014.json"]),
    ],
)
def test_data_that_are_not_here_say_every_way_to_get_them(bare_machine, name, ways):
    with pytest.raises(FileNotFoundError) as error:
        datasets.build(name).fingerprint()
    for way in (
        *ways,
        f"$LBP_DATA/{name}",
        "root: FOLDER",
        str(bare_machine / name),
        str(bare_machine.parent / "cache" / name),
    ):
        assert way in str(error.value)
    with pytest.raises(FileNotFoundError, match=r"looked in \S*elsewhere\)"):
        datasets.build({"name": name, "root": str(bare_machine / "elsewhere")}).load()
