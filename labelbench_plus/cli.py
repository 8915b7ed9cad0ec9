"""The command line: `lbp`. Each command is a file in `commands/`; here they are put together."""

from __future__ import annotations

import errno
import os
import sys

import typer

from labelbench_plus.commands.cache import cache
from labelbench_plus.commands.check import check
from labelbench_plus.commands.common import USAGE
from labelbench_plus.commands.config import config
from labelbench_plus.commands.decode import decode
from labelbench_plus.commands.export import export
from labelbench_plus.commands.imports import imports
from labelbench_plus.commands.leaderboard import compare, leaderboard
from labelbench_plus.commands.new import new
from labelbench_plus.commands.pairs import pairs
from labelbench_plus.commands.plugins import list_plugins
from labelbench_plus.commands.publish import publish, restore
from labelbench_plus.commands.replay import replay
from labelbench_plus.commands.run import run
from labelbench_plus.commands.show import show
from labelbench_plus.commands.submission import submission
from labelbench_plus.commands.sweep import sweep
from labelbench_plus.commands.wandb import wandb
from labelbench_plus.shown import say
from labelbench_plus.start_up import collect_rarely

PLACES = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR}
"""What is wrong with a file or folder of the user's; all else is a fault of this program, and ends in a traceback."""

app = typer.Typer(
    help="Which way of spending N labels, with which way of training, gives the best model?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (replay, show, export, check, new, run, compare, publish, restore, decode):
    app.command()(command)
app.command("list")(list_plugins)
for name, group in (
    ("config", config),
    ("sweep", sweep),
    ("wandb", wandb),
    ("import", imports),
    ("submission", submission),
    ("pairs", pairs),
    ("leaderboard", leaderboard),
    ("cache", cache),
):
    app.add_typer(group, name=name)


def main() -> None:
    collect_rarely()
    try:
        app()
    except OSError as error:
        if error.filename is None or error.errno not in PLACES:
            raise
        place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
        say(f"{place}: {error.strerror}: look at its owner, its mode and the space that is left", file=sys.stderr)
        sys.exit(USAGE)
