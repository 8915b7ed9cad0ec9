"""A process that takes too much is ended, and what it said before is kept."""

import sys
from itertools import count

import pytest

from labelbench_plus.limited import Died, Exceeded, Limits, carry_out, out_of_memory

HERE = f"{__name__}:"
PATIENT = Limits(seconds=120, megabytes=200)


def echo(argument, send):
    send(argument)
    send(argument)


def endless(argument, send):
    send("begun")
    for number in count():
        if argument == "talkative":
            send(number)


def greedy(argument, send):
    send("begun")
    held = []
    while True:
        held.append(bytearray(2**20 * argument))


def broken(argument, send):
    print("what a library prints is no answer")
    raise KeyError(argument)


def killed(argument, send):
    import os
    import signal

    print("the last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(autouse=True)
def _found(monkeypatch):
    """The process has to find the functions of this file."""
    from pathlib import Path

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


def test_what_is_sent_arrives():
    assert list(carry_out(f"{HERE}echo", {"ü": [1, None]}, PATIENT)) == [{"ü": [1, None]}] * 2


@pytest.mark.parametrize("kind", ["silent", "talkative"])
def test_time_is_limited(kind):
    answers = carry_out(f"{HERE}endless", kind, Limits(seconds=1))
    assert next(answers) == "begun"
    with pytest.raises(Exceeded, match="1 s"):
        for _ in answers:
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts a process's private memory")
@pytest.mark.parametrize("piece", [1, 100_000], ids=["little by little", "all at once"])
def test_memory_is_limited(piece):
    answers = carry_out(f"{HERE}greedy", piece, PATIENT)
    assert next(answers) == "begun"
    with pytest.raises(Exceeded, match="200 MB"):
        next(answers)


def test_who_ends_otherwise_is_told():
    with pytest.raises(Died, match="KeyError: 'why'"):
        list(carry_out(f"{HERE}broken", "why", PATIENT))
    with pytest.raises(Died, match="ended with -9: the last words"):
        list(carry_out(f"{HERE}killed", None, PATIENT))
    with pytest.raises(Died, match="No module named 'nowhere'"):
        list(carry_out("nowhere:nothing", None, PATIENT))


def test_torch_says_want_of_memory_in_words_of_its_own():
    import torch

    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**55, dtype=torch.uint8)
    assert out_of_memory(raised.value) and out_of_memory(MemoryError()) and not out_of_memory(RuntimeError("no"))
