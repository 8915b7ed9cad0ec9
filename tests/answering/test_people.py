"""People who answer: on a terminal, on a page, in other programs; half of it, or next week."""

import contextlib
import json
import os
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from labelbench_plus.annotators import Asked, Desk, annotators
from labelbench_plus.answering import terminal
from labelbench_plus.answering.agreement import agreements
from labelbench_plus.answering.exchange import exported, imported, labelling
from labelbench_plus.answering.page import Page
from labelbench_plus.answering.people import People, agreed
from labelbench_plus.answering.questions import folder_name
from labelbench_plus.answering.replies import swapped
from labelbench_plus.answering.sitting import Sitting
from labelbench_plus.cli import app
from labelbench_plus.contracts.annotators import Picture
from labelbench_plus.oracle import AnswersPending
from labelbench_plus.plugins import load_plugin_file
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite

from .test_runs import PLUGIN, bytes_of

TEXTS = [Asked(f"question {number}?") for number in range(4)]
PAIRS = [Asked(f"{number}?", None, ("first", "second")) for number in range(6)]
ANIMALS = [
    Asked("What is it?", None, (), ("cat", "dog"), Picture(lambda value=value: np.full((4, 4, 3), value, np.uint8)))
    for value in range(3)
]
SCALE = 0.0, 5.0
CHROMIUM = Path("/usr/bin/chromium")


def queue(**changes):
    return annotators.build({"name": "queue", **changes})


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "answers")


def asked(mine, questions, desk) -> People:
    """The people who are asked questions that nobody has answered."""
    with pytest.raises(AnswersPending):
        mine.ask(questions, desk)
    return People(desk.folder / folder_name(mine), mine.people)


def test_a_run_waits_for_people_who_answer_half_and_come_back(tmp_path):
    load_plugin_file(PLUGIN)
    suite = tmp_path / "asked.yaml"
    suite.write_text(
        "suite: asked\nproblems: [{name: asked, annotator: queue}]\ntrainers: [count_answers]\nstrategies: [random]\n"
        "budget: {first: 4, batch: 3, rounds: 2}\nseeds: [0]\n"
    )
    (spec,) = load_suite(suite).runs()
    where = Where(tmp_path / "out", tmp_path / "cache")
    for left in (4, 2, 3, 1):  # two of four are answered, then the rest; next week two of three, then the last
        found = carry_out(Job.of(spec, where), lambda rounds: None)
        assert isinstance(found, AnswersPending) and found.count == left
        people = People(where.answers / folder_name(spec.problem.annotator), 1)
        sitting = Sitting(people, "ada", SCALE)
        for question in sitting.left()[: 1 if left == 1 else 2]:
            assert sitting.answer(question.key, f"{question.prompt}!")
    assert carry_out(Job.of(spec, where), lambda rounds: None) == "finished"
    at_once = Where(tmp_path / "other", tmp_path / "cache")  # where the answers are there, it comes out the same
    assert carry_out(Job.of(spec, at_once), lambda rounds: None) == "finished"
    assert bytes_of(where.root) == bytes_of(at_once.root)
    answers = [answer for record in RunStore(where.root, spec.id).rounds() for answer in record.purchase.answers]
    assert all(answer.startswith("question ") and answer.endswith("!") for answer in answers) and len(answers) == 7


def test_what_a_run_bought_can_no_longer_be_taken_back(desk):
    mine = queue()
    people = asked(mine, TEXTS[:2], desk)
    sitting = Sitting(people, "ada", SCALE)
    first, second = sitting.left()
    sitting.answer(first.key, "one")
    assert sitting.undo() == first and sitting.left()[0] == first
    sitting.answer(first.key, "two")
    sitting.answer(second.key, "three")
    assert mine.ask(TEXTS[:2], desk) == ["two", "three"] and desk.notes == {"unanswered": 0.0}
    assert sitting.undo() is None and not sitting.answer(first.key, "four")
    assert mine.ask(TEXTS[:2], desk) == ["two", "three"]


def test_questions_come_in_their_order_and_skipped_ones_last(desk):
    sitting = Sitting(asked(queue(), TEXTS, desk), "ada", SCALE)
    keys = [question.key for question in sitting.left()]
    assert [question.prompt for question in sitting.left()] == [each.prompt for each in TEXTS]
    sitting.skip(keys[0])
    sitting.skip(keys[1])
    assert [question.key for question in sitting.left()] == [keys[2], keys[3], keys[0], keys[1]]


def test_a_terminal_asks_one_question_a_screen(desk, capsys):
    mine = queue(instructions="Be short.")
    people = asked(mine, TEXTS, desk)
    typed = iter(["first", ":u", ":u", "again", ":s", "third", "", ":n", ":q"])
    terminal.answer_here(Sitting(people, "ada", SCALE), mine.instructions, lambda prompt: next(typed))
    said = {question.prompt: answers["ada"].answer for question, answers in people.everything() if "ada" in answers}
    assert said == {"question 0?": "again", "question 2?": "third", "question 3?": None}
    shown = capsys.readouterr().out
    assert "Be short." in shown and "there is nothing to undo" in shown and "expected the answer" in shown
    assert "3 answers kept; 1 question left" in shown


def test_people_are_shown_pairs_in_an_order_drawn_by_the_question(desk):
    mine = queue(label="pair")
    people = asked(mine, PAIRS, desk)
    sitting = Sitting(people, "ada", SCALE)
    for question in sitting.left():
        sitting.answer(question.key, "A" if swapped(question.key) else "b")
    assert mine.ask(PAIRS, desk) == [1] * 6
    assert len({swapped(question.key) for question, _ in people.everything()}) == 2


@pytest.mark.parametrize(
    ("label", "text", "value"),
    [("score", "2.5", 2.5), ("score", "6", None), ("score", "nan", None), ("pair", "x", None), ("answer", " ", None)],
)
def test_what_is_no_answer_is_refused_and_what_would_be_is_said(desk, label, text, value):
    questions = {"score": [Asked("?", None, ("x",))], "pair": PAIRS, "answer": TEXTS}[label]
    sitting = Sitting(asked(queue(label=label), questions, desk), "ada", SCALE)
    key = sitting.left()[0].key
    if value is None:
        with pytest.raises(ValueError, match="expected"):
            sitting.answer(key, text)
        assert not sitting.done
    else:
        assert sitting.answer(key, text) and sitting.people.said(key)["ada"].answer == value


def test_two_people_answer_each_question_and_their_agreement_is_told(desk):
    mine = queue(people=2)
    people = asked(mine, ANIMALS, desk)
    for who, choices in (("ada", "112"), ("bob", "121")):
        sitting = Sitting(people, who, SCALE)
        for question, choice in zip(sitting.left(), choices, strict=True):
            sitting.answer(question.key, choice)
    assert people.waiting("eve") == []
    assert mine.ask(ANIMALS, desk) == ["cat", None, None] and desk.notes["unanswered"] == 2.0
    done = CliRunner().invoke(app, ["annotate", str(desk.folder), "--status"])
    assert "ada and bob: 3 questions answered by both, 33% alike, Cohen's kappa -0.50" in done.output, done.output


def test_kappa_is_that_of_the_definition():
    said = [{"a": x, "b": y} for x, y in zip("xxyyzzxy", "xyyyzxxz", strict=True)]
    (found,) = agreements(said)
    observed = 5 / 8
    chance = sum(("xxyyzzxy".count(c) / 8) * ("xyyyzxxz".count(c) / 8) for c in "xyz")
    assert found.same == observed and found.kappa == pytest.approx((observed - chance) / (1 - chance))
    assert agreements([{"a": 1, "b": 1}])[0].kappa is None and agreements([{"a": 1}]) == []
    near, far = ([{"a": x, "b": y} for x, y in pairs] for pairs in ([(0, 1), (4, 4)], [(0, 3), (4, 4)]))
    assert agreements(near, ordered=True)[0].kappa > agreements(far, ordered=True)[0].kappa


def test_what_several_people_said_becomes_one_answer():
    assert agreed(["x", "x", "y"], "answer") == "x" and agreed(["x", "y"], "answer") is None
    assert agreed([-1, 1], "pair") == 0 and agreed([-1, -1, 1], "pair") == -1 and agreed([None, 1], "pair") is None
    assert agreed([1.0, 2.0, None], "score") == 1.5 and agreed([None], "score") is None


@pytest.mark.parametrize("form", ["plain", "label_studio", "argilla"])
def test_questions_go_to_other_programs_and_answers_come_back_once(desk, form):
    mine = queue(people=2)
    people = asked(mine, ANIMALS, desk)
    text = exported(people, form)
    if form == "label_studio":
        tasks = json.loads(text)
        assert tasks[0]["data"]["image"].startswith("data:image/png;base64,")
        assert '<Choice value="cat"/>' in labelling(people.waiting()) and 'toName="image"' in labelling(
            people.waiting()
        )
        keys = [task["data"]["key"] for task in tasks]
        result = [{"from_name": "answer", "to_name": "image", "type": "choices", "value": {"choices": ["dog"]}}]
        done = {"completed_by": 7, "was_cancelled": False, "result": result}
        skipped = {"completed_by": 8, "was_cancelled": True, "result": []}
        text = json.dumps([{**task, "annotations": [done, skipped]} for task in tasks])
        who = "7"
    elif form == "argilla":
        records = [json.loads(line) for line in text.splitlines()]
        keys, who = [record["id"] for record in records], "u"
        nested = {"id": keys[0], "responses": {"answer": [{"value": "dog", "user_id": "u"}]}}
        flat = [{"id": key, "answer.responses": ["dog"], "answer.responses.users": ["u"]} for key in keys[1:]]
        text = "".join(json.dumps(record) + "\n" for record in [nested, *flat])
    else:
        records, who = [json.loads(line) for line in text.splitlines()], "eve"
        keys = [record["key"] for record in records]
        text = "".join(json.dumps({"key": key, "who": "eve", "answer": "dog"}) + "\n" for key in keys)
    found = imported(people, text, form, SCALE)
    assert (found.kept, found.passed, found.faults) == (3, 0, ())
    assert all(people.said(key)[who].answer == "dog" for key in keys)
    assert imported(people, text, form, SCALE).passed == 3
    stranger = {"plain": {"key": "no", "who": "x", "answer": "dog"}, "argilla": {"id": "no", "answer.responses": ["x"]}}
    stranger["label_studio"] = {"data": {"key": "no"}, "annotations": [{"completed_by": 1, "result": [
        {"from_name": "answer", "value": {"choices": ["x"]}}]}]}  # fmt: skip
    assert "unknown question 'no'" in imported(people, json.dumps(stranger[form]), form, SCALE).faults[0]


def test_a_wrong_answer_from_another_program_is_named(desk, tmp_path):
    people = asked(queue(), ANIMALS, desk)
    key = people.waiting()[0].key
    path = tmp_path / "back.jsonl"
    path.write_text(json.dumps({"id": key, "answer.responses": ["horse"], "answer.responses.users": ["u"]}))
    command = ["annotate", str(desk.folder), "--import", str(path), "--form", "argilla"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1 and "record 1: 'horse': expected 1 cat, 2 dog" in done.output
    path.write_text("[1]")
    assert "no file of form" in CliRunner().invoke(app, command).output


@pytest.fixture
def served(desk):
    people = asked(queue(instructions="<b>Look</b> closely."), ANIMALS, desk)
    page = Page(Sitting(people, "ada", SCALE), "<b>Look</b> closely.")
    threading.Thread(target=page.serve, daemon=True).start()
    yield page, people
    page.close()


def test_a_page_shows_answers_skips_and_undoes(served):
    page, people = served

    def post(action, **said):
        request = urllib.request.Request(page.url + action, json.dumps(said).encode())
        request.add_header("Content-Type", "application/json")
        return json.loads(urllib.request.urlopen(request).read())

    state = json.loads(urllib.request.urlopen(page.url + "now").read())
    first = state["question"]
    assert (state["who"], state["left"], first["classes"], first["image"]) == ("ada", 3, ["cat", "dog"], True)
    assert urllib.request.urlopen(f"{page.url}image/{first['key']}").read().startswith(b"\x89PNG")
    state = post("answer", key=first["key"], text="dog")
    assert state["done"] == 1 and state["question"]["key"] != first["key"]
    assert post("answer", key=state["question"]["key"], text="horse")["told"].startswith("expected 1 cat")
    assert post("undo", key="")["question"]["key"] == first["key"]
    assert post("skip", key=first["key"])["question"]["key"] != first["key"]
    assert post("answer", key="0" * 64, text="dog")["told"] == "Others have answered this meanwhile."
    assert all(not said for _, said in people.everything())


@contextlib.contextmanager
def browser(page):
    """A tab that shows a page, and what its console says."""
    api = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip(f"needs {CHROMIUM}")
    with api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=options)
        tab, wrong = chromium.new_page(), []
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.goto(page.url)
        tab.wait_for_function("() => at('head').textContent.endsWith('left')")
        yield tab
        chromium.close()
    assert not [line for line in wrong if "404" not in line], wrong  # but for the favicon


def until(tab, head):
    tab.wait_for_function("text => at('head').textContent.endsWith(text)", arg=head)


def test_a_browser_shows_it_and_keys_answer(served):
    page, people = served
    with browser(page) as tab:
        assert tab.inner_text("#instructions") == "<b>Look</b> closely."  # shown, never obeyed
        assert tab.evaluate("at('image').naturalWidth") == 4
        for key, head in (("2", "1 answered, 2 left"), ("u", "0 answered, 3 left"), ("s", "0 answered, 3 left")):
            tab.keyboard.press(key)
            until(tab, head)
        for left in (2, 1, 0):
            tab.click("text=cat")
            until(tab, f"{left} left")
        assert "Thank you" in tab.inner_text("#prompt")
    assert [said["ada"].answer for _, said in people.everything()] == ["cat"] * 3


def test_a_browser_asks_for_a_score_and_shows_no_image_where_there_is_none(desk):
    mine = queue(label="score", highest=9.0)
    people = asked(mine, [Asked("Be kind.", None, ("You are.",)), Asked("Be kind.", None, ("No.",))], desk)
    page = Page(Sitting(people, "ada", (0.0, 9.0)), "")
    threading.Thread(target=page.serve, daemon=True).start()
    with browser(page) as tab:
        assert not tab.is_visible("#image") and tab.inner_text("#hint") == "a number from 0 to 9"
        assert tab.inner_text("#skip").strip() == "Skip"  # as letters are typed here
        tab.keyboard.type("11\n")
        tab.wait_for_function("() => at('told').textContent.includes('expected a number from 0 to 9')")
        tab.fill("#text", "7")
        tab.keyboard.press("Enter")
        until(tab, "1 left")
        tab.click("#nothing")
        until(tab, "0 left")
    page.close()
    assert mine.ask([Asked("Be kind.", None, ("You are.",)), Asked("Be kind.", None, ("No.",))], desk) == [7.0, None]


def test_a_browser_keeps_all_that_was_chosen(desk):
    several = [replace(question, several=True, classes=("cat", "dog", "none")) for question in ANIMALS]
    mine = queue(label="labels")
    people = asked(mine, several, desk)
    page = Page(Sitting(people, "ada", SCALE), "")
    threading.Thread(target=page.serve, daemon=True).start()
    with browser(page) as tab:
        tab.keyboard.press("2")
        tab.click("text=cat")
        assert tab.locator("button[aria-pressed=true]").count() == 2
        tab.keyboard.press("Enter")  # while the button that was clicked has the focus
        until(tab, "2 left")
        tab.keyboard.press("1")
        tab.keyboard.press("1")
        tab.click("text=Keep")
        until(tab, "1 left")
        tab.click("text=none")
        tab.click("text=Keep")
        until(tab, "0 left")
    page.close()
    assert mine.ask(several, desk) == ["cat, dog", "", "none"]


def test_a_page_answers_nobody_else(served):
    page, _ = served
    beginning = page.url.rsplit("/", 2)[0]
    for url, headers, data in (
        (f"{beginning}/", {}, None),
        (f"{beginning}/guess/now", {}, None),
        (page.url + "now", {"Host": "evil.example"}, None),  # a name that another page's owner pointed here
        (page.url + "nothing", {}, b"{}"),  # a form of another page
        (page.url + "../../etc/passwd", {}, None),
        (page.url + "image/../about.json", {}, None),
    ):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(urllib.request.Request(url, data, headers))


def test_the_command_says_where_there_is_nothing(desk, tmp_path):
    def lbp(*more):
        return CliRunner().invoke(app, ["annotate", str(desk.folder), *more]).output

    assert "there are no questions in it" in lbp()
    people = asked(queue(), TEXTS[:1], desk)
    Sitting(people, "ada", SCALE).answer(people.waiting()[0].key, "x")
    assert "nothing is left to answer for ada" in lbp("--who", "ada")
    asked(queue(instructions="other"), TEXTS, desk)
    assert "name the folder of one annotator's questions: one of" in lbp()
