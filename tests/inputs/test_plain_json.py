"""JSON of strangers: one meaning, and bounded before anything is made of it."""

import json
import tracemalloc

import pytest

from labelbench_plus.inputs.plain_json import DEEPEST, MOST_BYTES, JsonRefused, parts, read, read_file

GOOD = {"a": [1, -2.5, None, True, "ü", "\U0001f600", {"b": []}], "c": 2**64 - 1, "d": -(2**63), "e": "[{,"}


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def test_what_json_is_is_read():
    assert read(json.dumps(GOOD).encode()) == GOOD
    assert read(json.dumps(GOOD, ensure_ascii=False).encode()) == GOOD
    assert read(nested(DEEPEST)) == json.loads(nested(DEEPEST))


@pytest.mark.parametrize(
    ("text", "field", "what"),
    [
        (b'{"a": 1, "b": {"c": 1, "d": 2, "c": 1}}', "", "key 'c' comes twice"),
        (b'[0, {"a": NaN}]', "1.a", "not a finite number"),
        (b'{"a": [-Infinity]}', "a.0", "not a finite number"),
        (b'{"a": 1e999}', "a", "not a finite number"),
        (b'{"a": 18446744073709551616}', "a", "more than 64 bits"),
        (b'{"a": %s}' % (b"9" * 5000), "", "not JSON: Exceeds the limit"),
        (b'{"a": "x\\ud800"}', "a", "half a character"),
        (b'{"a": {"\\udfff": 1}}', "a", "half a character"),
        (b'{"\\ud83d": 1, "\\ude00": 2}', "", "half a character"),
        (b'"\xff"', "", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "", "not JSON"),
        (b"{} {}", "", "not JSON: Extra data"),
        (b"", "", "not JSON"),
        (nested(DEEPEST + 1), ".".join("0" * DEEPEST), "nested deeper"),
        (nested(900), ".".join("0" * DEEPEST), "nested deeper"),
        (b"[" * 10**6, "", "nested deeper"),
    ],
)
def test_what_readers_would_understand_otherwise_is_refused_with_its_place(text, field, what):
    with pytest.raises(JsonRefused) as refused:
        read(text)
    assert refused.value.field == field and what in refused.value.what


@pytest.mark.parametrize("unit", [b"{},", b"[],", b"0,", b'"a":0,', b"[", b'{"a":'])
def test_many_values_are_refused_before_there_are_any(unit):
    text = b"[" + unit * (MOST_BYTES // len(unit) - 1)
    tracemalloc.start()
    try:
        with pytest.raises(JsonRefused, match="of more values"):
            read(text)
        assert tracemalloc.get_traced_memory()[1] < len(text)
    finally:
        tracemalloc.stop()


def test_no_more_of_a_file_is_read_than_may_be(tmp_path):
    with open(tmp_path / "long", "wb") as file:
        file.truncate(2**40)  # of nothing
    with pytest.raises(JsonRefused, match="longer than is read"):
        read_file(tmp_path / "long")


@pytest.mark.parametrize("indent", [None, 2])
def test_parts_are_the_values_as_they_are_written(indent):
    text = json.dumps(GOOD | {"": {"x": []}, " }": "}", '"': "{"}, indent=indent).encode()
    assert {key: read(value) for key, value in parts(text).items()} == read(text)
    assert {} == parts(b"{}") == parts(b" { \n} ")
    assert parts(b'{"a": 1,"b":[2] ,"c": nothing', last="b") == {"a": b"1", "b": b"[2]"}


def test_parts_within_parts_are_those_of_the_part_alone():
    inner = b'{"c": [1, {"x": 2}], "d": {"e": "}"} }'
    text = b'{"a": %s, "b" : %s,"z": 0}' % (inner, inner)
    found = parts(text, within={"b": {"d": {}}, "missing": {}})
    assert found == parts(text) | {"b": parts(inner) | {"d": {"e": b'"}"'}}}
    assert parts(text[:-2], "b", {"b": {}}) == {"a": inner, "b": parts(inner)}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b'{"a": [1]}', "not JSON: Expecting an object"),
        (b'{"a": {"b": 1, "b": 2}}', "key 'b' comes twice"),
        (b'{"a": {"b": 1}', "not JSON"),
        (b'{"a": {"b": 1}}}', "not JSON: Extra data"),
    ],
)
def test_parts_within_what_is_no_object_are_refused(text, what):
    with pytest.raises(JsonRefused) as refused:
        parts(text, within={"a": {}})
    assert what in refused.value.what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"[1]", "not JSON: Expecting an object"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 1 "b": 2}', "not JSON"),
        (b'{"a" 1}', "not JSON"),
        (b'{"a": }', "not JSON"),
        (b'{"a": [1}', "not JSON"),
        (b'{"a": 1}}', "not JSON: Extra data"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": 1, "a": 2}', "key 'a' comes twice"),
        (b'{"a": [NaN]}', "not a finite number"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": %s}' % (b"[" * 10**6), "nested deeper"),
        (b'{"a": [%s0]}' % (b"0," * 3_000_000), "of more values"),
        (b'{"a": "%s"}' % (b"x" * MOST_BYTES), "longer than is read"),
    ],
)
def test_parts_of_what_is_no_object_are_refused(text, what):
    with pytest.raises(JsonRefused) as refused:
        parts(text)
    assert what in refused.value.what
