"""`lbp sweep`: submit, status, resume, cancel, logs, collect, prune, doctor. One module a command."""

from __future__ import annotations

import typer

from labelbench_plus.sweep.commands.cancel import cancel
from labelbench_plus.sweep.commands.collect import collect
from labelbench_plus.sweep.commands.doctor import doctor
from labelbench_plus.sweep.commands.logs import logs
from labelbench_plus.sweep.commands.prune import prune
from labelbench_plus.sweep.commands.resume import resume
from labelbench_plus.sweep.commands.status import status
from labelbench_plus.sweep.commands.submit import submit

sweep = typer.Typer(
    help="Hand a suite's runs to a cluster or to this machine's background, and see what becomes of them.",
    no_args_is_help=True,
)
for command in (submit, status, resume, cancel, logs, collect, prune, doctor):
    sweep.command()(command)
