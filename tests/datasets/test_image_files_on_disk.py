"""Data sets whose images lie in files, from fixtures in exactly their forms."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from labelbench_plus.datasets import Split, datasets
from tests.datasets.conftest import picture, save_picture


def numbers(split: Split) -> list[int]:
    """Which pictures a part holds, recognised by their pixels."""
    known = {picture(k).tobytes(): k for k in range(60)}
    return [known[split.inputs.decode(i).tobytes()] for i in range(len(split.inputs))]


# Caltech-256


def test_caltech256_leaves_clutter_out_of_each_part_that_labelbench_draws(bare_machine):
    root = bare_machine / "caltech256" / "256_ObjectCategories"
    kinds = ["001.ak47", "002.american-flag", "251.airplanes-101", "257.clutter"]
    for place, kind in enumerate(kinds):
        for i in range(5):
            save_picture(root / kind / f"{kind[:3]}_{i + 1:04d}.jpg", 5 * place + i)
    (root / "001.ak47" / "RENAME2").write_text("a file that the archive really has")
    data = datasets.build("caltech256").load()
    order = np.random.RandomState(42).permutation(20)
    expected = [[n for n in part.tolist() if n < 15] for part in (order[:16], order[16:18], order[18:])]
    parts = (data.pool, data.validation, data.test)
    assert [numbers(part) for part in parts] == expected
    assert [part.labels.tolist() for part in parts] == [[n // 5 for n in part] for part in expected]
    assert data.class_names == ("ak47", "american-flag", "airplanes-101")


# ImageNet

WNIDS = ("n01440764", "n01443537", "n99999999")


def imagenet_tree(root: Path) -> None:
    for part, each, first in (("train", 4, 0), ("val", 4, 12)):
        for k, wnid in enumerate(WNIDS):
            for i in range(each):
                name = f"{wnid}_{i}.JPEG" if part == "train" else f"ILSVRC2012_val_{i + 10 * k:08d}.JPEG"
                save_picture(root / part / wnid / name, first + each * k + i)


def imagenet_parquet(root: Path) -> None:
    features = {"label": {"names": ["tench, Tinca tinca", "goldfish", "another"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    root.mkdir(parents=True)
    for part, first, shards in (("train", 0, 2), ("validation", 12, 1)):
        order = np.random.default_rng(5).permutation(12)  # the hub's files are shuffled
        for shard, rows in enumerate(np.array_split(order, shards)):
            images = [{"bytes": png(first + n), "path": f"ILSVRC2012_{n // 4}_{n:05d}.JPEG"} for n in rows.tolist()]
            table = pa.table({"image": images, "label": [n // 4 for n in rows.tolist()]})
            file = root / f"{part}-{shard:05d}-of-{shards:05d}.parquet"
            pq.write_table(table.replace_schema_metadata(metadata), file, row_group_size=2)


def png(number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(number)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("form", ["tree", "parquet"])
def test_imagenet_as_a_tree_and_as_parquet(bare_machine, form):
    root = bare_machine / "imagenet"
    imagenet_tree(root) if form == "tree" else imagenet_parquet(root / "data")
    data = datasets.build("imagenet").load()
    pool = numbers(data.pool)
    assert pool == (list(range(12)) if form == "tree" else np.random.default_rng(5).permutation(12).tolist())
    order = torch.randperm(12, generator=torch.Generator().manual_seed(42)).tolist()  # as random_split does
    assert order == [6, 8, 1, 7, 0, 2, 10, 11, 4, 3, 5, 9], "torch has changed its stream: splits would change"
    assert [n - 12 for n in numbers(data.validation)] == order[:3]
    assert [n - 12 for n in numbers(data.test)] == order[3:]
    assert data.test.labels.tolist() == [n // 4 for n in order[3:]]
    assert data.pool.labels.tolist() == [n // 4 for n in pool]
    assert data.class_names == ("tench", "goldfish", "n99999999" if form == "tree" else "another")
    (bare_machine / "names.txt").write_text("a fish\nanother fish\nno fish\n")
    names = {"name": "imagenet", "class_names": str(bare_machine / "names.txt")}
    assert datasets.build(names).load().class_names == ("a fish", "another fish", "no fish")
    assert datasets.build(names).fingerprint() != datasets.build("imagenet").fingerprint()
    (bare_machine / "names.txt").write_text("a fish\n")
    with pytest.raises(ValueError, match="3 classes and 1 class names"):
        datasets.build(names).load()


def test_imagenets_validation_images_must_lie_in_folders_of_known_classes(bare_machine):
    imagenet_tree(bare_machine / "imagenet")
    (bare_machine / "imagenet" / "val" / WNIDS[0]).rename(bare_machine / "imagenet" / "val" / "n00000001")
    with pytest.raises(ValueError, match="folders for classes that the pool has not: n00000001"):
        datasets.build("imagenet").load()


# Folders of images


def test_a_folder_with_all_three_parts(bare_machine):
    for part, first in (("train", 0), ("valid", 6), ("test", 10)):
        for i in range(4):
            save_picture(bare_machine / part / "ab"[i % 2] / f"{i}.png", first + i)
    save_picture(bare_machine / "train" / "c" / "deep" / "er" / "9.PNG", 4)
    (bare_machine / "train" / "a" / "notes.txt").write_text("no image")
    data = datasets.build({"name": "image_folder", "path": str(bare_machine)}).load()
    assert data.class_names == ("a", "b", "c")
    assert (numbers(data.pool), data.pool.labels.tolist()) == ([0, 2, 1, 3, 4], [0, 0, 1, 1, 2])
    assert (numbers(data.validation), numbers(data.test)) == ([6, 8, 7, 9], [10, 12, 11, 13])


def test_what_a_folder_has_not_is_taken_out_of_what_it_has(bare_machine):
    for i in range(20):
        save_picture(bare_machine / "one" / "ab"[i % 2] / f"{i:02d}.png", i)
        save_picture(bare_machine / "two" / "train" / "ab"[i % 2] / f"{i:02d}.png", i)
    save_picture(bare_machine / "two" / "test" / "b" / "x.png", 30)
    for name, sizes in (("one", [14, 2, 4]), ("two", [18, 2, 1])):
        dataset = datasets.build({"name": "image_folder", "path": str(bare_machine / name)})
        data = dataset.load()
        parts = (data.pool, data.validation, data.test)
        assert [len(part.inputs) for part in parts] == sizes
        found = [n for part in parts for n in numbers(part)]
        assert sorted(found) == [*range(20), *([30] if name == "two" else [])]
        assert all(label == n % 2 for part in parts[:2] for label, n in zip(part.labels, numbers(part), strict=True))
        assert np.bincount(data.validation.labels).tolist() == [1, 1]
    before = dataset.fingerprint()
    moved = bare_machine / "moved"
    (bare_machine / "two").rename(moved)
    same = datasets.build({"name": "image_folder", "path": str(moved)})
    assert same.fingerprint() == before, "where it lies is no part of its identity"
    assert datasets.build({"name": "image_folder", "path": str(moved), "validation_share": 0.5}).fingerprint() != before


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ([], FileNotFoundError, "holds no images"),
        (["train/a/1.png"], FileNotFoundError, "none that is called test"),
        (["train/a/1.png", "train/a/2.png", "val/b/1.png", "test/a/1.png"], ValueError, "the pool has not: b"),
        (["a/1.png"], ValueError, r"1 images cannot be divided into parts of \[1, 0, 0\]"),
    ],
)
def test_folders_that_will_not_do(bare_machine, files, error, message):
    for i, file in enumerate(files):
        save_picture(bare_machine / file, i)
    with pytest.raises(error, match=message):
        datasets.build({"name": "image_folder", "path": str(bare_machine)}).load()
    with pytest.raises(FileNotFoundError, match="no such folder"):
        datasets.build({"name": "image_folder", "path": str(bare_machine / "nowhere")}).load()


# WILDS


def iwildcam(root: Path) -> None:
    parts = ["train"] * 6 + ["id_val", "id_test", "val", "test"]
    rows = {
        "filename": [f"{i}.jpg" for i in range(10)],
        "split": parts,
        "y": [0, 1, 2, 0, 1, 2, 1, 2, 0, 1],
        "location_remapped": [0, 0, 1, 1, 2, 2, 0, 1, 3, 4],
        "sequence_remapped": range(10),
        "datetime": ["2013-06-05 05:44:19.000"] * 10,
    }
    folder = root / "iwildcam_v2.0"
    for i in range(10):
        save_picture(folder / "train" / f"{i}.jpg", i)
    pd.DataFrame(rows).to_csv(folder / "metadata.csv")
    pd.DataFrame({"y": [2, 0, 1], "category_id": [7, 0, 3], "name": ["puma", "empty", "tapir"]}).to_csv(
        folder / "categories.csv"
    )
    (folder / "RELEASE_v2.0.txt").write_text("")


def fmow(root: Path) -> None:
    folder = root / "fmow_v1.1"
    old, late = "2010-01-01T00:00:00Z", "2017-01-01T00:00:00Z"
    rows = {
        "split": ["train", "seq", "train", "val", "test", "train", "test", "val"],
        "timestamp": [old, old, old, old, old, old, late, "2014-01-01T00:00:00Z"],
        "category": ["airport", "zoo", "barn", "zoo", "airport", "zoo", "barn", "barn"],
        "country_code": ["DEU", "USA", "XXX", "USA", "DEU", "USA", "XXX", "DEU"],
    }
    for i in range(8):
        save_picture(folder / "images" / f"rgb_img_{i}.png", i)
    pd.DataFrame(rows).to_csv(folder / "rgb_metadata.csv")
    pd.DataFrame({"alpha-3": ["DEU", "USA"], "region": ["Europe", "Americas"]}).to_csv(
        folder / "country_code_mapping.csv"
    )
    (folder / "RELEASE_v1.1.txt").write_text("")


def stub_of_wilds() -> SimpleNamespace:
    """The part of the package's interface that is used, over the same files; see its version 2.0.0."""
    splits = {
        "iwildcam": {"train": 0, "val": 1, "test": 2, "id_val": 3, "id_test": 4},
        "fmow": {"train": 0, "id_val": 1, "id_test": 2, "val": 3, "test": 4},
    }

    def get_dataset(dataset: str, version: str, root_dir: str, download: bool) -> SimpleNamespace:
        assert not download
        folder = Path(root_dir) / f"{dataset}_v{version}"
        found = SimpleNamespace(data_dir=folder, root=folder, split_dict=splits[dataset])
        if dataset == "iwildcam":
            table = pd.read_csv(folder / "metadata.csv")
            found.split_array = np.array([found.split_dict[part] for part in table["split"]])
            found._input_array, found.y_array = table["filename"].values, torch.tensor(table["y"].values)
            found.n_classes, found.metadata_fields = 3, ["location", "y"]
            found.metadata_array = torch.tensor(table[["location_remapped", "y"]].values)
        else:
            found.full_idxs = np.array([0, 2, 3, 4, 5, 6, 7])
            found.split_array = np.array([0, 0, 1, 2, 0, 4, 3])
            found.y_array = torch.tensor([0, 6, 61, 0, 61, 6, 6])
            found.metadata_fields = ["region", "year", "y"]
            found.metadata_map = {"region": ["Europe", "Americas", "Other"]}
            found.metadata_array = torch.tensor([[r, 8, 0] for r in (0, 2, 1, 0, 1, 2, 0)])
        return found

    return SimpleNamespace(get_dataset=get_dataset)


@pytest.fixture(params=["stub", "package"])
def wilds(request, monkeypatch):
    """The package, if it is installed, and a stub of it in any case."""
    if request.param == "package":
        if importlib.util.find_spec("wilds") is None:
            pytest.skip("the package wilds is not installed: pip install 'labelbench-plus[wilds]'")
        return
    middle = ["amusement park"] * 5
    categories = ["airport", *middle, "barn", *middle * 10, *middle[:4], "zoo"]
    monkeypatch.setitem(sys.modules, "wilds", stub_of_wilds())
    monkeypatch.setitem(sys.modules, "wilds.datasets.fmow_dataset", SimpleNamespace(categories=categories))


def test_iwildcam_keeps_its_classes_and_knows_its_cameras(bare_machine, wilds):
    iwildcam(bare_machine / "iwildcam")
    found = {shift: datasets.build({"name": "iwildcam", "shift": shift}).load() for shift in ("id", "ood")}
    for data in found.values():
        assert (numbers(data.pool), data.pool.labels.tolist()) == (list(range(6)), [0, 1, 2, 0, 1, 2])
        assert data.pool.groups.tolist() == [0, 0, 1, 1, 2, 2]
        assert data.class_names == ("empty", "tapir", "puma")
    assert [numbers(part) for part in (found["id"].validation, found["id"].test)] == [[6], [7]]
    assert [numbers(part) for part in (found["ood"].validation, found["ood"].test)] == [[8], [9]]
    assert found["ood"].test.groups.tolist() == [4]


def test_fmow_groups_by_region_and_leaves_others_in_none(bare_machine, wilds):
    fmow(bare_machine / "fmow")
    data = datasets.build("fmow").load()
    assert (numbers(data.pool), data.pool.labels.tolist()) == ([0, 2, 5], [0, 6, 61])
    assert data.pool.groups.tolist() == [0, -1, 1]
    assert (numbers(data.validation), numbers(data.test)) == ([3], [4])
    late = datasets.build({"name": "fmow", "shift": "ood"}).load()
    assert (numbers(late.validation), numbers(late.test), late.test.groups.tolist()) == ([7], [6], [-1])
    assert (len(data.class_names), data.class_names[6]) == (62, "barn")
    assert "satellite photo of a barn in the americas." in [t.format("barn") for t in data.templates]


def test_without_the_package_the_extra_is_named(bare_machine, monkeypatch):
    iwildcam(bare_machine / "iwildcam")
    monkeypatch.setitem(sys.modules, "wilds", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'labelbench-plus\[wilds\]'"):
        datasets.build("iwildcam").load()


# Multi-label


def test_celeba(bare_machine):
    folder = bare_machine / "celeba"
    rows = [[1, -1], [-1, -1], [1, 1], [-1, 1]]
    for i in range(4):
        save_picture(folder / "img_align_celeba" / f"{i + 1:06d}.jpg", i)
    lines = ["4", "Big_Nose Young "] + [
        f"{i + 1:06d}.jpg " + " ".join(f"{value:2d}" for value in row) for i, row in enumerate(rows)
    ]
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    (folder / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 1\n000003.jpg 0\n000004.jpg 2\n")
    data = datasets.build("celeba").load()
    assert (numbers(data.pool), data.pool.labels.tolist()) == ([0, 2], [[1, 0], [1, 1]])
    assert (numbers(data.validation), data.validation.labels.tolist()) == ([1], [[0, 0]])
    assert (numbers(data.test), data.test.labels.tolist()) == ([3], [[0, 1]])
    assert data.class_names == ("Big Nose", "Young")
    (folder / "list_eval_partition.txt").write_text("000001.jpg 0\n")
    with pytest.raises(ValueError, match=r"list_eval_partition\.txt must say"):
        datasets.build("celeba").load()
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines[:-1]))
    with pytest.raises(ValueError, match=r"says that it has '4' rows, it has 3"):
        datasets.build("celeba").load()


def voc(root: Path, year: int, part: str, names: range) -> None:
    from labelbench_plus.datasets.voc import CLASSES

    folder = root / "VOCdevkit" / f"VOC{year}"
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True, exist_ok=True)
    for i in names:
        save_picture(folder / "JPEGImages" / f"{year}_{i:06d}.jpg", i)
    for k, name in enumerate(CLASSES):
        values = {i: 1 if i % 20 == k else 0 if (i + 1) % 20 == k else -1 for i in names}
        (lists / f"{name}_{part}.txt").write_text("".join(f"{year}_{i:06d} {v:2d}\n" for i, v in values.items()))


def test_voc_2012_is_divided_as_labelbench_does_and_2007_as_it_comes(bare_machine):
    voc(bare_machine / "voc", 2012, "trainval", range(9))
    for part, names in (("train", range(4)), ("val", range(4, 6)), ("test", range(6, 9))):
        voc(bare_machine / "voc", 2007, part, names)
    data = datasets.build({"name": "voc", "pool": 4}).load()
    order = torch.randperm(9, generator=torch.Generator().manual_seed(42)).tolist()
    assert [numbers(part) for part in (data.pool, data.validation, data.test)] == [order[:4], order[4:6], order[6:8]]
    assert np.array_equal(data.pool.labels, np.eye(20, dtype=int)[order[:4]]), "difficult objects do not count"
    assert data.class_names[10] == "dining table"
    old = datasets.build({"name": "voc", "year": 2007}).load()
    assert [numbers(part) for part in (old.pool, old.validation, old.test)] == [[0, 1, 2, 3], [4, 5], [6, 7, 8]]
    with pytest.raises(ValueError, match="9 images are too few for a pool of 10000"):
        datasets.build("voc").load()


def test_coco(bare_machine):
    folder = bare_machine / "coco"
    (folder / "annotations").mkdir(parents=True)
    categories = [{"id": 1, "name": "person"}, {"id": 90, "name": "toothbrush"}, {"id": 3, "name": "car"}]
    for part, first in (("train", 0), ("val", 10)):
        images = [{"id": 1000 + i, "file_name": f"COCO_{part}2014_{i:012d}.jpg"} for i in range(5)]
        shown = [(0, 1), (0, 90), (0, 1), (1, 3), (3, 3), (4, 90)]  # the third image shows nothing
        annotations = [{"image_id": 1000 + i, "category_id": c, "id": n} for n, (i, c) in enumerate(shown)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations" / f"instances_{part}2014.json").write_text(json.dumps(content))
        for i, image in enumerate(images):
            save_picture(folder / f"{part}2014" / image["file_name"], first + i)
    data = datasets.build("coco").load()
    assert data.class_names == ("car", "person", "toothbrush")
    assert (numbers(data.pool), data.pool.labels.tolist()) == (
        [0, 1, 3, 4],
        [[0, 1, 1], [1, 0, 0], [1, 0, 0], [0, 0, 1]],
    )
    order = [[10, 11, 13, 14][i] for i in torch.randperm(4, generator=torch.Generator().manual_seed(42)).tolist()]
    assert (numbers(data.validation), numbers(data.test)) == (order[:1], order[1:])
    (folder / "annotations" / "instances_val2014.json").write_text("{}")
    with pytest.raises(ValueError, match=r"instances_val2014\.json is not a list of COCO's instances"):
        datasets.build("coco").load()
