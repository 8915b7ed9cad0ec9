"""Pickles from strangers: what results are made of comes back, and everything else is refused before it does harm."""

import collections
import io
import os
import pickle
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from labelbench_plus.inputs.plain_pickle import PickleRefused, load_plain

PLAIN = [
    None,
    {"a": [1, 2.5, None, True, False], "b": ("x", b"y"), b"c": ()},
    [[{"Num Labeled": [1000, 2000], "Test Accuracy": [0.1, 0.2]}], [2**70, -(2**40), "é", bytearray(b"q")]],
    float("inf"),
]
ARRAYS = [
    np.arange(12, dtype=">i4").reshape(3, 4),
    np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    np.array([True, False]),
    np.array(2.5, dtype=np.float16),
    np.empty((0, 3), dtype=np.uint8),
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back_under_every_protocol(protocol):
    for value in PLAIN:
        if protocol < 5 and "bytearray" in repr(value):
            continue  # written by calling builtins.bytearray
        if protocol < 3 and "b'" in repr(value):
            value = {"bytes": b"y\xff"}  # written by calling _codecs.encode
        assert load_plain(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_of_numbers_come_back_under_every_protocol(protocol, array):
    found = load_plain(pickle.dumps({"array": array, "again": array + 0}, protocol))["array"]
    assert found.dtype == array.dtype and found.shape == array.shape
    np.testing.assert_array_equal(found, array)


def test_numpy_numbers_come_back_as_numbers():
    assert load_plain(pickle.dumps([np.float64(0.5), np.int32(7), np.bool_(True)])) == [0.5, 7, True]


class Harm:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def bomb(layers):
    """A list that holds a list twice, that holds a list twice, ..."""
    content = b"\x80\x04]q\x00"
    for layer in range(1, layers):
        below = b"h" + bytes([layer - 1]) + b"a"
        content += b"0]q" + bytes([layer]) + below + below
    return content + b"."


def recursive():
    held = []
    held.append(held)
    return pickle.dumps(held)


def nested(depth):
    return b"\x80\x04" + b"]" * depth + b"a" * (depth - 1) + b"."


def tuples_in_a_key(depth):
    return b"\x80\x04})" + b"q\x00h\x00\x86" * depth + b"K\x01s."


HOSTILE = {
    "os.system": (pickle.dumps(Harm(os.system, "touch harmed")), "it names posix.system"),
    "os.system, protocol 0": (pickle.dumps(Harm(os.system, "touch harmed"), 0), "it names posix.system"),
    "eval": (pickle.dumps(Harm(eval, "1")), "it names builtins.eval"),
    "getattr": (pickle.dumps(Harm(getattr, [], "append")), "it names builtins.getattr"),
    "a numpy function that opens files": (b"\x80\x02cnumpy\nload\n(X\x01\x00\x00\x00xtR.", "it names numpy.load"),
    "a class called": (b"\x80\x02cnumpy\nndarray\nJ\x00\x00\x00\x7f\x85R.", "it calls numpy.ndarray"),
    "a module's member by a dotted name": (b"\x80\x04\x8c\x05numpy\x8c\x09os.system\x93.", "it names numpy.os.system"),
    "an object array": (
        pickle.dumps(np.array([Harm(os.system, "touch harmed"), 1], dtype=object)),
        "of Python objects",
    ),
    "an object array of plain things": (pickle.dumps(np.array([1, None], dtype=object)), "of Python objects"),
    "a record array": (pickle.dumps(np.zeros(2, dtype=[("a", "i4")])), "an array of 'V4'"),
    "an instance": (b"(i__main__\nThing\np0\n.", "the instruction INST"),
    "a new object": (pickle.dumps(collections.UserDict()), "it names collections.UserDict"),
    "a persistent id": (b"Pmodule\n.", "the instruction PERSID"),
    "an extension code": (b"\x80\x02\x82\x01.", "the instruction EXT1"),
    "state for a list": (b"\x80\x04]}\x8c\x01a\x8c\x01bsb.", "does not hold what an instruction needs"),
    "state for a name": (b"\x80\x02cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb.", "does not hold what"),
    "shared lists": (bomb(30), "used in two places"),
    "a list in itself": (recursive(), "used in two places, or holds itself"),
    "nested lists": (nested(100_000), "nested deeper than 32"),
    "tuples that take for ever to hash": (tuples_in_a_key(200), "a tuple as a key"),
    "keys that collide": (pickle.dumps({step * (2**61 - 1): None for step in range(3)}), "a int as a key"),
    "a set of what collides": (b"\x80\x04\x8f.", "the instruction EMPTY_SET"),
    "a shape of endless numbers": (
        pickle.dumps(np.zeros(3)).replace(b"K\x03\x85", b"\x8a\xff" + b"\x7f" * 255 + b"\x85"),
        "eight lengths",
    ),
    "a huge memo index": (b"\x80\x04]r\xff\xff\xff\xff\x85.", None),
    "declared bytes that are not there": (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.", "not a whole pickle"),
    "a declared bytearray": (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".", "not a whole pickle"),
    "a declared text": (b"\x80\x04\x8d" + struct.pack("<Q", 2**63 - 1) + b".", "not a whole pickle"),
    "a number of many digits": (b"I" + b"9" * 100_000 + b"\n.", "not a whole pickle"),
    "an array larger than its bytes": (
        pickle.dumps(np.zeros(7)).replace(b"K\x07", b"M\xff\xff"),
        "declared as (65535,) of float64, with 56 bytes",
    ),
    "an unfinished array": (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R.",
        "an unfinished array",
    ),
    "a name as a value": (b"\x80\x02cnumpy\nndarray\n\x85.", "it holds the name numpy.ndarray"),
    "a mark as a value": (b"\x80\x02(.", "it holds an unfinished"),
    "two objects": (b"\x80\x02NN.", "2 objects are left"),
    "an empty stack": (b"\x80\x02a.", "not a whole pickle"),
    "a memo never filled": (b"\x80\x02h\x05.", "not a whole pickle"),
    "no end": (b"\x80\x04]", "not a whole pickle"),
    "nothing": (b"", "not a whole pickle"),
    "text": (b"Num Labeled,Test Accuracy\n1000,0.9\n", "not a whole pickle"),
    "compressed": (zlib.compress(pickle.dumps([1])), "not a whole pickle"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_else_is_in_a_file_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, message = HOSTILE[name]
    if message is None:  # harmless here: the memo is a dictionary, and the index one more key
        assert load_plain(content) == ([],)
        return
    with pytest.raises(PickleRefused) as refused:
        load_plain(content)
    assert message in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["bytes", "bytearray", "text"])
def test_content_that_many_arrays_share_is_held_once(form):
    """A hundred bytes an array could name a megabyte each."""
    content = b"x" * 2**20
    size = struct.pack("<I", len(content))
    held = {"bytes": b"B" + size, "bytearray": b"\x96" + size + bytes(4), "text": b"X" + size}[form] + content
    array = b"cnumpy.core.numeric\n_frombuffer\n(h\x00cnumpy\ndtype\n\x8c\x02u1\x85RJ" + size + b"\x85\x8c\x01CtR"
    tracemalloc.start()
    found = load_plain(b"\x80\x05" + held + b"q\x000](" + array * 2000 + b"e.")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 2000
    assert all(each.nbytes == len(content) for each in found)
    assert peak < 10 * len(content)


def test_a_file_cut_at_any_byte_is_refused():
    content = pickle.dumps([{"Num Labeled": [1000, 2000], "x": np.arange(3)}, [5, 7, 300]])
    for length in range(len(content)):
        with pytest.raises(PickleRefused):
            load_plain(content[:length])


def test_a_changed_byte_never_gives_anything_but_plain_values():
    content = bytearray(pickle.dumps([{"Num Labeled": [1000, 2000], "x": np.arange(3.0)}, [5, 7, 300]]))
    for index in range(len(content)):
        for change in (1, 0x55, 0xFF):
            changed = bytes(content[:index] + bytes([content[index] ^ change]) + content[index + 1 :])
            try:
                found = load_plain(changed)
            except PickleRefused:
                continue
            repr(found)
            kinds = pickle.dumps(found)  # plain values pickle, and read back as they are
            assert not {"posix", "builtins"} & set(io.BytesIO(kinds).getvalue().decode("latin1").split())


def test_a_file_that_is_too_long_is_not_read():
    with pytest.raises(PickleRefused, match="38 bytes; a file of this kind has at most 10"):
        load_plain(b"x" * 38, max_bytes=10)
