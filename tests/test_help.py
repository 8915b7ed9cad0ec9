"""Help says what its source says, and every command's ends in two examples that can be run as they stand."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from labelbench_plus.cli import app

ROOT = typer.main.get_command(app)


def commands(group=ROOT, path=()):
    """Every command, groups included, by its words."""
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


EVERY = dict(commands())
LEAVES = {words: command for words, command in EVERY.items() if not hasattr(command, "commands")}


def plain(text: str) -> str:
    return re.sub(r"[\s│╭╮╰╯─]+", " ", text)


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_what_is_shown_is_what_was_written(words, monkeypatch):
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 6000)
    shown = plain(CliRunner().invoke(app, [*words, "--help"]).output)
    command = EVERY[words]
    told = inspect.getdoc(command.callback) if words in LEAVES else command.help
    assert plain(told.strip()) in shown
    for parameter in command.params:
        if getattr(parameter, "help", None) and not getattr(parameter, "hidden", False):
            assert plain(parameter.help.strip()) in shown, parameter.name


def examples(words) -> list[str]:
    """The command lines at the end of a command's help; what is further in goes on with the one before."""
    _, found, lines = inspect.getdoc(LEAVES[words].callback).partition("\n\nExamples:\n")
    assert found and "\n\n" not in lines, f"lbp {' '.join(words)}: its help ends in no examples"
    return re.sub(r"\n {3,}", " ", lines).splitlines()


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_help_ends_in_two_examples_that_the_command_line_takes(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("suite: mine\n")
    said = examples(words)
    assert len(set(said)) == 2
    for line in said:
        program, *rest = shlex.split(re.sub(r" (>|&&) .*", "", line))
        assert program == "lbp" and (tuple(rest[: len(words)]) == words or rest[0] == words[0])
        rest = rest[len(words) :] if tuple(rest[: len(words)]) == words else rest[1:]
        LEAVES[words].make_context(" ".join(words), rest).close()
