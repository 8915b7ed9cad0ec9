"""Answers that are kept: found again by everybody, whatever becomes of whoever wrote them."""

import json
import multiprocessing
import os

import pytest

from labelbench_plus.answering import kept_answers
from labelbench_plus.answering.kept_answers import KeptAnswers


def key(number: int) -> str:
    return f"{number:064x}"[::-1]


def test_what_is_added_is_found_at_once_by_others_and_after(tmp_path):
    writer, reader = KeptAnswers(tmp_path, "a"), KeptAnswers(tmp_path, "b")
    for number in range(20):
        writer.add(key(number), {"said": number}, 0.25, who="ada")
    reader.add(key(20), None, 1.0)
    for store in (reader, KeptAnswers(tmp_path)):
        store.refresh()
        found = store.find([key(3), key(20), key(99)])
        assert found.keys() == {key(3), key(20)}
        assert (found[key(3)][0].answer, found[key(3)][0].about) == ({"said": 3}, {"who": "ada"})
        assert found[key(20)][0].answer is None
        assert len(store) == 21 and len({kept.key for kept in store.all()}) == 21
        assert (store.spent("a"), store.spent("b"), store.spent()) == (5.0, 1.0, 6.0)
    assert len(list(tmp_path.iterdir())) == 2  # a file for each that wrote


def test_the_index_agrees_with_reading_every_line(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_answers, "CHUNK", 700)  # several chunks a file, one of them within a long line
    store = KeptAnswers(tmp_path)
    for number in range(50):
        store.add(key(number), "x" * (2000 if number == 7 else number), 0.0, note='\n{"key":"')
        if not number % 10:
            store.lose(0.5, why="cut off")
    lines = [json.loads(line) for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    slow = {line["key"]: line["answer"] for line in lines if "key" in line}
    fresh = KeptAnswers(tmp_path)
    assert {name: kept[0].answer for name, kept in fresh.find(slow).items()} == slow and len(slow) == 50
    assert fresh.spent() == 2.5 == sum(line["money"] for line in fresh.lost())


def test_keys_that_begin_alike_are_told_apart(tmp_path):
    store = KeptAnswers(tmp_path)
    one, other = "a" * 63 + "1", "a" * 63 + "2"
    store.add(one, 1, 0.0)
    assert store.find([one, other]).keys() == {one}
    assert KeptAnswers(tmp_path).find([other]) == {}


def test_a_torn_last_line_is_passed_over(tmp_path):
    KeptAnswers(tmp_path, "a").add(key(1), 1, 1.0)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    KeptAnswers(tmp_path, "a").add(key(2), 2, 1.0)
    torn = next(each for each in tmp_path.iterdir() if each != file)
    text = torn.read_bytes()
    begin = text.index(b'{"key"')
    for end in range(len(text)):
        torn.write_bytes(text[:end])
        store = KeptAnswers(tmp_path)
        assert store.find([key(1), key(2)]).keys() == {key(1)} and store.spent() == 1.0
        if end > begin:
            store.add(key(2), 3, 1.0)  # it is asked again, and goes into a file of its own
            assert store.find([key(2)])[key(2)][0].answer == 3
            (tmp_path / max(os.listdir(tmp_path))).unlink()
    assert file.read_bytes() == whole


def test_an_answer_that_cannot_be_written_is_no_answer(tmp_path, monkeypatch):
    store = KeptAnswers(tmp_path)
    store.add(key(1), 1, 1.0)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            store.add(key(2), 2, 1.0)
    store.refresh()
    assert store.find([key(2)]) == {} and store.spent() == 1.0
    store.add(key(3), 3, 1.0)
    assert KeptAnswers(tmp_path).find([key(1), key(2), key(3)]).keys() == {key(1), key(3)}


def _write(folder, first):
    store = KeptAnswers(folder, str(first))
    for number in range(first, first + 25):
        store.add(key(number), number, 0.5)


def test_processes_write_at_once_and_a_fork_has_a_file_of_its_own(tmp_path):
    store = KeptAnswers(tmp_path)
    store.add(key(1000), 0, 0.0)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write, args=(tmp_path, 100 * number)) for number in range(3)]
    workers.append(context.Process(target=store.add, args=(key(1001), 0, 0.0)))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    store.refresh()
    assert len(store) == 77 and store.spent() == 37.5
    assert len(list(tmp_path.iterdir())) == 5


def test_of_two_answers_to_one_question_the_first_counts(tmp_path):
    first, second = KeptAnswers(tmp_path), KeptAnswers(tmp_path)
    second.add(key(9), "other", 0.0)  # its file is the older one
    early = first.add(key(1), "early", 0.0)
    second.add(key(1), "late", 0.0)
    assert KeptAnswers(tmp_path).find([key(1)])[key(1)][0] == early
