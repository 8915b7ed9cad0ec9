"""Answering in a terminal: one question a screen."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from labelbench_plus.answering.people import Waiting
from labelbench_plus.answering.replies import hint, shown
from labelbench_plus.answering.sitting import Sitting
from labelbench_plus.shown import counted, say

COMMANDS = ":s skip, :u undo, :n cannot be answered, :q quit"


def answer_here(sitting: Sitting, instructions: str, read: Callable[[str], str] = input) -> None:
    """Ask a person questions until none is left, or they have enough."""
    told = ""
    while left := sitting.left():
        question = left[0]
        _show(question, instructions, told, len(left), sitting)
        try:
            text = read("> ").strip()
        except (EOFError, KeyboardInterrupt):
            break
        told = ""
        if text == ":q":
            break
        if text == ":s":
            sitting.skip(question.key)
        elif text == ":u":
            told = "" if sitting.undo() else "there is nothing to undo"
        elif text == ":n":
            sitting.nothing(question.key)
        else:
            try:
                open_still = sitting.answer(question.key, text)
                told = "" if open_still else "others have answered this meanwhile"
            except ValueError as error:
                told = str(error)
    left = sitting.left()
    say(f"\n{counted(len(sitting.done), 'answer')} kept; {counted(len(left), 'question')} left")


def _show(question: Waiting, instructions: str, told: str, left: int, sitting: Sitting) -> None:
    if sys.stdout.isatty():
        click.clear()
    say(f"--- {sitting.who}: {len(sitting.done)} answered, {left} left --- {COMMANDS}")
    if instructions:
        say(instructions)
    say(f"\n{question.prompt}")
    names = "AB" if question.wants == "pair" else " "
    for name, response in zip(names, shown(question), strict=False):
        say(f"\n[{name}]\n{response}" if name.strip() else f"\n---\n{response}")
    say(f"\n{told or hint(question, sitting.scale)}")
