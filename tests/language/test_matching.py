import pytest

from labelbench_plus.language.matching import normalised, right


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("The  Valley!", "valley"),
        ("St. John's", "st. johns"),
        ("-.-.", "-.-."),
        ("C++", "c++"),
        ("1,000", "1000"),
        ("forty-two", "42"),
        ("Forty two days", "42 days"),
        ("four hundred", "400"),
        ("one hundred twenty-one", "121"),
        ("one two", "1 2"),
        ("twenty-first", "twenty-first"),
        ("A", "a"),  # an answer that is an article is not nothing
        ("?", ""),
    ],
)
def test_what_does_not_matter_is_taken_away(said, expected):
    assert normalised(said) == expected


def test_any_accepted_answer_is_right():
    assert right("the Sparrow.", ("sparrow.", "wren"))
    assert not right("sparrows", ("sparrow", "wren"))
    assert not right("", ("a",))
