"""Somebody's own items, of which any number of labels may be true: who is asked, what is learnt, and what is scored."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from labelbench_plus.answering.exchange import exported, imported, labelling
from labelbench_plus.answering.people import People, agreed
from labelbench_plus.answering.questions import folder_name
from labelbench_plus.answering.sitting import Sitting
from labelbench_plus.budget import Ledger
from labelbench_plus.cli import app
from labelbench_plus.contracts.annotators import Asked, Purse, listed, unlisted
from labelbench_plus.contracts.datasets import UNKNOWN
from labelbench_plus.oracle import AnswersPending
from labelbench_plus.plugins import load_plugin_file, registry
from labelbench_plus.problems import Place
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.seeding import Streams
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import SuiteError, load_suite
from labelbench_plus.testing import check_dataset

from .test_runs import PLUGIN

SUITE = """\
suite: sides
problems:
  - name: multilabel
    dataset: {{name: unlabelled, pool: {folder}/pool.jsonl, classes: [left, right], several: true{test}}}
    encoder: halves
    annotator: {annotator}
trainers: [binary_relevance]
strategies: [random]
budget: {{first: 6, batch: 4, rounds: 2}}
seeds: [0]
"""
PEOPLE = "{name: queue, label: labels}"
SCALE = 0.0, 5.0


def image(path: Path, left: int, right: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((6, 6, 3), left, np.uint8)
    pixels[:, 3:] = right
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(30):
        left, right = (int(light + rng.integers(40)) for light in (200 * (number % 2), 200 * (number // 2 % 2)))
        image(tmp_path / "photos" / f"{number:02}.png", left, right)
    known = {0: [], 3: ["right", "left"]}  # somebody has labelled these already
    lines = [{"image": f"photos/{n:02}.png", **({"labels": known[n]} if n in known else {})} for n in range(22)]
    tests = [{"image": f"photos/{n:02}.png", "labels": seen(tmp_path / f"photos/{n:02}.png")} for n in range(22, 30)]
    for name, items in (("pool", lines), ("test", tests)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return tmp_path


def seen(file) -> list[str]:
    """What is bright in an image."""
    pixels = np.asarray(Image.open(file))
    return [name for name, part in (("left", pixels[:, :3]), ("right", pixels[:, 3:])) if part.mean() > 120]


def suite(folder: Path, annotator: str = PEOPLE, test: bool = True) -> Path:
    load_plugin_file(PLUGIN)
    path = folder / "own.yaml"
    beside = f", test: {folder}/test.jsonl" if test else ""
    path.write_text(SUITE.format(folder=folder, annotator=annotator, test=beside))
    return path


def test_people_say_all_that_is_true_and_a_run_learns_from_it(folder):
    (spec,) = load_suite(suite(folder)).runs()
    assert spec.beside == {"labels to start with": 2} and spec.problem.capacity() == 20
    where = Where(folder / "out", folder / "cache")
    for count in (6, 4):
        found = carry_out(Job.of(spec, where), lambda rounds: None)
        assert isinstance(found, AnswersPending) and found.count == count
        people = People(where.answers / folder_name(spec.problem.annotator), 1)
        sitting = Sitting(people, "ada", SCALE)
        for question in sitting.left():
            assert question.classes == ("left", "right") and question.several
            sitting.answer(question.key, ", ".join(seen(question.image)[::-1]) or "none")
    assert carry_out(Job.of(spec, where), lambda rounds: None) == "finished"
    rounds = RunStore(where.root, spec.id).rounds()
    assert rounds[-1].scores["multilabel_macro_f1"] == 1.0 and rounds[-1].spent == 10.0
    for record in rounds:  # what was said is written down by numbers, whatever order it was said in
        for item, answer in zip(record.purchase.items, record.purchase.answers, strict=True):
            assert [("left", "right")[n] for n in answer] == seen(folder / f"photos/{item:02}.png")
    assert "expert" in spec.problem.facets()


def test_what_was_known_is_handed_to_all_and_sold_to_nobody(folder):
    problem = load_suite(suite(folder)).runs()[0].problem
    instance = problem.open(Place(folder / "cache"), Streams(0))
    assert len(instance.oracle.candidates(Ledger())) == 20
    view = instance.view(frozenset({"features"}), Ledger(), None, 6.0)
    assert view.labels.tolist() == [[0, 0], [1, 1]] and view.labelled.tolist() == [0, 3]
    data = instance.training_data(Ledger(), with_validation=False)
    assert data.labelled.labels.tolist() == [[0, 0], [1, 1]] and len(data.pool_features) == 22


def test_a_judge_says_labels_and_without_a_test_part_nothing_is_scored(folder, loopback):
    def says(content):
        data = base64.b64decode(content[1]["image_url"]["url"].partition(",")[2])
        return f"I look.\nLabels: {', '.join(seen(io.BytesIO(data))).upper() or 'none'} \nThat is all."

    loopback.says = says
    rubric = folder / "rubric.txt"
    rubric.write_text("{prompt} Any of: {classes}")
    judge = {"name": "http_judge", "url": loopback.url, "model": "m", "rubric": str(rubric), "label": "labels"}
    paid = json.dumps({**judge, "price_in": 1.0, "price_out": 1.0, "image_tokens": 100})
    (spec,) = load_suite(suite(folder, paid, test=False)).runs()
    where = Where(folder / "out", folder / "cache", purse=Purse("p", 1.0))
    assert carry_out(Job.of(spec, where), lambda rounds: None) == "finished"
    rounds = RunStore(where.root, spec.id).rounds()
    assert [record.scores for record in rounds] == [{}, {}] and len(loopback.seen) == 10
    for record in rounds:
        assert record.purchase.with_answer.all()
        for item, answer in zip(record.purchase.items, record.purchase.answers, strict=True):
            assert [("left", "right")[n] for n in answer] == seen(folder / f"photos/{item:02}.png")
    done = CliRunner().invoke(
        app, ["answers", str(folder / "own.yaml"), "--out", str(where.root), "--plugin", str(PLUGIN)]
    )
    assert "10 answers" in done.output and "orphans: none" in done.output, done.output


@pytest.mark.parametrize("said", ["Labels: up", "Labels: left, up", "Labels:", "left", ""])
def test_a_judge_who_names_no_label_gives_no_answer(folder, loopback, said):
    loopback.says = lambda content: said
    rubric = folder / "rubric.txt"
    rubric.write_text("{prompt}")
    given = {"url": loopback.url, "model": "m", "rubric": str(rubric), "price_in": 0, "price_out": 0, "label": "labels"}
    judge = registry("annotators").build({"name": "http_judge", **given})
    asked = Asked("?", None, (), ("left", "right"), None, True)
    desk = Place(folder / "cache", answers=folder / "answers").desk()
    assert judge.ask([asked], desk) == [None] and desk.notes["unparsed"] == 1.0


def test_an_annotator_who_repeats_the_data_leads_to_the_same_training(tmp_path):
    load_plugin_file(PLUGIN)
    mosaics = {"name": "mosaics", "dataset": "digits", "pool": 60, "validation": 10, "test": 20}
    build, items = registry("problems").build, np.arange(0, 60, 3)
    found = []
    for annotator in ("stored", "repeats"):
        problem = build({"name": "multilabel", "dataset": mosaics, "encoder": "pixels", "annotator": annotator})
        instance, ledger = problem.open(Place(tmp_path), Streams(0)), Ledger()
        instance.oracle.answer(items, 20.0, ledger)
        data = instance.training_data(ledger, with_validation=True)
        view = instance.view(frozenset(), ledger, None, 1.0)
        found.append((data.labelled.labels.tolist(), view.labels.tolist(), view.labelled.tolist()))
        named = ledger.purchases[0].as_json().get("kind")
        assert named == (None if annotator == "stored" else "labels")  # published rounds keep their bytes
    assert found[0] == found[1]


def questions(folder, **changes) -> tuple[People, object]:
    """The questions of a first round, and who asks them."""
    told = json.dumps({"name": "queue", "label": "labels", **changes})
    (spec,) = load_suite(suite(folder, told)).runs()
    where = Where(folder / "out", folder / "cache")
    carry_out(Job.of(spec, where), lambda rounds: None)
    return People(where.answers / folder_name(spec.problem.annotator), changes.get("people", 1)), spec.problem.annotator


def test_of_several_people_each_label_is_looked_at_by_itself(folder):
    assert agreed(["a, b", "b, c", "b"], "labels", "abc") == "b" and agreed(["a", ""], "labels", "abc") == ""
    assert agreed(["a, b", None], "labels", "abc") == "a, b" and agreed([None, None], "labels", "abc") is None
    people, _ = questions(folder, people=2)
    for who, said in (("ada", "left, right"), ("bob", "left")):
        sitting = Sitting(people, who, SCALE)
        for question in sitting.left():
            sitting.answer(question.key, said if question is not sitting.left()[-1] else "0")
    done = CliRunner().invoke(app, ["annotate", str(folder / "answers"), "--status"])
    assert "ada and bob: 12 labels answered by both" in done.output, done.output


@pytest.mark.parametrize("form", ["plain", "label_studio", "argilla"])
def test_label_sets_go_to_other_programs_and_come_back(folder, form):
    people, _ = questions(folder)
    text = exported(people, form)
    if form == "label_studio":
        assert 'choice="multiple"' in labelling(people.waiting())
        tasks = json.loads(text)
        keys = [task["data"]["key"] for task in tasks]
        sets = [["right", "left"], [], ["left"]]
        result = [[{"from_name": "answer", "value": {"choices": names}}] if names else [] for names in sets]
        back = [
            {**task, "annotations": [{"completed_by": 7, "result": each}]}
            for task, each in zip(tasks, result, strict=False)
        ]
        text = json.dumps(back)
    else:
        records = [json.loads(line) for line in text.splitlines()]
        keys = [record["key" if form == "plain" else "id"] for record in records]
        if form == "plain":
            said = [["right", "left"], "", "left"]
            back = [{"key": key, "who": "7", "answer": each} for key, each in zip(keys, said, strict=False)]
        else:
            said = [["right", "left"], "none", "left"]
            back = [
                {"id": key, "answer.responses": [each], "answer.responses.users": ["7"]}
                for key, each in zip(keys, said, strict=False)
            ]
        text = "".join(json.dumps(each) + "\n" for each in back)
    found = imported(people, text, form, SCALE)
    assert (found.kept, found.faults) == (3, ())
    assert [people.said(key)["7"].answer for key in keys[:3]] == ["left, right", "", "left"]
    again = exported(people, "plain")
    assert imported(people, again, "plain", SCALE).faults == ()
    wrong = json.dumps({"key": keys[4], "who": "7", "answer": ["up"]})
    assert "expected all that are true" in imported(people, wrong, "plain", SCALE).faults[0]


def test_names_come_back_from_their_list():
    assert listed("abc", {"c", "a"}) == "a, c" and unlisted("a, c") == ("a", "c") and unlisted(listed("abc", ())) == ()
    with pytest.raises(ValueError, match="listed with commas between, so 'a,b' cannot be one"):
        Asked("?", None, (), ("a,b", "c"), None, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("problems.0.annotator=stored", "no labels for 20 of its items: name who .* {name: queue, label: labels}"),
        ("problems.0.annotator=queue", "cannot be asked for which classes are true of something"),
        ("problems.0.dataset.classes=[left, up]", "line 4: label 'right' is none of left, up"),
        ("problems.0.dataset.several=false", "expected 'label', got 'labels'; `several` says"),
        ("problems.0.dataset.test=photos", "expected a file of JSON lines with 'labels'"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_work(folder, change, words, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(SuiteError, match=words):
        load_suite(suite(folder), [change])


def test_such_data_keep_the_contract_of_data_sets(folder):
    dataset = load_suite(suite(folder, test=False)).runs()[0].problem.dataset
    assert not check_dataset(dataset).failed
    assert (dataset.load().pool.labels[1] == UNKNOWN).all()
    images = registry("datasets").build(
        {"name": "unlabelled", "pool": str(folder / "photos"), "classes": ["left", "right"], "several": True}
    )
    assert images.load().pool.labels.shape == (30, 2) and images.beside() == {}
    before = images.fingerprint()
    assert (
        before
        != registry("datasets")
        .build({"name": "unlabelled", "pool": str(folder / "photos"), "classes": ["left", "up"], "several": True})
        .fingerprint()
    )
