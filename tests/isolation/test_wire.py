"""What a process that is not trusted may send, and what becomes of one that sends something else."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from labelbench_plus.isolation import cell as cells
from labelbench_plus.isolation.cell import Cell, IsolationError, _notes
from labelbench_plus.isolation.output import Output, plain
from labelbench_plus.isolation.wire import LONGEST_TEXT, Malformed, Wire, parse
from labelbench_plus.oracle import QueryError
from labelbench_plus.suite import Isolation
from labelbench_plus.testing.pool_scene import make_view

LIARS = Path(__file__).parent / "liars.py"


@pytest.fixture
def pair() -> Iterator[tuple[Wire, int]]:
    """A wire, and the bare descriptor at its other end."""
    ours, theirs = socket.socketpair()
    wire, other = Wire(ours.detach()), theirs.detach()
    wire.left = 5.0
    yield wire, other
    wire.close()
    os.close(other)


def framed(content: bytes) -> bytes:
    return struct.pack("!Q", len(content)) + content


def sent(pair: tuple[Wire, int], content: bytes) -> Wire:
    wire, other = pair
    threading.Thread(target=os.write, args=(other, content), daemon=True).start()
    return wire


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[{}, []", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b'[{"a": NaN}, []]', "NaN is no number"),
        (b'[{"a": -Infinity}, []]', "-Infinity is no number"),
        (b'[{"a": 1e999}, []]', "beyond all numbers"),
        (b'[{"a": 1, "a": 2}, []]', "a key stands there twice"),
        (b'[{"a": "\\ud800"}, []]', "no JSON"),
        (b'[{"a": ' + b"9" * 5000 + b"}, []]", "no JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "no JSON"),
        (b'[{"a": [[[[[[[[]]]]]]]]}, []]', "nested more than 8 deep"),
        (b"{}", "no fields and arrays"),
        (b"[[], []]", "no fields and arrays"),
        (b"[{}, [], []]", "no fields and arrays"),
        (b'[{}, [["a", "int64", [1]], ["a", "int64", [1]]]]', "without a name of its own"),
        (b'[{"a": 1}, [["a", "int64", [1]]]]', "without a name of its own"),
        (b'[{}, [["a", "object", [1]]]]', "something else than numbers"),
        (b'[{}, [["a", "U9", [1]]]]', "something else than numbers"),
        (b'[{}, [["a", "int64", [-1]]]]', "without a shape"),
        (b'[{}, [["a", "int64", [true]]]]', "without a shape"),
        (b'[{}, [["a", "int64", [1, 1, 1, 1, 1]]]]', "without a shape"),
        (b'[{}, [["a", "int64", [1099511627775]]]]', "where 1,048,576 are the most"),
        (b'[{}, [["a", "int64", [1099511627775, 1099511627775]]]]', "where 1,048,576 are the most"),
        (b"[{}, [1, 2, 3, 4, 5]]", "no fields and arrays"),
        (b"[{}, [1]]", "an array without name, kind and shape"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(pair, text, says):
    wire = sent(pair, framed(text))
    with pytest.raises(Malformed, match=says):
        wire.receive()


def test_a_long_message_is_refused_before_it_is_read(pair):
    wire = sent(pair, struct.pack("!Q", 2**62) + b"x" * 100)
    tracemalloc.start()
    with pytest.raises(Malformed, match=r"a message of 4,611,686,018,427,387,904 bytes, where 1,048,576 are the most"):
        wire.receive()
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_an_array_is_as_long_as_it_was_announced(pair):
    wire = sent(pair, framed(b'[{}, [["a", "int64", [2]]]]') + framed(b"x" * 8))
    with pytest.raises(Malformed, match="an array of 8 bytes that was announced with 16"):
        wire.receive()


@pytest.mark.parametrize("begun", [b"", b"\0\0\0", struct.pack("!Q", 100) + b"half"])
def test_who_says_nothing_more_is_not_waited_for(pair, begun):
    wire = sent(pair, begun) if begun else pair[0]
    wire.left = 0.3
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        wire.receive()
    assert time.monotonic() - started < 4


def test_who_does_not_listen_is_not_waited_for(pair):
    pair[0].left = 0.3
    with pytest.raises(TimeoutError):
        pair[0].send_bytes(b"x" * 2**24)


def test_who_is_gone_is_told(pair):
    wire, other = pair
    os.write(other, b"\0\0")
    socket.socket(fileno=os.dup(other)).shutdown(socket.SHUT_RDWR)
    with pytest.raises((EOFError, OSError)):
        wire.receive()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=300), JSON.map(lambda value: json.dumps(value).encode())))
def test_whatever_comes_is_a_message_or_refused(content):
    try:
        value = parse(content)
    except Malformed:
        return
    json.dumps(value, allow_nan=False).encode()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=4), JSON, st.binary(max_size=30))
def test_whatever_comes_over_a_wire_ends(frames, fields, rest):
    ours, theirs = socket.socketpair()
    with theirs:
        wire = Wire(ours.detach())
        wire.left = 0.5
        theirs.sendall(framed(json.dumps([fields, []]).encode()) + b"".join(map(framed, frames)) + rest)
        theirs.shutdown(socket.SHUT_WR)
        for _ in range(8):
            try:
                assert isinstance(wire.receive(), dict)
            except (Malformed, EOFError, OSError):
                break
        wire.close()


def test_messages_come_through_as_they_were(pair):
    wire, other = pair
    far = Wire(os.dup(other))
    far.send(a=[1, {"b": None}], x=np.arange(6, dtype=np.int32).reshape(2, 3), y=np.array([], dtype=np.float64))
    found = wire.receive()
    assert found["a"] == [1, {"b": None}] and found["x"].tolist() == [[0, 1, 2], [3, 4, 5]] and found["y"].size == 0
    with pytest.raises(ValueError, match="not JSON compliant"):
        far.send(a=float("nan"))
    with pytest.raises(TypeError, match="x: only arrays of numbers"):
        far.send(x=np.array(["text"]))


@pytest.mark.parametrize(
    "notes",
    [None, [], {"a" * 65: 1}, {"": 1}, {"a\n": 1}, {"a": True}, {"a": "1"}, {"a": None}, {"a": 10**400},
     {f"n{number}": 1 for number in range(101)}],
)  # fmt: skip
def test_notes_are_few_finite_numbers(notes):
    assert _notes({"gap": 1, "isolated_seconds": 0.5}) == {"gap": 1.0, "isolated_seconds": 0.5}
    with pytest.raises(Malformed):
        _notes(notes)


@pytest.fixture(scope="module")
def cell() -> Iterator[Cell]:
    with Cell([LIARS], terms=Isolation(kind="best_effort", seconds=60)) as child:
        yield child


def chosen(cell: Cell, how: str) -> object:
    strategy = cell.report("strategies", {"name": "liar", "how": how})
    view = make_view(needs=frozenset({"features"}))
    return cell.select(strategy, view, 4, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("garbage", "its process sent no JSON"),
        ("huge array", "where 1,048,832 are the most"),
        ("notes", "its process sent no notes"),
        ("reads twice", "a request for something missing, or read before"),
        ("no answer", "expected a vector of pool indices, got fields more"),
    ],
)
def test_what_is_no_answer_is_the_strategys_error_at_once(cell, how, says):
    with pytest.raises(QueryError, match=says):
        chosen(cell, how)


def test_an_answer_too_many_is_never_taken_for_the_next(cell):
    assert len(chosen(cell, "answers twice")) == 4
    time.sleep(0.5)
    with pytest.raises(PydanticCustomError, match="its process sent more than it was asked for"):
        chosen(cell, "prints")


def test_a_child_that_hangs_up_or_never_answers_is_ended(monkeypatch):
    with Cell([LIARS], terms=Isolation(kind="best_effort", seconds=60)) as cell:
        with pytest.raises(IsolationError, match="hung up, and was ended"):
            chosen(cell, "hangs up")
        strategy = cell.report("strategies", {"name": "liar", "how": "waits"})
        monkeypatch.setattr(cell, "_terms", Isolation(kind="best_effort", seconds=1.5))
        with pytest.raises(QueryError, match=r"expected an answer within 1.5 s, and ended its process"):
            cell.select(strategy, make_view(needs=frozenset({"features"})), 4, np.random.default_rng(0))
        assert cell._process is None


def test_what_a_child_prints_is_passed_on_without_control_codes(cell, capfd):
    chosen(cell, "prints")
    cell.close()
    said = capfd.readouterr().err
    assert "\x1b" not in said and "\\u001b[2Jhello" in said
    assert len(said) < 2**20 + 10_000 and "what it prints more is left out" in said


def test_plain_text_moves_no_cursor():
    assert plain("a\x1b[2J\u202eb\n\tc\x9b") == "a\\u001b[2J\\u202eb\n\tc\\u009b"
    assert len(plain("x" * 9000)) < 6000
    assert LONGEST_TEXT == 2**20 and Output.__doc__ and cells.MOST_NOTES == 100
