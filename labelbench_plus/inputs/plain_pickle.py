"""Reading pickles from strangers: a small machine that can build numbers, text, containers and numeric arrays.

Python's unpickler calls whatever a file names. This one has no such instruction: it goes through the file's opcodes
itself, imports nothing, and the few names that an array's pickle needs (`numpy.ndarray`, `numpy.dtype`, ...) are
tokens that it looks up in a table of its own. Whatever else a file asks for is refused by name and position.

Time and memory are bounded by the file: an object costs at least one byte of it, a length that is declared and not
there ends the reading, and a list or dictionary that is used in two places (which is how a short file unfolds to a huge
object, or holds itself) is refused. Content that many arrays share is held once. Keys are text or bytes, whose hashes
nobody can foresee: numbers could be chosen to collide, and a dictionary of such takes the square of their count.

Python's own unpickler with a list of allowed names would not do: its memo grows to whatever number a file names, so
that ten bytes take 64 GB, and instructions change attributes of the very functions that are allowed.
"""

from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_BYTES = 16 * 2**20
"""A longer file of results is not read: its objects could take a gigabyte. LabelBench's longest is about 2 MB."""
MAX_DEPTH = 32

_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
_SCALARS = (bool, int, float, str, bytes, type(None))


class PickleRefused(ValueError):
    """A pickle is damaged or holds what no result needs. The message says what, and at which byte."""


@dataclass(frozen=True)
class _Name:
    """A module's member as the file names it. Nothing is imported."""

    module: str
    member: str

    def __str__(self) -> str:
        return f"{self.module}.{self.member}"


class _Mark:
    """The place on the stack that an opcode such as APPENDS goes back to."""


class _Shell:
    """An array or element type whose contents come with a later BUILD."""

    def __init__(self, dtype: str | None = None) -> None:
        self.dtype = dtype  # of a type; None for an array
        self.array: np.ndarray | None = None


def load_plain(content: bytes, max_bytes: int = MAX_BYTES) -> Any:
    """The object in a pickle: None, numbers, text, bytes, lists, tuples, dictionaries and numeric arrays.

    Keys of dictionaries are text or bytes.

    Raises
    ------
    PickleRefused
        Damaged, longer than `max_bytes`, nested deeper than `MAX_DEPTH`, or it would need anything else.
    """
    if len(content) > max_bytes:
        raise PickleRefused(f"{len(content):,} bytes; a file of this kind has at most {max_bytes:,}")
    machine = _Machine()
    position = 0
    try:
        for opcode, argument, where in pickletools.genops(content):
            position = where or 0
            machine.step(opcode.name, argument)
    except PickleRefused as error:
        raise PickleRefused(f"{error} (at byte {position:,})") from None
    except RecursionError:
        raise PickleRefused(f"nested too deeply (at byte {position:,})") from None
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise PickleRefused(f"not a whole pickle: {error} (after byte {position:,})") from None
    return _checked(machine.result())


class _Machine:
    """The stack and the memo of one reading."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._encoded: dict[int, tuple[str, bytes]] = {}

    def as_bytes(self, text: str) -> bytes:
        """Bytes that are written as text, how Python 2 did; the same object however often the text is used."""
        if id(text) not in self._encoded:
            self._encoded[id(text)] = text, text.encode("latin1")  # the text is kept, so that its id stays its own
        return self._encoded[id(text)][1]

    def result(self) -> Any:
        if len(self._stack) != 1:
            raise PickleRefused(f"not a whole pickle: {len(self._stack)} objects are left where one should be")
        return self._stack[0]

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in _PUSHES:
            self._stack.append(argument)
        elif opcode in _MAKES:
            self._stack.append(_MAKES[opcode]())
        elif opcode in _STEPS:
            _STEPS[opcode](self, argument)
        elif opcode not in _NOTHING:
            raise PickleRefused(f"the instruction {opcode}, which no file of results needs")

    def since_mark(self) -> list[Any]:
        for index in range(len(self._stack) - 1, -1, -1):
            if isinstance(self._stack[index], _Mark):
                items = self._stack[index + 1 :]
                del self._stack[index:]
                return items
        raise PickleRefused("not a whole pickle: no mark to go back to")

    def pop(self, kind: type | tuple[type, ...] = object) -> Any:
        if not self._stack or isinstance(self._stack[-1], _Mark) or not isinstance(self._stack[-1], kind):
            raise PickleRefused("not a whole pickle: the stack does not hold what an instruction needs")
        return self._stack.pop()

    def last(self, kind: type) -> Any:
        item = self.pop(kind)
        self._stack.append(item)
        return item

    def push(self, item: Any) -> None:
        self._stack.append(item)

    # What an opcode does, by its name in pickletools.

    def tuple_of(self, count: int) -> None:
        items = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(items)))

    def append(self) -> None:
        item = self.pop()
        self.last(list).append(item)

    def appends(self) -> None:
        items = self.since_mark()
        self.last(list).extend(items)

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self.last(dict)[_key(key)] = value

    def set_items(self) -> None:
        items = self.since_mark()
        self.last(dict).update(_pairs(items))

    def memoize(self, index: int | None) -> None:
        self._memo[len(self._memo) if index is None else index] = self.last(object)

    def recall(self, index: int) -> None:
        self.push(self._memo[index])

    def name(self, argument: str | None) -> None:
        if argument is None:
            member, module = self.pop(str), self.pop(str)
        else:
            module, _, member = argument.partition(" ")
        found = _Name(module, member)
        if str(found) not in _CALLS and str(found) not in _TYPES:
            raise PickleRefused(f"it names {found}, and nothing but arrays and plain containers is built")
        self.push(found)

    def call(self) -> None:
        arguments, name = self.pop(tuple), self.pop(_Name)
        if str(name) not in _CALLS:
            raise PickleRefused(f"it calls {name}, and nothing but arrays and plain containers is built")
        self.push(_CALLS[str(name)](self, *arguments))

    def build(self) -> None:
        state = self.pop(tuple)
        shell = self.last(_Shell)
        if shell.dtype is None:
            _fill(self, shell, *state)
        else:
            _set_byte_order(shell, *state)


def _key(key: Any) -> str | bytes:
    if not isinstance(key, str | bytes):
        raise PickleRefused(f"a {type(key).__name__.lstrip('_')} as a key")
    return key


def _pairs(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise PickleRefused("not a whole pickle: a key without a value")
    return {_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)}


def _dtype(machine: _Machine, name: Any, *_: Any) -> _Shell:
    if not isinstance(name, str) or not _DTYPE.fullmatch(name):
        what = "of Python objects" if name in ("O", "O8", "|O") else f"of {name!r}"
        raise PickleRefused(f"an array {what}; arrays of numbers are read")
    return _Shell(name)


def _set_byte_order(shell: _Shell, *state: Any) -> None:
    if len(state) < 5 or state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
        raise PickleRefused("an array of records; arrays of numbers are read")
    assert shell.dtype is not None
    shell.dtype = str(state[1]) + shell.dtype.lstrip("<>|=")


def _numbers(machine: _Machine, data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if isinstance(data, str):
        data = machine.as_bytes(data)
    if not isinstance(dtype, _Shell) or dtype.dtype is None or not isinstance(data, bytes | bytearray):
        raise PickleRefused("an array that is not numbers in a row of bytes")
    sides = shape if isinstance(shape, tuple) and len(shape) <= 8 else (None,)
    if not all(type(side) is int and 0 <= side <= MAX_BYTES for side in sides):
        raise PickleRefused("an array whose shape is not up to eight lengths")
    kind = np.dtype(dtype.dtype)
    if math.prod(shape) * kind.itemsize != len(data):
        raise PickleRefused(f"an array declared as {shape} of {kind}, with {len(data):,} bytes of content")
    return np.frombuffer(data, kind).reshape(shape, order="F" if order == "F" else "C")


def _fill(machine: _Machine, shell: _Shell, *state: Any) -> None:
    if len(state) != 5:
        raise PickleRefused("an array whose state is not (version, shape, type, order, content)")
    _, shape, dtype, fortran, data = state
    shell.array = _numbers(machine, data, dtype, shape, "F" if fortran else "C")


def _empty_array(machine: _Machine, *arguments: Any) -> _Shell:
    return _Shell()  # what it is told (a class, a shape of 0) says nothing that BUILD does not say again


def _scalar(machine: _Machine, dtype: Any, data: Any) -> Any:
    return _numbers(machine, data, dtype, (), "C").item()


def _encode(machine: _Machine, text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise PickleRefused("bytes that are not written as latin1 text")  # how protocols 0 to 2 write bytes
    return machine.as_bytes(text)


_CALLS: dict[str, Callable[..., Any]] = {
    "numpy.dtype": _dtype,
    "_codecs.encode": _encode,
    "__builtin__.bytes": lambda _: b"",  # how protocols 0 to 2 write no bytes
}
for _core in ("numpy.core", "numpy._core"):
    _CALLS[f"{_core}.multiarray._reconstruct"] = _empty_array
    _CALLS[f"{_core}.multiarray.scalar"] = _scalar
    _CALLS[f"{_core}.numeric._frombuffer"] = _numbers
_TYPES = frozenset({"numpy.ndarray"})  # named, never called

_NOTHING = frozenset({"PROTO", "FRAME", "STOP"})
_PUSHES = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
_MAKES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "MARK": _Mark,
}
_STEPS: dict[str, Callable[[_Machine, Any], object]] = {
    "LIST": lambda m, _: m.push(m.since_mark()),
    "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "DICT": lambda m, _: m.push(_pairs(m.since_mark())),
    "TUPLE1": lambda m, _: m.tuple_of(1),
    "TUPLE2": lambda m, _: m.tuple_of(2),
    "TUPLE3": lambda m, _: m.tuple_of(3),
    "APPEND": lambda m, _: m.append(),
    "APPENDS": lambda m, _: m.appends(),
    "SETITEM": lambda m, _: m.set_item(),
    "SETITEMS": lambda m, _: m.set_items(),
    "POP": lambda m, _: m.pop(),
    "POP_MARK": lambda m, _: m.since_mark(),
    "MEMOIZE": lambda m, _: m.memoize(None),
    "PUT": lambda m, index: m.memoize(index),
    "BINPUT": lambda m, index: m.memoize(index),
    "LONG_BINPUT": lambda m, index: m.memoize(index),
    "GET": lambda m, index: m.recall(index),
    "BINGET": lambda m, index: m.recall(index),
    "LONG_BINGET": lambda m, index: m.recall(index),
    "GLOBAL": lambda m, name: m.name(name),
    "STACK_GLOBAL": lambda m, _: m.name(None),
    "REDUCE": lambda m, _: m.call(),
    "BUILD": lambda m, _: m.build(),
}


def _checked(root: Any) -> Any:
    """`root` with its arrays filled in, having made sure that it is a tree of bounded depth."""
    seen: set[int] = set()

    def visit(item: Any, depth: int) -> Any:
        if isinstance(item, _SCALARS) or (isinstance(item, tuple) and not item):
            return item
        if isinstance(item, np.ndarray | np.generic):
            return item
        if isinstance(item, _Shell) and item.array is not None:
            return item.array
        if not isinstance(item, list | tuple | dict | bytearray):
            raise PickleRefused(f"it holds {_told(item)} where a value should be")
        if id(item) in seen:
            raise PickleRefused(f"the same {type(item).__name__} is used in two places, or holds itself")
        if depth == MAX_DEPTH:
            raise PickleRefused(f"containers nested deeper than {MAX_DEPTH}")
        seen.add(id(item))
        if isinstance(item, dict):
            return {key: visit(value, depth + 1) for key, value in item.items()}
        if isinstance(item, list | tuple):
            return type(item)(visit(value, depth + 1) for value in item)
        return item

    return visit(root, 0)


def _told(item: Any) -> str:
    return f"the name {item}" if isinstance(item, _Name) else "an unfinished array or a type"
