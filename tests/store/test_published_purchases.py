"""What was published as bought is what the problems sell: each round is bought back and written down again."""

import gzip
import json
from pathlib import Path

import pytest

from labelbench_plus.budget import Ledger, Purchase, allowance
from labelbench_plus.contracts.problems import Place
from labelbench_plus.oracle import Again
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.oracle import SourceOracle
from labelbench_plus.spec import RunSpec, canonical
from labelbench_plus.store.manifest import machine

ARCHIVES = sorted((Path(__file__).parents[2] / "results").glob("*/runs.jsonl.gz"))

REAL_MODEL = {"objectives_smollm"}  # to open its problem is a minute of a language model


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(
    "archive",
    [pytest.param(path, marks=pytest.mark.slow if path.parent.name in REAL_MODEL else ()) for path in ARCHIVES],
    ids=lambda path: path.parent.name,
)
def test_a_published_run_buys_the_same_again_to_the_byte(archive, cache):
    """Items, prices and answers come from the problem's oracle of today, not from the file that is compared."""
    absent = "the archive holds no run"
    with gzip.open(archive, "rb") as lines:
        for line in map(json.loads, lines):
            try:
                spec = RunSpec.from_json(line["config"])
                instance = spec.problem.open_to_check(Place(cache), Streams(spec.seed))
            except (FileNotFoundError, ImportError) as error:
                absent = f"data are not on this machine: {error}"
                continue
            _buy_back(line, spec, instance.oracle)
            return
    pytest.skip(absent)


def _buy_back(line, spec, oracle):
    elsewhere = not _computed_here(line["manifest"])
    ledger = Ledger()
    for record in line["rounds"]:
        money = allowance(spec.amounts, record["round"], ledger)
        published, drop = Purchase.from_json(record["purchase"]), set()
        query = Again(published)
        if elsewhere and isinstance(oracle, SourceOracle):
            # What sources sell is computed, and kept as digests: another processor rounds the last bit otherwise.
            query, drop = Allocation(published.items, published.counts), {"answers"}
        oracle.answer(query, money, ledger)
        assert _text(ledger.purchases[-1].as_json(), drop) == _text(record["purchase"], drop), line["run"]
        assert ledger.spent == record["spent"]


def _computed_here(manifest):
    """Whether on a processor like this one. Earlier manifests have its name alone, which may stand for many: those gave
    the same bits so far, but for what language models computed, which is what `settled` tells of."""
    here = machine("cpu")
    if "cpu_kind" in manifest:
        return manifest["cpu_kind"] == here["cpu_kind"]
    return manifest["cpu"] == here["cpu"] and "settled" not in manifest


def _text(purchase, drop):
    return canonical({name: value for name, value in purchase.items() if name not in drop})
