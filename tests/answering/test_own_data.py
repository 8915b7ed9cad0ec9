"""Somebody's own items, of which most have no label: who is asked, what is learnt, and what is scored."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelbench_plus.answering.people import People
from labelbench_plus.answering.questions import folder_name
from labelbench_plus.answering.sitting import Sitting
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.annotators import Purse
from labelbench_plus.contracts.datasets import UNKNOWN
from labelbench_plus.leaderboard.of_suite import show_suite
from labelbench_plus.oracle import AnswersPending
from labelbench_plus.plugins import load_plugin_file, registry
from labelbench_plus.problems import Place
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.seeding import Streams
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import SuiteError, load_suite
from labelbench_plus.testing import check_dataset

from .test_runs import PLUGIN, run

SUITE = """\
suite: own
problems:
  - name: classification
    dataset: {{name: unlabelled, pool: {folder}/pool, classes: [bright, dark]{test}}}
    encoder: mean_pixel
    annotator: {annotator}
trainers: [logistic_regression]
strategies: [random]
budget: {{first: 4, batch: 3, rounds: 2}}
seeds: [0]
"""


JUDGE = "name: http_judge, url: 'http://x', model: m, price_in: 0, price_out: 0"


def image(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 6, 3), value, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    for number in range(24):
        image(tmp_path / "pool" / f"{number:02}.png", 5 * number if number % 2 else 255 - 5 * number)
    image(tmp_path / "pool" / "bright" / "sure.png", 254)  # somebody has labelled these already
    image(tmp_path / "pool" / "dark" / "sure.png", 1)
    for number in range(3):
        image(tmp_path / "test" / "bright" / f"{number}.png", 240 - number)
        image(tmp_path / "test" / "dark" / f"{number}.png", 12 + number)
    return tmp_path


def suite(folder: Path, annotator: str, test: bool = True) -> Path:
    load_plugin_file(PLUGIN)
    path = folder / "own.yaml"
    path.write_text(SUITE.format(folder=folder, annotator=annotator, test=f", test: {folder}/test" if test else ""))
    return path


def brightness(data: bytes) -> str:
    return "bright" if np.asarray(Image.open(io.BytesIO(data))).mean() > 127 else "dark"


def test_people_label_images_and_a_run_learns_from_them_and_from_what_was_known(folder):
    (spec,) = load_suite(suite(folder, "queue")).runs()
    assert spec.beside == {"labels to start with": 2}
    where = Where(folder / "out", folder / "cache")
    for asked in (4, 3):
        found = carry_out(Job.of(spec, where), lambda rounds: None)
        assert isinstance(found, AnswersPending) and found.count == asked
        people = People(where.answers / folder_name(spec.problem.annotator), 1)
        sitting = Sitting(people, "ada", (0, 5))
        for question in sitting.left():
            assert question.classes == ("bright", "dark")
            sitting.answer(question.key, brightness(question.image.read_bytes()))
    assert carry_out(Job.of(spec, where), lambda rounds: None) == "finished"
    rounds = RunStore(where.root, spec.id).rounds()
    assert rounds[-1].scores["accuracy"] == 1.0 and rounds[-1].spent == 7.0
    assert spec.problem.facets()["expert"] == "queue"


def test_what_was_known_is_handed_to_all_and_sold_to_nobody(folder):
    problem = load_suite(suite(folder, "queue")).runs()[0].problem
    instance = problem.open(Place(folder / "cache"), Streams(0))
    assert problem.capacity() == 24 == len(instance.oracle.candidates(Ledger()))
    view = instance.view(frozenset({"features"}), Ledger(), None, 4.0)
    assert view.labels.tolist() == [0, 1] and not set(view.labelled.tolist()) & set(view.candidates.tolist())
    data = instance.training_data(Ledger(), with_validation=False)
    assert data.labelled.labels.tolist() == [0, 1] and len(data.pool_features) == 26


def test_a_judge_is_sent_images_and_without_a_test_part_nothing_is_scored(folder, loopback):
    loopback.says = lambda content: (
        f"{brightness(base64.b64decode(content[1]['image_url']['url'].partition(',')[2])).upper()} "
    )
    rubric = folder / "rubric.txt"
    rubric.write_text("{prompt} One of: {classes}")
    judge = f"{{name: http_judge, url: '{loopback.url}', model: m, rubric: {rubric}, label: answer, price_in: 1.0"
    path = suite(folder, f"{judge}, price_out: 1.0, image_tokens: 100}}", test=False)
    refused = run(path, folder / "out")
    assert refused.exit_code == 2 and "base64,iVBORw0KGgo" in refused.output and "…" in refused.output
    (spec,) = load_suite(path).runs()
    where = Where(folder / "out", folder / "cache", purse=Purse("p", 1.0))
    assert carry_out(Job.of(spec, where), lambda rounds: None) == "finished"
    assert "nothing is scored" in show_suite(load_suite(path), [spec], folder / "out").text
    assert loopback.seen[0]["messages"][0]["content"][0]["text"] == "What is it? One of: bright, dark"
    rounds = RunStore(folder / "out", spec.id).rounds()
    assert [record.scores for record in rounds] == [{}, {}]
    assert set(rounds[-1].purchase.answers.tolist()) <= {0, 1} and len(loopback.seen) == 7


def test_who_answers_no_class_gives_no_answer_and_it_is_billed(folder, loopback):
    loopback.says = lambda content: "a horse"
    rubric = folder / "rubric.txt"
    rubric.write_text("{prompt}")
    mine = {"name": "http_judge", "url": loopback.url, "model": "m", "rubric": str(rubric), "label": "answer"}
    annotator = json.dumps({**mine, "price_in": 0, "price_out": 0, "image_tokens": 1})
    problem = load_suite(suite(folder, annotator)).runs()[0].problem
    instance = problem.open_to_check(Place(folder / "cache", answers=folder / "answers"), Streams(0))
    ledger = Ledger()
    instance.oracle.answer(np.array([3, 1]), 2.0, ledger)
    assert ledger.spent == 2.0 and len(ledger.answered_items) == 0 and instance.oracle.notes["unparsed"] == 2.0


def test_a_judge_may_be_compared_on_data_that_have_labels(loopback, folder):
    build = registry("problems").build
    plain = build({"name": "classification", "dataset": "digits", "encoder": "pixels"})
    asked = build({"name": "classification", "dataset": "digits", "encoder": "pixels", "annotator": "queue"})
    assert asked.capacity() == plain.capacity() and "expert" not in plain.facets()
    oracle = asked.open_to_check(Place(folder / "cache"), Streams(0)).oracle
    assert oracle.paid and oracle.questions()[0].classes[3] == "3" and oracle.questions()[0].reference is None


def test_such_data_keep_the_contract_of_data_sets(folder):
    problem = load_suite(suite(folder, "queue", test=False)).runs()[0].problem
    report = check_dataset(problem.dataset)
    assert not report.failed, report


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("problems.0.annotator=stored", "has no labels for 24 of its items: name who is asked for them"),
        ("problems.0.annotator={name: queue, label: score}", "cannot be asked for an answer to a prompt"),
        ("problems.0.conditions=[{name: subset, size: 9}]", "they need the labels of all items"),
        ("problems.0.dataset.classes=[bright, bright]", "each once"),
        ("problems.0.dataset.classes=[light, night]", "classes that the pool has not"),
        (f"problems.0.annotator={{{JUDGE}, label: answer, rubric: none.txt}}", "none.txt"),
        ("problems.0.dataset.pool=nowhere", "nowhere: no such folder"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_work(folder, change, words):
    with pytest.raises(SuiteError, match=words):
        load_suite(suite(folder, "queue"), [change])


def test_texts_are_read_with_what_is_known_of_them(tmp_path):
    pool, test = tmp_path / "pool.jsonl", tmp_path / "test.jsonl"
    pool.write_text('{"text": "a"}\n\n{"text": "b", "label": "no"}\n')
    test.write_text('{"text": "c", "label": "yes"}\n')
    given = {"name": "unlabelled", "pool": str(pool), "classes": ["yes", "no"], "test": str(test)}
    data = registry("datasets").build(given).load()
    assert data.pool.labels.tolist() == [UNKNOWN, 1] and data.test.labels.tolist() == [0]
    assert data.pool.inputs[1] == "b" and len(data.validation.labels) == 0
    test.write_text('{"text": "c"}\n')
    with pytest.raises(ValueError, match="line 1: label None is none of yes, no"):
        registry("datasets").build(given).load()
