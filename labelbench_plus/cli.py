"""The command line: `lbp`. Each command is a file in `commands/`; here they are put together."""

from __future__ import annotations

import typer

from labelbench_plus.commands.cache import cache
from labelbench_plus.commands.check import check
from labelbench_plus.commands.config import config
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
from labelbench_plus.start_up import collect_rarely

app = typer.Typer(
    help="Which way of spending N labels, with which way of training, gives the best model?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (replay, show, check, new, run, compare, publish, restore):
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
    app()
