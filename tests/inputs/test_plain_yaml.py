"""YAML that people write comes back as plain values; what stands for more than anybody means is refused."""

import string
import tracemalloc

import pytest

from labelbench_plus.inputs.plain_yaml import MAX_VALUES, YAMLRefused, load_yaml


def bomb(layers):
    """Every line holds the one before it ten times."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for below, name in zip(string.ascii_letters, string.ascii_letters[1:layers], strict=False):
        lines.append(f"{name}: &{name} [{', '.join([f'*{below}'] * 10)}]")
    return "\n".join(lines)


def test_plain_values_come_back():
    text = "a: 1\nb: [1.5, true, null, 'x', 0x10]\n2: 2001-02-03\n'on': on\nc: &c {d: 1e5}\ne: *c\nf: {<<: *c, g: 2}"
    found, _ = load_yaml(text)
    assert found == {
        "a": 1,
        "b": [1.5, True, None, "x", 16],
        "2": "2001-02-03",
        "on": "on",
        "c": {"d": 1e5},
        "e": {"d": 1e5},
        "f": {"d": 1e5, "g": 2},
    }
    for value in (found["a"], *found["b"], found["2"]):
        assert type(value) in (int, float, bool, type(None), str)


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("a: 1\na: 2", ":2:1", "not valid YAML: found duplicate key"),
        ("a: [1,\n b: {", ":2:6", "not valid YAML"),
        ("a: *b", ":1:4", "undefined alias"),
        ("a: !!bool maybe", "", "not valid YAML"),
        ("a: !!int x", "", "not valid YAML"),
        ("a: \x07", "", "not valid YAML"),
        (f"a: {'9' * 5000}", "", "not valid YAML"),
        ("[" * 3000, "", "nested deeper than 50"),
        ("- " * 60 + "x", "", "nested deeper than 50"),
        (bomb(9), "", f"more than {MAX_VALUES:,} values, with what its aliases stand for"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_wrong_is_refused_with_its_place(text, place, says):
    with pytest.raises(YAMLRefused, match=says) as refused:
        load_yaml(text)
    assert refused.value.place == place


def test_a_short_text_takes_no_more_than_its_bound():
    tracemalloc.start()
    with pytest.raises(YAMLRefused):
        load_yaml(bomb(40))  # 10^40 values
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 * MAX_VALUES
