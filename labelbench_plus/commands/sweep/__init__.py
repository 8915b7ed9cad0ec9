"""`lbp sweep`: submit, status, resume, cancel, logs, collect, prune, doctor. One module a command."""

from __future__ import annotations

import typer

from labelbench_plus.commands.common import Group
from labelbench_plus.commands.sweep.cancel import cancel
from labelbench_plus.commands.sweep.collect import collect
from labelbench_plus.commands.sweep.doctor import doctor
from labelbench_plus.commands.sweep.logs import logs
from labelbench_plus.commands.sweep.prune import prune
from labelbench_plus.commands.sweep.resume import resume
from labelbench_plus.commands.sweep.status import status
from labelbench_plus.commands.sweep.submit import submit

sweep = typer.Typer(
    cls=Group,
    help="Hand a suite's runs to a cluster or to this machine's background, and see what becomes of them.",
    no_args_is_help=True,
)
for command in (submit, status, resume, cancel, logs, collect, prune, doctor):
    sweep.command()(command)
