import dataclasses
import json
import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from labelbench_plus.inputs.conversations import Turn
from labelbench_plus.plugins import describe, registry
from labelbench_plus.prompts import Prompt, PromptData, TestItem


def build(**given):
    return registry("prompts").build(given)


def lines(tmp_path, *rows):
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return str(path)


def numbered(count, task="sums", **more):
    return [{"prompt": f"{task} {row}?", "answer": str(row), "task": task, **more} for row in range(count)]


def test_your_own_prompts(tmp_path):
    talk = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello?"}]
    said = [
        {"prompt": talk, "accepted": ["hi", "hey"], "task": "talk"},
        {"prompt": "which?", "answer": "this", "choices": ["this", "that"]},
    ]
    path = lines(tmp_path, *said, "", *numbered(9))
    data = build(name="json_lines", path=path, test=2).load()
    assert len(data.test) == 2 and {item.prompt.task for item in data.test} == {"sums"}  # a third of one is none
    assert len(data.pool) == 9 and data.tasks == ("prompts", "sums", "talk")
    asked = dict(zip(data.pool, data.pool_answers, strict=True))
    turns = (Turn("system", "be brief"), Turn("user", "hello?"))
    assert asked[Prompt(turns, "talk")] == "hi" and asked[Prompt("which?", "prompts")] == "this"


def test_every_bad_line_is_named(tmp_path):
    path = lines(
        tmp_path,
        *numbered(3),
        '{"prompt": "half an object", ',
        ["a list"],
        {"prompt": "", "answer": "x"},
        {"prompt": "x"},
        {"prompt": "x", "answer": 7},
        {"prompt": "x", "answer": "y", "accepted": ["y"]},
        {"prompt": "x", "answer": "y", "anwser": "y"},
        {"prompt": [{"role": "assistant", "content": "me"}], "answer": "y"},
        {"prompt": [{"role": "robot", "content": "me"}], "answer": "y"},
        {"prompt": "x", "answer": "y", "choices": ["z"]},
        {"prompt": "x", "answer": "y", "task": 3},
    )
    with pytest.raises(ValueError, match=r"mine.jsonl: 11 lines are no prompts: line 4: ") as refused:
        build(name="json_lines", path=path).load()
    for number in range(4, 15):
        assert f"line {number}: " in str(refused.value)
    assert "unknown key 'anwser'" in str(refused.value) and "unknown role 'robot'" in str(refused.value)


def test_a_file_is_to_be_named(tmp_path):
    with pytest.raises(ValidationError, match="path"):
        build(name="json_lines")
    with pytest.raises(FileNotFoundError, match="path: FILE"):
        build(name="json_lines", path=str(tmp_path / "none.jsonl")).load()


def test_more_is_asked_for_than_there_is(tmp_path):
    with pytest.raises(ValueError, match="8 questions of 1 tasks are left"):
        build(name="json_lines", path=lines(tmp_path, *numbered(12)), pool=9).load()


def test_long_answers_can_be_left_out(tmp_path):
    rows = [*numbered(12), {"prompt": "why?", "answer": "because of reasons", "task": "sums"}]
    source = build(name="json_lines", path=lines(tmp_path, *rows), longest=2)
    assert "because of reasons" not in source.load().pool_answers


def test_trivia_is_text_whatever_it_looks_like(tmp_path):
    asked = "\n".join(f"Question {row}?:\n- {row}" for row in range(12))
    special = "Not yes?:\n- No\nA year?:\n- 1999\n- 0x7\nA state?:\n- on\nhttps://x/y.png:\n- picture\n"
    (tmp_path / "general.yaml").write_text(f"AUTHOR: someone\n{special}{asked}\n")
    (tmp_path / "maps.yaml").write_text("https://x/z.png what?:\n- nothing\n")
    source = build(name="trivia", folder=str(tmp_path), categories=["general"])
    found = {question.prompt.said: question.accepted for question in source.questions()}
    assert found["Not yes?"] == ("No",) and found["A year?"] == ("1999", "0x7") and found["A state?"] == ("on",)
    assert len(found) == 15 and found["Question 7?"] == ("7",)
    with pytest.raises(ValueError, match="no category sport; it has general, maps"):
        build(name="trivia", folder=str(tmp_path), categories=["sport"]).load()


def test_trivia_is_found_without_being_imported(tmp_path, monkeypatch):
    lists = tmp_path / "redbot" / "ext" / "trivia" / "lists"
    lists.mkdir(parents=True)
    (tmp_path / "redbot" / "__init__.py").write_text("raise RuntimeError('imported')")
    (lists / "one.yaml").write_text("\n".join(f"Q {row}?:\n- a" for row in range(12)))
    monkeypatch.delitem(sys.modules, "redbot", raising=False)  # Python starts with it where red-trivia is installed
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(build(name="trivia").load().pool) == 8
    assert "redbot" not in sys.modules


@pytest.mark.skipif(find_spec("redbot") is None, reason="needs the package red-trivia (extra trivia)")
def test_the_package_has_so_many_questions():
    source = build(name="trivia", longest=25)
    assert len(list(build(name="trivia").questions())) == 8514 and "redbot.ext.trivia" not in sys.modules
    data = source.load()
    assert len(data.tasks) == 28 and max(map(len, data.pool_answers)) <= 25
    assert source.accepted(data.pool[0].said) == (data.pool_answers[0],)


@pytest.mark.parametrize("name", ["trivia", "reasoning"])
def test_a_missing_package_gives_one_error_with_the_ways(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    monkeypatch.setattr("labelbench_plus.prompts.trivia.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=rf"Ways to get them: \(1\) pip install 'labelbench-plus\[{name}\]'; "):
        build(name=name).load()


@pytest.fixture
def gym(monkeypatch):
    """A package that generates as reasoning-gym does."""

    def create_dataset(family, size, seed):
        rng = np.random.default_rng(seed)
        answers = [None] * size if family == "open_ended" else map(str, rng.integers(9, size=size).tolist())
        return [{"question": f"{family} {row % 30}", "answer": answer} for row, answer in enumerate(answers)]

    package = ModuleType("reasoning_gym")
    package.create_dataset = create_dataset
    factory = ModuleType("reasoning_gym.factory")
    factory.DATASETS = dict.fromkeys(("sums", "words", "open_ended"), SimpleNamespace)
    monkeypatch.setitem(sys.modules, "reasoning_gym", package)
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", factory)


def test_generated_problems(gym):
    data = build(name="reasoning", families=["sums", "words"], each=40, test=5).load()
    assert data.tasks == ("sums", "words") and len(data.test) == 10
    assert len(data.pool) == 2 * 30 - 10  # what comes twice counts once
    with pytest.raises(ValueError, match="no family sum; it has open_ended, sums, words"):
        build(name="reasoning", families=["sum"]).load()
    with pytest.raises(ValueError, match="'open_ended' comes without solutions"):
        build(name="reasoning", families=["open_ended"]).load()


def test_tables_of_the_hub(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = {
        "question": [f"question {row}?" for row in range(9)],
        "reply": [["yes", "no"]] * 9,
        "kind": [f"kind {row % 2}" for row in range(9)],
        "messages": [
            [{"role": role, "content": f"{role} {row}"} for role in ("user", "assistant", "user", "assistant")]
            for row in range(9)
        ],
    }
    datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows)}).save_to_disk(str(tmp_path / "saved"))
    given = {"name": "hugging_face", "folder": str(tmp_path / "saved"), "test": 1}
    data = build(**given, prompt="question", answer="reply", task="kind").load()
    assert data.tasks == ("kind 0", "kind 1") and len(data.test) == 2 and data.test[0].accepted == ("yes", "no")
    talk = build(**given, messages="messages").load()
    assert [turn.role for turn in talk.pool[0].said] == ["user", "assistant", "user"]
    assert talk.pool_answers[0].startswith("assistant ")
    with pytest.raises(ValueError, match=r"no column prompt, answer; it has question, reply, kind, messages"):
        build(**given).load()


def test_rows_without_an_answer_are_counted_and_only_few_may_be(tmp_path, caplog):
    datasets = pytest.importorskip("datasets")

    def saved(lacking):
        rows = {
            "prompt": [f"{row}?" for row in range(20)],
            "answer": ["" if row < lacking else "a" for row in range(20)],
        }
        folder = tmp_path / str(lacking)
        datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows)}).save_to_disk(str(folder))
        return {"name": "hugging_face", "folder": str(folder), "test": 1}

    assert len(build(**saved(2)).load().pool) == 17
    assert "2 of 20 rows have no prompt or no answer, row 0 first; they are left out" in caplog.text
    with pytest.raises(ValueError, match=r"3 of 20 rows have no prompt or no answer.*raise `lacking` from 0\.1"):
        build(**saved(3)).load()
    assert len(build(**saved(3), lacking=0.5).load().pool) == 16


def test_files_of_a_table_may_have_other_columns_than_those_beside_them(tmp_path):
    pytest.importorskip("datasets")
    columns = {"flan.jsonl": ("inputs", "targets"), "talk.jsonl": ("messages", "id")}
    for name, (one, other) in columns.items():
        rows = [json.dumps({one: f"{row}?", other: str(row)}) for row in range(9)]
        (tmp_path / name).write_text("\n".join(rows))
    given = {"name": "hugging_face", "folder": str(tmp_path), "prompt": "inputs", "answer": "targets", "test": 1}
    data = build(**given, files=["flan.jsonl"]).load()
    assert len(data.pool) == 8 and data.pool_answers[0] + "?" == data.pool[0].said
    assert "files" not in describe(build(**given))


def test_skills_are_asked_unequally_and_held_out_equally():
    data = build(name="skills", pool=400, test=3, demonstrations=8).load()
    sizes = sorted(sum(prompt.task == task for prompt in data.pool) for task in data.tasks)
    assert len(data.pool) == 400 and len(data.seed) == 8 and sizes[-1] > 20 * sizes[0]
    assert len(data.test) == 3 * 12 and not {item.prompt for item in data.test} & set(data.pool)
    assert build(name="skills", pool=400).fingerprint() != build(name="skills", pool=401).fingerprint()
    with_validation = build(name="skills", pool=400, test=3, demonstrations=8, validation=5).load()
    assert len(with_validation.validation) == 5 and "validation" not in describe(build(name="skills"))
    assert dataclasses.replace(with_validation, validation=()) == data, "it changes nothing else"


def test_data_that_do_not_fit_are_refused():
    item = TestItem(Prompt("q", "t"), ("a",))
    with pytest.raises(ValueError, match="1 prompts in the pool, but 2 answers"):
        PromptData((Prompt("q", "t"),), ("a", "b"), (item,))
    with pytest.raises(ValueError, match="neither may be 0"):
        PromptData((), (), (item,))
    with pytest.raises(ValueError, match="must end with the user's turn"):
        PromptData((Prompt((Turn("assistant", "x"),), "t"),), ("a",), (item,))
