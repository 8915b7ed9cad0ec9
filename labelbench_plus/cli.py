"""The command line: `lbp`. Each command is a file in `commands/`; here they are put together."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

from labelbench_plus import __version__, _torchvision_compat
from labelbench_plus.commands.annotate import annotate
from labelbench_plus.commands.answers import answers
from labelbench_plus.commands.cache import cache
from labelbench_plus.commands.check import check
from labelbench_plus.commands.common import USAGE, Group
from labelbench_plus.commands.config import config
from labelbench_plus.commands.data import data
from labelbench_plus.commands.decode import decode
from labelbench_plus.commands.env import env
from labelbench_plus.commands.export import export
from labelbench_plus.commands.imports import imports
from labelbench_plus.commands.leaderboard import compare, leaderboard
from labelbench_plus.commands.new import new
from labelbench_plus.commands.pack import pack, unpack
from labelbench_plus.commands.pairs import pairs
from labelbench_plus.commands.plugins import list_plugins
from labelbench_plus.commands.publish import publish, restore
from labelbench_plus.commands.replay import replay
from labelbench_plus.commands.run import run
from labelbench_plus.commands.show import show
from labelbench_plus.commands.submission import submission
from labelbench_plus.commands.suites import suites
from labelbench_plus.commands.sweep import sweep
from labelbench_plus.commands.wandb import wandb
from labelbench_plus.shown import say
from labelbench_plus.start_up import collect_rarely
from labelbench_plus.store.readable import PackError

PLACES = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR}
"""What is wrong with a file or folder of the user's; all else is a fault of this program, and ends in a traceback."""

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="First steps: [bold]lbp run digits[/bold], then [bold]lbp list strategies[/bold].",
)
RUN, LOOK, SHARE, EXTEND = "Run a suite", "Look at results", "Share results", "Know what there is, and add to it"
for panel, name, command in (
    (RUN, "run", run),
    (LOOK, "compare", compare),
    (LOOK, "show", show),
    (LOOK, "export", export),
    (SHARE, "publish", publish),
    (SHARE, "restore", restore),
    (RUN, "pack", pack),
    (RUN, "unpack", unpack),
    (EXTEND, "list", list_plugins),
    (EXTEND, "new", new),
    (EXTEND, "check", check),
    (EXTEND, "env", env),
    (RUN, "replay", replay),
    (RUN, "decode", decode),
    (RUN, "annotate", annotate),
    (LOOK, "answers", answers),
):
    app.command(name, rich_help_panel=panel)(command)
for panel, name, group in (
    (RUN, "sweep", sweep),
    (RUN, "suites", suites),
    (RUN, "config", config),
    (RUN, "data", data),
    (RUN, "pairs", pairs),
    (RUN, "cache", cache),
    (LOOK, "leaderboard", leaderboard),
    (LOOK, "wandb", wandb),
    (SHARE, "submission", submission),
    (SHARE, "import", imports),
):
    app.add_typer(group, name=name, rich_help_panel=panel)


def _tell_version(wanted: bool) -> None:
    if wanted:
        say(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit")
    ] = False,
) -> None:
    """Which way of spending N labels, with which way of training, gives the best model?"""


def main() -> None:
    collect_rarely()
    _torchvision_compat.install()
    try:
        app()
    except PackError as error:
        say(error, file=sys.stderr)
        sys.exit(USAGE)
    except OSError as error:
        if error.filename is None or error.errno not in PLACES:
            raise
        place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
        say(f"{place}: {error.strerror}: look at its owner, its mode and the space that is left", file=sys.stderr)
        sys.exit(USAGE)


if __name__ == "__main__":
    main()
