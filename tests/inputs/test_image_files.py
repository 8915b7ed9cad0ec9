"""Images that are decoded when asked for: which, what of them, and what identifies them."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelbench_plus.datasets import LabelledData, Split
from labelbench_plus.features.hashing import hash_labelled_data
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles, ParquetImages
from labelbench_plus.inputs.texts import Texts

PICTURES = [np.random.default_rng(i).integers(256, size=(4 + i, 7, 3), dtype=np.uint8) for i in range(7)]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def folder(root: Path) -> ImageFiles:
    names = [f"über/{i}.png" for i in range(len(PICTURES))]
    for name, pixels in zip(names, PICTURES, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(pixels))
    return ImageFiles(FolderImages(root, names))


def parquet(root: Path, of_structs: bool = True) -> ImageFiles:
    """Two files with row groups of two."""
    files = []
    root.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate((PICTURES[:3], PICTURES[3:])):
        values = [{"bytes": png(p), "path": None} if of_structs else png(p) for p in part]
        files.append(root / f"train-{number}.parquet")
        pq.write_table(pa.table({"label": [0] * len(part), "image": values}), files[-1], row_group_size=2)
    return ImageFiles(ParquetImages(files))


@pytest.mark.parametrize("make", [folder, parquet, lambda root: parquet(root, of_structs=False)])
def test_chosen_like_an_array_and_decoded_one_by_one(make, tmp_path):
    images = make(tmp_path)
    assert len(images) == 7
    chosen = pickle.loads(pickle.dumps(images))[np.array([6, 0, 3, 4, -1])][1:]
    assert len(chosen) == 4
    for i, expected in enumerate((0, 3, 4, 6)):
        assert np.array_equal(chosen.decode(i), PICTURES[expected])
    with pytest.raises(TypeError, match=r"decode\(3\)"):
        images[3]
    with pytest.raises(IndexError):
        images[np.array([7])]


@pytest.mark.parametrize("make", [folder, parquet])
def test_the_hash_is_of_which_images_in_which_order_not_of_where_they_lie(make, tmp_path):
    images = make(tmp_path / "here")
    assert images.content_hash() == make(tmp_path / "there").content_hash()
    others = [images[::-1], images[:6], images[np.array([0, 0, 1, 2, 3, 4, 5])]]
    assert len({other.content_hash() for other in [images, *others]}) == 4


def test_what_the_hash_notices(tmp_path):
    images, stored = folder(tmp_path / "a"), parquet(tmp_path / "b")
    before = [images.content_hash(), stored.content_hash()]
    (tmp_path / "a" / "über" / "2.png").write_bytes(png(PICTURES[6]))
    table = pq.read_table(tmp_path / "b" / "train-0.parquet")
    pq.write_table(table, tmp_path / "b" / "train-0.parquet", row_group_size=3)
    assert images.content_hash() != before[0]
    assert ImageFiles(ParquetImages(sorted((tmp_path / "b").iterdir()))).content_hash() != before[1]


def test_every_kind_of_picture_comes_as_rgb(tmp_path):
    base = Image.fromarray(PICTURES[6])
    grey = np.array(base.convert("L"))
    for name, image in {
        "grey.png": base.convert("L"),
        "palette.gif": base.quantize(256),
        "cmyk.jpg": base.convert("CMYK"),
        "alpha.png": base.convert("RGBA"),
    }.items():
        image.save(tmp_path / name)
        found = ImageFiles(FolderImages(tmp_path, [name])).decode(0)
        assert found.shape == PICTURES[6].shape
        assert found.dtype == np.uint8
        if name == "grey.png":
            assert np.array_equal(found, np.repeat(grey[:, :, None], 3, axis=2))
    Image.fromarray(grey.astype(np.float32)).save(tmp_path / "deep.tiff")
    (tmp_path / "text.png").write_bytes(b"not an image")
    for name, what in (
        ("deep.tiff", "no range that could be brought to 8 bits"),
        ("text.png", "12 bytes are no image"),
        ("gone.png", "No such file"),
    ):
        with pytest.raises(ValueError, match=rf"image {name} cannot be decoded.*{what}"):
            ImageFiles(FolderImages(tmp_path, [name])).decode(0)


def deep_png(path, pixels):
    """A PNG of 16 bits a channel, (height, width, channels) uint16 in, which PIL writes of grey alone."""
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def test_of_sixteen_bits_the_upper_eight_count_whatever_the_channels(tmp_path):
    """Grey as colour, with transparency or without, big-endian or little, 256 apart."""
    rng = np.random.default_rng(0)
    deep = rng.integers(2**16, size=(5, 4, 4), dtype=np.uint16)
    for channels in (1, 2, 3, 4):
        deep_png(tmp_path / "deep.png", deep[..., :channels])
        found = ImageFiles(FolderImages(tmp_path, ["deep.png"])).decode(0)
        colours = deep[..., :3] if channels > 2 else deep[..., :1].repeat(3, axis=2)
        assert np.array_equal(found, (colours // 256).astype(np.uint8)), channels
    for name in ("deep.tiff", "deep.png", "deep.pgm"):
        Image.fromarray(deep[..., 0]).save(tmp_path / name)
        found = ImageFiles(FolderImages(tmp_path, [name])).decode(0)
        assert np.array_equal(found[..., 1], (deep[..., 0] // 256).astype(np.uint8)), name


def test_what_lies_beneath_transparency_and_in_palettes_and_cmyk(tmp_path):
    """The stated conversions, on colours of which everybody knows what they are."""
    red = np.full((2, 2, 3), (200, 10, 30), dtype=np.uint8)
    Image.fromarray(np.dstack([red, np.zeros((2, 2), dtype=np.uint8)]), "RGBA").save(tmp_path / "clear.png")
    indexed = Image.fromarray(np.ones((2, 2), dtype=np.uint8), "P")
    indexed.putpalette([0, 0, 0, 200, 10, 30])
    indexed.save(tmp_path / "palette.png", transparency=1)
    Image.new("CMYK", (2, 2), (0, 255, 255, 0)).save(tmp_path / "cmyk.tiff")
    Image.new("1", (2, 2), 1).save(tmp_path / "ink.png")
    wanted = {"clear.png": (200, 10, 30), "palette.png": (200, 10, 30), "cmyk.tiff": (255, 0, 0), "ink.png": (255,) * 3}
    for name, colour in wanted.items():
        assert ImageFiles(FolderImages(tmp_path, [name])).decode(0)[0, 1].tolist() == list(colour), name


def test_a_parquet_file_without_images_is_refused(tmp_path):
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="no column 'image', but text"):
        ParquetImages([tmp_path / "a.parquet"])
    with pytest.raises(ValueError, match=r"must hold bytes.*string"):
        ParquetImages([tmp_path / "a.parquet"], "text")
    (tmp_path / "b.parquet").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"b\.parquet is not a parquet file"):
        ParquetImages([tmp_path / "b.parquet"])


def test_texts_are_chosen_like_an_array():
    texts = Texts(["a", "bé", "", "c"])
    assert (texts[1], texts[-1], len(texts)) == ("bé", "c", 4)
    assert [texts[1:][i] for i in range(3)] == ["bé", "", "c"]
    assert [texts[np.array([3, 0])][i] for i in range(2)] == ["c", "a"]
    with pytest.raises(IndexError):
        texts[np.array([4])]
    with pytest.raises(TypeError, match="text 1 is not a string but int"):
        Texts(["a", 3])  # type: ignore[list-item]
    hashes = {t.content_hash() for t in (texts, texts[::-1], Texts(["ab", "é", "", "c"]), Texts(["a", "bé", "c"]))}
    assert len(hashes) == 4
    assert pickle.loads(pickle.dumps(texts)).content_hash() == texts.content_hash()


def test_a_data_set_of_files_or_texts_hashes_with_its_labels_groups_and_templates(tmp_path):
    images, labels = folder(tmp_path), np.arange(7) % 2

    def data(inputs, labels=labels, groups=None, templates=()):
        parts = [Split(inputs[a:b], labels[a:b], groups) for a, b in ((0, 3), (3, 5), (5, 7))]
        return hash_labelled_data(LabelledData(*parts, class_names=("x", "y"), templates=templates))

    assert data(images) == data(images)
    texts = Texts(map(str, range(7)))
    assert len({
        data(images), data(images[::-1]), data(images, 1 - labels), data(images, groups=labels[:2]),
        data(images, templates=("a {}",)), data(images, templates=("{}",)), data(texts), data(texts[::-1]),
    }) == 8  # fmt: skip
    assert Split(labels[:, None] * 1.0, labels).array.shape == (7, 1)
    with pytest.raises(TypeError, match="an array, not Texts"):
        _ = Split(texts, labels).array
