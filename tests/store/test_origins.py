"""A manifest names where every plugin of a run comes from, those in the fields of others too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from labelbench_plus.entries import installed
from labelbench_plus.isolation.reported import Reported
from labelbench_plus.plugins import Entry, registry, with_parts
from labelbench_plus.spec import RunSpec, canonical
from labelbench_plus.store.origins import origins, unpublished
from tests.conftest import SUITE


@pytest.fixture
def spec(tmp_path) -> RunSpec:
    from labelbench_plus.suite import load_suite

    path = tmp_path / "small.yaml"
    path.write_text(SUITE)
    return load_suite(path).runs()[-1]


@pytest.fixture
def theirs() -> Iterator[None]:
    """The data set `digits`, as if it were another package's."""
    known = registry("datasets")
    kept = known._installed["digits"]
    known._installed["digits"] = Entry("digits", "theirs 2.1, from a folder", kept.target)
    yield
    known._installed["digits"] = kept


def test_every_plugin_is_named(spec):
    parts = [spec.problem, spec.trainer, spec.strategy, spec.initial]
    count = len({(type(part), part.name) for plugin in parts for part in with_parts(plugin)})
    found = origins(spec)
    assert len(found) == count > 5 and set(found.values()) == {"built in"}
    assert found.keys() >= {"problems", "trainers", "strategies", "strategies random", "datasets digits"}
    assert "proxy" in origins(replace(spec, proxy=registry("trainers").build({"name": "logistic_regression", "l2": 1})))
    assert not unpublished({"plugins": found})


@pytest.mark.usefixtures("theirs")
def test_a_data_set_of_a_package_in_a_folder_is_unpublished(spec):
    assert unpublished({"plugins": origins(spec)}) == ["datasets digits (theirs 2.1, from a folder)"]


def test_strategies_that_are_only_reported_are_named_with_those_inside(spec):
    inside = {"name": "nowhere_known", "version": 1}
    described = {"name": "its", "version": 1, "first": {"name": "margin", "version": 1}, "more": [inside]}
    report = canonical({"described": described, "semantic": described, "origin": "theirs 2.1"}).decode()
    found = origins(replace(spec, strategy=Reported(report)))
    assert found["strategies"] == "theirs 2.1" and found["strategies margin"] == "built in"
    assert found["strategies nowhere_known"] == "local, unversioned"
    assert unpublished({"plugins": found}) == ["strategies nowhere_known (local, unversioned)"]


@pytest.mark.parametrize(
    ("direct", "origin"),
    [
        (None, "theirs 2.1"),
        ('{"url": "file:///x", "dir_info": {"editable": true}}', "theirs 2.1, from a folder"),
        ('{"url": "file:///x", "dir_info": {}}', "theirs 2.1, from a folder"),
        ('{"url": "https://x.org/y.git", "vcs_info": {"vcs": "git", "commit_id": "0"}}', "theirs 2.1"),
    ],
)
def test_an_origin_says_whether_the_package_lies_in_a_folder(tmp_path, monkeypatch, direct, origin):
    about = tmp_path / "theirs-2.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 2.1\n")
    (about / "entry_points.txt").write_text("[labelbench_plus.datasets]\ntheir_data = theirs:Data\n")
    if direct is not None:
        (about / "direct_url.json").write_text(direct)
    monkeypatch.syspath_prepend(tmp_path)
    assert installed("labelbench_plus.datasets")[0]["their_data"].origin == origin
