from collections import Counter

import pytest

from labelbench_plus.plugins import registry
from labelbench_plus.prompts._quiz_grammar import MOST, rows, texts
from labelbench_plus.prompts.quiz import TASKS, USUAL


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("Algiers", ["Algiers"]),
        ("colt|foal", ["colt", "foal"]),
        ("{the }sparrow", ["the sparrow", "sparrow"]),
        ("Andorra la V[ell|iej]a", ["Andorra la Vella", "Andorra la Vieja"]),
        ("{J{ohn} }Adams", ["John Adams", "J Adams", "Adams"]),
        ("Four[-| ]Coupled", ["Four-Coupled", "Four Coupled"]),
        ("W[illia|]m", ["William", "Wm"]),
        (r"2n\|m\\", ["2n|m\\"]),
        ("[s|.s]/^/", ["s/^/", ".s/^/"]),
    ],
)
def test_a_pattern_stands_for_texts(pattern, expected):
    assert sorted(texts(pattern)) == sorted(expected)


def test_the_reference_is_the_longest_text_of_the_first_alternative():
    assert texts("{Lee Harvey }Oswald|{the }Federal Bureau of Investigation|{the }CIA")[0] == "Lee Harvey Oswald"


def test_a_pattern_keeps_few_of_the_texts_it_stands_for():
    found = texts("{a}" * 40 + "b")
    assert len(found) <= MOST and all(text.endswith("b") for text in found)


def test_lines_go_on_after_a_backslash_and_colons_may_be_taken_as_they_are():
    assert list(rows("a:b\\\n|c:d\n\ne\\:f:g\n")) == [["a", "b|c", "d"], ["e\\:f", "g"]]


@pytest.fixture
def folder(tmp_path):
    """The files of the game, with made-up questions."""
    for file in {file for file, *_ in TASKS.values()}:
        lines = [f"{file} {row}:{{the }}one {row}|uno {row}:two {row}:three {row}" for row in range(12)]
        (tmp_path / file).write_text("\n".join([*lines, f"{file} 0:ein 0:zwei:three 0", "a:"]), encoding="latin-1")
    return tmp_path


def test_questions_of_a_pair_of_columns(folder):
    source = registry("prompts").build({"name": "quiz", "folder": str(folder), "test": 2, "demonstrations": 5})
    questions = source.questions()
    assert dict.fromkeys(TASKS, 12) == Counter(question.prompt.task for question in questions)
    first = questions[0]
    assert first.prompt.said == "What is the capital of africa 0?"
    assert first.accepted == ("the one 0", "one 0", "uno 0", "ein 0")  # the question comes twice
    data = source.load()
    assert Counter(item.prompt.task for item in data.test) == dict.fromkeys(TASKS, 2)
    assert len(data.seed) == 5 and len(data.pool) == 10 * len(TASKS) - 5
    held = {item.prompt for item in data.test}
    assert not held & set(data.pool) and not {each.prompt for each in data.seed} & {each.said for each in data.pool}
    assert source.beside() == {"seed demonstrations": 5}


def test_content_is_identity_and_the_place_is_not(folder, tmp_path):
    build = registry("prompts").build
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for file in folder.glob("*"):
        if file.is_file():
            (moved / file.name).write_bytes(file.read_bytes())
    first = build({"name": "quiz", "folder": str(folder)}).fingerprint()
    assert build({"name": "quiz", "folder": str(moved)}).fingerprint() == first
    assert build({"name": "quiz", "folder": str(moved), "pool": 100}).fingerprint() != first


def test_a_missing_game_says_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"apt-get install bsdgames.*folder: FOLDER"):
        registry("prompts").build({"name": "quiz", "folder": str(tmp_path)}).load()


@pytest.mark.skipif(not USUAL.is_dir(), reason="needs Debian's package bsdgames")
def test_the_real_questions():
    questions = registry("prompts").build("quiz").questions()
    sizes = Counter(question.prompt.task for question in questions)
    assert len(questions) == 1986 and len(sizes) == 39
    assert (min(sizes.values()), max(sizes.values())) == (10, 155)
    by_text = {question.prompt.said: question.accepted for question in questions}
    assert by_text["What is the atomic number of Gold?"] == ("79",)
    assert "Wash" not in by_text and by_text["Who killed Cock Robin?"] == ("the sparrow", "sparrow")
