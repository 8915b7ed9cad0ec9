"""`lbp annotate`: people answer what runs asked, here or in other programs."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from labelbench_plus.commands.common import FAILED, stop
from labelbench_plus.shown import counted, say

if TYPE_CHECKING:
    from labelbench_plus.answering.people import Asker, People
    from labelbench_plus.answering.sitting import Sitting


def annotate(
    folder: Annotated[Path, typer.Argument(help="The folder of answers that the run named, e.g. answers")],
    who: Annotated[str | None, typer.Option(help="Who answers; default: the current user")] = None,
    page: Annotated[bool, typer.Option("--page", help="Answer in a browser; always so for images")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the browser page; 0 picks a free one")] = 0,
    status: Annotated[
        bool, typer.Option("--status", help="Show who answered how much, and how well they agree")
    ] = False,
    export: Annotated[Path | None, typer.Option("--export", help="Write the open questions to this file")] = None,
    take: Annotated[Path | None, typer.Option("--import", help="Read answers from this file")] = None,
    form: Annotated[
        Literal["plain", "label_studio", "argilla"], typer.Option("--form", help="Format of these files")
    ] = "plain",
) -> None:
    """Answer the questions of the annotator `queue` one by one, with :s to skip, :u to undo and :q to stop.

    Waiting runs resume when you run them again. You need not answer everything in one sitting.

    Examples:
      lbp annotate answers --who ada
      lbp annotate answers --export waiting.json --form label_studio
    """
    from labelbench_plus.answering.sitting import Sitting

    people, queue = _opened(folder)
    scale = queue.lowest, queue.highest
    if export is not None:
        _export(people, export, form)
    elif take is not None:
        _import(people, take, form, scale)
    elif status:
        _status(people, queue)
    else:
        sitting = Sitting(people, who or getpass.getuser(), scale)
        left = sitting.left()
        if not left:
            say(f"nothing is left to answer for {sitting.who}")
        elif page or left[0].image is not None:
            _serve(sitting, queue, port)
        else:
            from labelbench_plus.answering.terminal import answer_here

            answer_here(sitting, queue.instructions)


def _opened(folder: Path) -> tuple[People, Asker]:
    """The questions in a folder, or in the only folder below it that has some, and the annotator who asks them."""
    from labelbench_plus.answering.judging import ABOUT
    from labelbench_plus.answering.people import QUESTIONS, People
    from labelbench_plus.plugins import registry

    if not (folder / ABOUT).exists():
        found = sorted(path.parent for path in folder.glob(f"*/{QUESTIONS}"))
        if len(found) != 1:
            names = f"one of {', '.join(str(path) for path in found)}" if found else "there are no questions in it"
            stop(f"{folder}: name the folder of one annotator's questions: {names}")
        folder = found[0]
    queue = registry("annotators").build(json.loads((folder / ABOUT).read_bytes()))
    if not (folder / QUESTIONS).exists():
        stop(f"{folder}: annotator {queue.name!r} asks no people")
    return People(folder, queue.people), queue


def _serve(sitting: Sitting, queue: Asker, port: int) -> None:
    from labelbench_plus.answering.page import Page

    try:
        served = Page(sitting, queue.instructions, port)
    except OSError as error:
        stop(f"--port {port}: {error.strerror}; 0 takes one that is free")
    say(f"open {served.url} in a browser on this machine; Ctrl-C ends it, and every answer is kept", flush=True)
    try:
        served.serve()
    except KeyboardInterrupt:
        say("ended")


def _export(people: People, path: Path, form: Literal["plain", "label_studio", "argilla"]) -> None:
    from labelbench_plus.answering.exchange import exported, labelling

    waiting = people.waiting()
    path.write_text(exported(people, form), encoding="utf-8")
    say(f"{counted(len(waiting), 'question')} written to {path}")
    if form == "label_studio":
        say(f"the project's labelling configuration:\n{labelling(waiting)}")


def _import(
    people: People, path: Path, form: Literal["plain", "label_studio", "argilla"], scale: tuple[float, float]
) -> None:
    from labelbench_plus.answering.exchange import imported

    try:
        found = imported(people, path.read_text(encoding="utf-8"), form, scale)
    except (ValueError, OSError) as error:
        stop(f"{path}: no file of form {form}: {error}")
    for fault in found.faults:
        say(fault)
    there = f", {found.passed} were there or came too late" if found.passed else ""
    say(f"{counted(found.kept, 'answer')} kept{there}; {counted(len(people.waiting()), 'question')} left")
    if found.faults:
        raise typer.Exit(FAILED)


def _status(people: People, queue: Asker) -> None:
    from labelbench_plus.answering.agreement import agreements, by_class

    every = [
        (question, {who: kept.answer for who, kept in answers.items()}) for question, answers in people.everything()
    ]
    said = [answers for _, answers in every]
    say(f"{counted(len(said), 'question')}, {len(people.waiting())} of them need answers of {queue.people} people each")
    for who in sorted({name for each in said for name in each}):
        say(f"  {who}: {counted(sum(who in each for each in said), 'answer')}")
    several = queue.label == "labels"
    compared = by_class((question.classes, answers) for question, answers in every) if several else said
    for found in agreements(compared, ordered=queue.label == "score"):
        kappa = "undefined, as one of them always says the same" if found.kappa is None else f"{found.kappa:.2f}"
        both = (
            f"{counted(found.questions, 'label' if several else 'question')} answered by both, {found.same:.0%} alike"
        )
        say(f"  {found.people[0]} and {found.people[1]}: {both}, Cohen's kappa {kappa}")
