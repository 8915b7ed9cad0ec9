"""Data sets in the Hugging Face form: images and texts, on disk and by name, and what is said when there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelbench_plus.datasets import datasets
from tests.datasets.conftest import picture, save_picture

hf = pytest.importorskip("datasets", reason="the package datasets is not installed: labelbench-plus[hugging-face]")


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    from labelbench_plus.datasets import _files

    _files._fingerprint.cache_clear()
    monkeypatch.setattr(hf.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hf.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    hf.disable_progress_bars()


def build(**asked: Any) -> Any:
    return datasets.build({"name": "hugging_face", **asked})


def of_images(root: Path) -> Path:
    features = hf.Features({"image": hf.Image(), "label": hf.ClassLabel(names=["cat", "dog"])})

    def part(numbers: range) -> Any:
        images = [Image.fromarray(picture(n)) for n in numbers]
        return hf.Dataset.from_dict({"image": images, "label": [n % 2 for n in numbers]}, features=features)

    hf.DatasetDict({"train": part(range(20)), "test": part(range(20, 25))}).save_to_disk(str(root))
    return root


def test_images_that_were_saved_to_disk(tmp_path):
    dataset = build(folder=str(of_images(tmp_path / "a")))
    data = dataset.load()
    parts = (data.pool, data.validation, data.test)
    assert [len(part.inputs) for part in parts] == [18, 2, 5]
    known = {picture(n).tobytes(): n for n in range(25)}
    found = [[known[part.inputs.decode(i).tobytes()] for i in range(len(part.inputs))] for part in parts]
    assert sorted(found[0] + found[1]) == list(range(20))
    assert found[2] == list(range(20, 25))
    assert all(
        label == n % 2 for part, ns in zip(parts, found, strict=True) for label, n in zip(part.labels, ns, strict=True)
    )
    assert data.class_names == ("cat", "dog")
    assert build(folder=str(of_images(tmp_path / "b"))).fingerprint() == dataset.fingerprint()
    assert data.pool.inputs[::-1].content_hash() != data.pool.inputs.content_hash()


def test_a_class_that_only_the_test_part_has_is_refused(tmp_path):
    """It cannot be learned; so it is with tables, arrays and folders of images."""

    def part(texts: list[str], labels: list[str]) -> Any:
        return hf.Dataset.from_dict({"text": texts, "label": labels})

    whole = {"train": part(["a", "b", "c", "d"], ["cat", "dog"] * 2), "test": part(["e"], ["eel"])}
    hf.DatasetDict(whole).save_to_disk(str(tmp_path / "data"))
    with pytest.raises(ValueError, match="class eel is in the test part and not in the pool"):
        build(folder=str(tmp_path / "data"), validation="train").load()
    with pytest.raises(ValueError, match="has no column lable; it has text, label; did you mean 'label'"):
        build(folder=str(tmp_path / "data"), label="lable").load()


def test_images_in_a_folder_that_the_package_can_read(tmp_path):
    for part, first in (("train", 0), ("validation", 4), ("test", 6)):
        for i in range(4 if part == "train" else 2):
            save_picture(tmp_path / "data" / part / ("ant" if i % 2 else "bee") / f"{i}.png", first + i)
    dataset = build(folder=str(tmp_path / "data"), validation="validation")
    data = dataset.load()
    assert (len(data.pool.inputs), len(data.validation.inputs), len(data.test.inputs)) == (4, 2, 2)
    assert data.class_names == ("ant", "bee")
    pixels = sorted(data.pool.inputs.decode(i).tobytes() for i in range(4))
    assert pixels == sorted(picture(n).tobytes() for n in range(4))
    before = data.pool.inputs.content_hash()
    save_picture(tmp_path / "data" / "train" / "bee" / "0.png", 50)
    assert dataset.load().pool.inputs.content_hash() != before


def test_texts(tmp_path):
    for part, count in (("train", 12), ("dev", 3), ("test", 2)):
        lines = "".join(f'{{"text": "text {i} é", "stars": {i % 3 + 3}}}\n' for i in range(count))
        (tmp_path / f"{part}.json").write_text(lines, encoding="utf-8")
    files = {part: str(tmp_path / f"{part}.json") for part in ("train", "dev", "test")}
    hf.load_dataset("json", data_files=files, cache_dir=str(tmp_path / "hf")).save_to_disk(str(tmp_path / "saved"))
    dataset = build(folder=str(tmp_path / "saved"), validation="dev", label="stars")
    data = dataset.load()
    assert [data.pool.inputs[i] for i in range(12)] == [f"text {i} é" for i in range(12)]
    assert (data.class_names, data.pool.labels.tolist()) == (("3", "4", "5"), [0, 1, 2] * 4)
    assert len(dataset.fingerprint()) == 64
    for asked, message in (
        ({"label": "stars"}, "has no split nothing; it has train, dev, test"),
        ({}, "which column has the classes\\? Say `label`; there are text, stars"),
        ({"label": "grade"}, "has no column grade; it has text, stars"),
    ):
        split = {"validation": "nothing"} if asked.get("label") == "stars" else {"validation": "dev"}
        with pytest.raises(ValueError, match=message):
            build(folder=str(tmp_path / "saved"), **split, **asked).load()


def test_without_a_network_every_way_to_get_it_is_said(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        build(hub="somebody/nothing").load()
    for way in ("somebody/nothing cannot be had", "HF_HOME", "save_to_disk", "hf download"):
        assert way in str(error.value)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        build(folder=os.devnull + "/nowhere").load()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty is no data set that the package datasets can read"):
        build(folder=str(tmp_path / "empty")).load()
    with pytest.raises(ValueError, match="either `hub`, a name there, or `folder`"):
        build().load()


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'labelbench-plus\[hugging-face\]'"):
        build(hub="x").load()


def test_an_example_without_a_label_is_refused(tmp_path):
    features = hf.Features({"text": hf.Value("string"), "label": hf.ClassLabel(names=["a", "b"])})
    part = hf.Dataset.from_dict({"text": ["x"] * 10, "label": [0, 1] * 5}, features=features)
    hidden = hf.Dataset.from_dict({"text": ["x"] * 4, "label": [-1] * 4}, features=features)
    hf.DatasetDict({"train": part, "test": hidden}).save_to_disk(str(tmp_path / "h"))
    with pytest.raises(ValueError, match=r"split test has examples without a label"):
        build(folder=str(tmp_path / "h")).load()
    assert np.array_equal(build(folder=str(tmp_path / "h"), test="train").load().test.labels, [0, 1] * 5)
