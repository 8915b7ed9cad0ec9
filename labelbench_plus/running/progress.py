"""What people see during runs: a live bar in a terminal, one line per run elsewhere."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from labelbench_plus.running.failures import suggestion
from labelbench_plus.running.local import Event
from labelbench_plus.running.waiting import in_words
from labelbench_plus.shown import printable_lines, say

PLAIN_SECONDS = 2.0  # at most one plain line in this many seconds, so that a log stays readable


class Progress:
    """Follows the events of `run_local`.

    Attributes
    ----------
    ended: runs that have ended in any way. failed: the events of those that failed.
    """

    def __init__(self, runs: int, rounds: int) -> None:
        self.ended, self.failed = 0, list[Event]()
        self._said = set[str]()
        self._busy: list[Event] = []
        self._waiting: list[Event] = []
        self._runs, self._rounds = runs, rounds
        self._console = Console()
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rounds, for"),
            TimeElapsedColumn(),
            TextColumn("so far, about"),
            TimeRemainingColumn(),
            TextColumn("to go"),
            console=self._console,
            disable=not self._console.is_terminal or runs == 0,
        )
        self._task = self._bar.add_task(f"0 of {runs} runs ended, data are being loaded", total=runs * rounds)
        self._committed: dict[str, int] = {}
        self._start = self._last_line = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def show(self) -> None:
        """Show the bar, where there is a terminal. A thread redraws it."""
        self._bar.start()

    def event(self, event: Event) -> None:
        """Record an event and show it."""
        if event.state == "round":
            self._committed[event.job.run_id] = event.rounds
        elif event.state != "started":
            self.ended += 1
            self._committed[event.job.run_id] = self._rounds
            if event.state == "failed":
                self.failed.append(event)
                words = printable_lines(f"failed: {event.job.title}: {event.message}")
                self._bar.console.print(words, markup=False, highlight=False, soft_wrap=True)
            elif event.state == "busy":
                self._busy.append(event)
            elif event.state == "waiting":
                self._waiting.append(event)
        self._bar.update(
            self._task,
            completed=sum(self._committed.values()),
            description=self._words(),
        )
        now = time.monotonic()
        if not self._console.is_terminal and event.state == "finished" and now - self._last_line > PLAIN_SECONDS:
            self._last_line = now
            say(f"{self._words()} after {now - self._start:.0f} s", flush=True)

    def said(self, line: str) -> None:
        """Show what a run's code prints or logs, above the bar; the same line of another run is not repeated."""
        if line in self._said:
            return
        self._said.add(line)
        if self._console.is_terminal:
            self._bar.console.print(printable_lines(line), markup=False, highlight=False, soft_wrap=True)
        else:
            say(line, file=sys.stderr, flush=True)

    def _words(self) -> str:
        words = f"{self.ended} of {self._runs} runs ended"
        if self.failed:
            words += f", {len(self.failed)} failed"
        return words if self._committed else f"{words}, data are being loaded"

    @property
    def left(self) -> int:
        """How many runs ended unfinished: failed, held by other processes, or waiting for answers or money."""
        return len(self.failed) + len(self._busy) + len(self._waiting)

    def report(self) -> None:
        """Say how it went: the time taken, and failures grouped by what they have in common."""
        if self._runs:
            say(f"{self.ended - self.left} runs finished in {self._elapsed()}")
        if self._busy:
            say(f"{len(self._busy)} runs are being computed by another process; run again when it has ended")
        for words, limit in in_words((event.message, event.noted) for event in self._waiting):
            raised = "" if limit in ("", "--pay") else f"raise {limit}, and "
            say(f"{words}; {raised}run again {'with --pay' if limit else 'when they are there'}")
        groups: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
        for event in self.failed:
            groups[_fingerprint(event)].append(event)
        for events in groups.values():
            first = events[0]
            example = f"{first.job.run_id} ({first.job.title})"
            say(f"{len(events)} of {self._runs} runs failed in the same way, e.g. {example}:")
            say("  " + (first.detail.strip() or first.message).replace("\n", "\n  "))
            if advice := suggestion(first.message):
                say(f"  suggestion: {advice}")
        sys.stdout.flush()

    def _elapsed(self) -> str:
        seconds = time.monotonic() - self._start
        return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _fingerprint(event: Event) -> tuple[str, str]:
    """What failures of one cause have in common: the kind of error and the deepest line of code."""
    frames = [line for line in event.detail.splitlines() if line.startswith("  File ")]
    return event.message.partition(":")[0], frames[-1] if frames else ""
