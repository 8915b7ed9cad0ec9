"""Tables of features: read as they are, refused where a column is not what it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from labelbench_plus.datasets import datasets
from labelbench_plus.features.encoded import load
from labelbench_plus.plugins import describe


def table(rows: int = 20) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": rng.standard_normal(rows),
            "b": np.arange(rows),
            "label": np.where(np.arange(rows) % 2, "yes", "no"),
            "part": (["train"] * 3 + ["val", "test"]) * (rows // 5),
            "price": 1 + np.arange(rows) % 3,
            "site": np.arange(rows) % 4,
        }
    )


def build(path: Path, **more: Any) -> Any:
    return datasets.build({"name": "feature_table", "path": str(path), **more})


def written(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return path


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_columns_with_a_use_and_features(form, tmp_path):
    frame = table()
    path = written(frame, tmp_path / f"t.{form}")
    data = build(path, split="part", price="price", group="site").load()
    for part, name in ((data.pool, "train"), (data.validation, "val"), (data.test, "test")):
        rows = frame[frame["part"] == name]
        assert np.allclose(part.inputs, rows[["a", "b"]])
        assert part.labels.tolist() == (rows["label"] == "yes").astype(int).tolist()
        assert part.groups.tolist() == rows["site"].tolist()
    assert data.pool_prices.tolist() == frame[frame["part"] == "train"]["price"].tolist()
    assert data.class_names == ("no", "yes")


def test_without_a_column_that_says_so_rows_are_divided_once_for_all(tmp_path):
    path = written(table().drop(columns=["part"]), tmp_path / "t.csv")
    dataset = build(path, features=["b"], test_share=0.25)
    data = dataset.load()
    parts = (data.pool, data.validation, data.test)
    assert [len(part.labels) for part in parts] == [13, 2, 5]
    assert sorted(np.concatenate([part.inputs[:, 0] for part in parts])) == list(range(20))
    assert all(np.array_equal(part.labels, part.inputs[:, 0] % 2) for part in parts)
    moved = written(table().drop(columns=["part"]), tmp_path / "moved.csv")
    assert build(moved, features=["b"], test_share=0.25).fingerprint() == dataset.fingerprint()
    assert build(moved, features=["a"], test_share=0.25).fingerprint() != dataset.fingerprint()


def test_embeddings_in_a_column_of_lists_and_numbers_as_classes(tmp_path):
    vectors = np.arange(60, dtype=np.float32).reshape(20, 3)
    frame = pd.DataFrame({"label": [10, 9] * 10, "embedding": list(vectors)})
    data = build(written(frame, tmp_path / "t.parquet")).load()
    parts = (data.pool, data.validation, data.test)
    assert {part.inputs.dtype for part in parts} == {np.dtype(np.float32)}
    assert sorted(row.tolist() for part in parts for row in part.inputs) == vectors.tolist()
    assert data.class_names == ("9", "10")


def changed(column: str, row: int, value: Any) -> pd.DataFrame:
    frame = table()
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "asked", "message"),
    [
        (table(), {"label": "class", "price": "cost"}, r"has no column class, cost \(it has a, b, label"),
        (table(), {}, "column 'part' holds neither numbers nor lists"),
        (changed("a", 3, np.inf), {"features": ["a"]}, "column 'a' must be finite, line 5 is not"),
        (changed("label", 4, None), {"features": ["a"]}, "column 'label' is empty in line 6"),
        (changed("part", 0, "dev"), {"split": "part"}, "'part' must say pool, validation, test, it says dev"),
        (table()[:3], {"split": "part"}, "no row is in validation, test"),
        (table()[:3], {"features": ["a"]}, r"3 rows cannot be divided into parts of \[2, 0, 1\]"),
        (changed("price", 0, -1), {"split": "part", "price": "price"}, "'price' must be positive"),
        (changed("site", 0, 0.5), {"split": "part", "group": "site"}, "'site' must hold integers"),
        (table()[:0], {"features": ["a"]}, "has 0 rows"),
    ],
)
def test_what_is_wrong_is_named(frame, asked, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        build(written(frame, tmp_path / "t.csv"), **asked).load()


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    rows = "".join(f"{n},{n % 2}\n" for n in range(5))
    (tmp_path / "t.csv").write_text(f'"a","label"\n\n"1","0"\n\n{rows}inf,1\n7,1\n')
    with pytest.raises(ValueError, match="column 'a' must be finite, line 10 is not"):
        build(tmp_path / "t.csv").load()
    (tmp_path / "t.csv").write_text('a,note,label\n1,"two\nlines",0\n2,one,1\ninf,one,1\n')
    with pytest.raises(ValueError, match="column 'a' must be finite, line 5 is not"):
        build(tmp_path / "t.csv", features=["a"]).load()


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        build(tmp_path / "t.csv").load()
    for name, message in (("t.parquet", "is not a table"), ("t.xlsx", "must be called .csv or .parquet")):
        (tmp_path / name).write_bytes(b"PK")
        with pytest.raises(ValueError, match=message):
            build(tmp_path / name).load()


def test_values_are_read_to_the_bit_and_divided_as_ever(tmp_path):
    values = np.random.default_rng(1).standard_normal(20) * 10.0 ** np.arange(-10, 10)
    values[:3] = [5e-324, -0.0, 1e12]
    path = written(table().drop(columns=["part"]).assign(label=values), tmp_path / "t.csv")
    data = build(path, features=["b"], target="values").load()
    rows = [split.inputs[:, 0].astype(int) for split in (data.pool, data.validation, data.test)]
    assert sorted(np.concatenate(rows)) == list(range(20))
    for split, chosen in zip((data.pool, data.validation, data.test), rows, strict=True):
        assert split.labels.tobytes() == values[chosen].tobytes()
    assert data.class_names == ()


def test_whole_numbers_are_classes_unless_told(tmp_path):
    path = written(table().assign(label=np.arange(20) % 3), tmp_path / "t.csv")
    assert build(path, split="part", features=["a"]).load().class_names == ("0", "1", "2")
    data = build(path, split="part", features=["a"], target="values").load()
    assert (data.class_names, data.pool.labels.dtype) == ((), np.float64)


def test_what_was_published_without_a_target_stays_what_it_is():
    described = describe(build(Path("t.csv")))
    assert "target" not in described
    assert describe(build(Path("t.csv"), target="values"))["target"] == "values"


@pytest.mark.parametrize(
    ("labels", "target", "says"),
    [
        (np.arange(20) + 0.5, None, "20 different numbers such as 0.5: write target: values .* target: classes"),
        (np.arange(20) % 3.0, None, "3 different numbers such as 0.0: write target: values .* target: classes"),
        (np.where(np.arange(20) == 7, np.inf, 1.5), "values", "'label' must be finite, line 9 has inf"),
        (np.where(np.arange(20) == 7, np.nan, 1.5), "values", "'label' is empty in line 9"),
        (np.array(["yes", "no"] * 10), "values", "'label' does not hold numbers, so it has no values"),
    ],
)
def test_labels_that_are_neither_or_both_are_refused(tmp_path, labels, target, says):
    path = written(table().assign(label=labels), tmp_path / "t.csv")
    with pytest.raises(ValueError, match=says):
        build(path, split="part", features=["a"], target=target).load()


def test_fractions_may_be_classes(tmp_path):
    path = written(table().assign(label=np.arange(20) % 2 + 0.5), tmp_path / "t.csv")
    assert build(path, split="part", features=["a"], target="classes").load().class_names == ("0.5", "1.5")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["007", "07", "7"], ("007", "07", "7")),
        (["1e2", "100", "7"], ("100", "1e2", "7")),
        (["10", "9", "-2"], ("-2", "9", "10")),
        (["NA", "None", "dog"], ("NA", "None", "dog")),
        (["nan", "null", "N/A"], ("N/A", "nan", "null")),
        (["True", "False"], ("False", "True")),
    ],
)
def test_classes_of_a_csv_file_are_what_is_written(tmp_path, labels, names):
    written_as = np.array(labels, dtype=object)[np.arange(60) % len(labels)]
    path = written(table(60).drop(columns=["part"]).assign(label=written_as), tmp_path / "t.csv")
    data = build(path, features=["b"]).load()
    assert data.class_names == names
    for part in (data.pool, data.validation, data.test):
        assert [names[number] for number in part.labels] == written_as[part.inputs[:, 0].astype(int)].tolist()


@pytest.mark.parametrize("alike", [("ja", "ja "), ("caf\u00e9", "cafe\u0301"), ("a b", "a\u00a0b")])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_labels_that_look_the_same_are_refused(tmp_path, alike, form):
    path = written(table().assign(label=list(alike) * 10), tmp_path / f"t.{form}")
    with pytest.raises(ValueError, match="which look the same"):
        build(path, features=["a"], split="part").load()


def test_many_different_whole_numbers_are_asked_about(tmp_path):
    path = written(table(100).assign(label=np.arange(100) // 2), tmp_path / "t.csv")
    with pytest.raises(ValueError, match="50 different numbers such as 0: write target"):
        build(path, features=["a"]).load()
    assert len(build(path, features=["a"], target="classes", test_share=0.5).load().class_names) == 50


def test_groups_and_columns_are_not_merged_in_silence(tmp_path):
    path = written(table().assign(site=["07", "7"] * 10), tmp_path / "t.csv")
    with pytest.raises(ValueError, match="'site' must hold integers, not '07'"):
        build(path, features=["a"], split="part", group="site").load()
    table().drop(columns=["part"]).to_csv(tmp_path / "index.csv")
    with pytest.raises(ValueError, match="1 columns have no name"):
        build(tmp_path / "index.csv").load()
    (tmp_path / "twice.csv").write_text("a,a,label\n1,2,x\n3,4,y\n")
    with pytest.raises(ValueError, match="several columns are called a"):
        build(tmp_path / "twice.csv").load()
    path = written(table().assign(b=2**53 + 1 + np.arange(20)), tmp_path / "ids.csv")
    with pytest.raises(ValueError, match=r"column 'b' holds whole numbers beyond"):
        build(path, features=["b"], split="part").load()


def test_a_class_that_the_pool_has_not_is_refused(tmp_path):
    frame = table().assign(label=np.where(table()["part"] == "test", "new", table()["label"]))
    with pytest.raises(ValueError, match="class new is in the test part and not in the pool"):
        build(written(frame, tmp_path / "t.csv"), features=["a"], split="part").load()


def test_a_table_that_is_corrected_while_a_process_lives_is_read_again(tmp_path):
    path = written(table(), tmp_path / "t.csv")
    dataset = build(path, features=["a"], split="part")
    before = dataset.fingerprint(), load(dataset).pool.inputs
    written(table().assign(a=table()["a"][::-1].to_numpy()), path)
    assert dataset.fingerprint() != before[0]
    assert not np.array_equal(load(dataset).pool.inputs, before[1])
