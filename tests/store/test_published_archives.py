"""What is published stays what it is: every run can be built, has its id, and is written back byte for byte."""

import gzip
import json
from pathlib import Path

import pytest

from labelbench_plus.budget import Purchase
from labelbench_plus.contracts.datasets import Dataset
from labelbench_plus.plugins import with_parts
from labelbench_plus.spec import RunSpec, canonical
from labelbench_plus.store.archive import restore_archive

ARCHIVES = sorted((Path(__file__).parents[2] / "results").glob("*/runs.jsonl.gz"))


MOST = 200  # runs of one archive that are looked at: of a larger one every second, third, ...
MOST_ROUNDS = 1200  # of them


def texts(archive):
    with gzip.open(archive, "rb") as file:
        found = list(file)
    most = max(2, min(MOST, MOST_ROUNDS // len(json.loads(found[0])["rounds"])))
    return found[:: -(-len(found) // most)]


def lines(archive):
    yield from map(json.loads, texts(archive))


def varies_by_machine(part):
    return isinstance(part, Dataset) and part.varies_by_machine()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.parent.name)
def test_every_published_run_builds_and_keeps_its_id(archive):
    """A config that no longer builds, or that would be written down differently now, has lost its results."""
    for line in lines(archive):
        spec = RunSpec.from_json(line["config"])
        assert spec.as_json() == line["config"], line["run"]
        try:
            found, identity = spec.id, spec.identity
        except (FileNotFoundError, ImportError) as error:
            pytest.skip(f"data or weights are not on this machine: {error}")
        told = line["result"]["identity"]
        if identity["data"] != told["data"] and any(map(varies_by_machine, with_parts(spec.problem))):
            assert {**identity, "data": None} == {**told, "data": None}  # on a processor like those that computed it
            continue
        assert identity == told
        assert found == line["run"]


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.parent.name)
def test_every_published_purchase_is_written_as_it_was_read(archive):
    for line in lines(archive):
        for record in line["rounds"]:
            purchase = record["purchase"]
            assert canonical(Purchase.from_json(purchase).as_json()) == canonical(purchase), line["run"]


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.parent.name)
def test_a_restored_archive_has_the_bytes_it_was_made_of(archive, tmp_path):
    sample = tmp_path / archive.name
    sample.write_bytes(gzip.compress(b"".join(texts(archive)), 1))
    count = restore_archive(sample, tmp_path)
    for line in lines(archive):
        folder = tmp_path / "runs" / line["run"]
        for number, record in enumerate(line["rounds"]):
            assert (folder / "rounds" / f"{number:04d}.json").read_bytes() == canonical(record) + b"\n"
        assert (folder / "result.json").read_bytes() == canonical(line["result"]) + b"\n"
        assert (folder / "config.json").read_bytes() == canonical(line["config"]) + b"\n"
        count -= 1
    assert count == 0
