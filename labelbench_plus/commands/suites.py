"""`lbp suites`: what is shipped to be run by name."""

from __future__ import annotations

from typing import Annotated

import typer

from labelbench_plus.commands.common import Group
from labelbench_plus.commands.plugins import print_shipped

suites = typer.Typer(cls=Group, help="Look at the suites that come with the package.", no_args_is_help=True)


@suites.callback()
def group() -> None:
    """Look at the suites that come with the package; `lbp list suites` names them."""


@suites.command()
def show(name: Annotated[str, typer.Argument(help="One of `lbp list suites`")]) -> None:
    """Print a shipped suite, as a start for your own.

    Examples:
      lbp suites show digits > mine.yaml
      lbp suites show fashion_linear
    """
    print_shipped("suites", name)
