"""What strategies buy that look at nothing is checked in full, whatever is sold: items, labels of sources, pairs."""

import base64
import zlib

import pytest

from labelbench_plus.problems import Place
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.submission.check import check
from labelbench_plus.submission.pack import pack
from labelbench_plus.suite import load_suite
from tests.submission.bundles import WHO, forged, lines_of

SOURCES = """\
suite: sources
problems: [{name: synthetic_sources, heads: generic, sources: 6, dimension: 12, rank: 2}]
trainers: [joint_linear]
strategies: [{name: fixed_sources, sources: 3}, uniform_sources]
initial: uniform_sources
baseline: uniform_sources
budget: {first: 120, batch: 60, rounds: 2}
seeds: [0]
"""
PAIRS = """\
suite: pairs
problems:
  - name: linear_alignment
    pool: {name: generated_pairs, rows: 400, shards: 2, width: 16, concepts: 8, wanted: 3}
trainers: [linear_alignment]
strategies: [random_pairs]
initial: null
baseline: random_pairs
budget: {first: 40, batch: 40, rounds: 2}
seeds: [0, 1]
"""


@pytest.fixture
def sent(tmp_path):
    def make(text):
        (tmp_path / "suite.yaml").write_text(text)
        suite = load_suite(tmp_path / "suite.yaml")
        for spec in suite.runs():
            carry_out(Job.of(spec, Where(tmp_path / "out", tmp_path / "cache")), lambda rounds: None)
        pack(suite, suite.runs(), tmp_path / "out", tmp_path / "sent", **WHO, differences=["of the tests"])
        assert not check(tmp_path / "sent", Place(tmp_path / "cache")).problems
        return tmp_path / "sent"

    return make


def told(folder, place):
    return [str(problem) for problem in check(folder, place).problems]


@pytest.mark.parametrize("number", [0, 1])
def test_other_numbers_of_labels_from_the_same_sources(sent, tmp_path, number):
    def other_numbers(line):
        bought = line["rounds"][number]["purchase"]
        for name in ("counts", "prices"):
            bought[name][0], bought[name][1] = bought[name][0] - 1, bought[name][1] + 1

    folder = sent(SOURCES)
    forged(folder, other_numbers)
    problems = told(folder, Place(tmp_path / "cache"))
    found = [line for line in problems if f"rounds.{number}.purchase.prices: not what" in line]
    assert len(found) == 2, problems


def test_other_pairs_of_the_same_shards(sent, tmp_path):
    folder = sent(PAIRS)
    bought = {line["config"]["seed"]: [each["purchase"] for each in line["rounds"]] for line in lines_of(folder)}

    def exchanged(line):
        for record, purchase in zip(line["rounds"], bought[1 - line["config"]["seed"]], strict=True):
            record["purchase"] = purchase

    forged(folder, exchanged)
    problems = told(folder, Place(tmp_path / "cache"))
    found = [line for line in problems if ".purchase.answers: not what random_pairs buys at this seed" in line]
    assert len(found) == len(problems) == 4, problems


def mask(content):
    return base64.b64encode(zlib.compress(content)).decode()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("AAAA", "cannot be read (expected which pairs were bought, got not the mask of 200 pairs: Error -3"),
        ("no base64", "cannot be read"),
        (mask(b"\0" * 24), "expected 25 bytes, got 24 or more"),
        (mask(b"\0" * 10**7), "expected 25 bytes, got 26 or more"),  # which would fill more than a mask needs
        (mask(b"\xff" * 25), "other numbers of pairs than were paid"),  # trained on what nobody bought
    ],
)
def test_a_mask_that_is_none(sent, tmp_path, answer, says):
    folder = sent(PAIRS)
    forged(folder, lambda line: line["rounds"][1]["purchase"]["answers"].__setitem__(0, answer))
    problems = told(folder, Place(tmp_path / "cache"))
    assert any("rounds.1.purchase.answers" in line and says in line for line in problems), problems


def test_pairs_that_are_bought_twice(sent, tmp_path):
    folder = sent(PAIRS)
    forged(folder, lambda line: line["rounds"][1].update(purchase=line["rounds"][0]["purchase"]))
    problems = told(folder, Place(tmp_path / "cache"))
    assert any("pairs were bought in an earlier round" in line for line in problems), problems
