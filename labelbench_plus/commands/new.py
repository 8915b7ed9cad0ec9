"""`lbp new`: the beginning of a plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelbench_plus.commands.common import stop
from labelbench_plus.scaffold.kinds import Kind, License, Task
from labelbench_plus.shown import say


def new(
    kind: Annotated[
        Kind,
        typer.Argument(help="What to write"),
    ],
    name: Annotated[str, typer.Argument(help="Its name: lower-case letters, digits and '_'")],
    package: Annotated[bool, typer.Option("--package", help="Write a package, ready to publish")] = False,
    task: Annotated[Task, typer.Option(help="The task of a new problem")] = "classification",
    family: Annotated[
        str | None, typer.Option(help="In a checkout: the subfolder of the kind to put the file in")
    ] = None,
    into: Annotated[Path, typer.Option(help="Where to write")] = Path(),
    license_name: Annotated[License, typer.Option("--license", help="The package's licence")] = "MIT",
    author: Annotated[str, typer.Option(help="The copyright holder in the package's licence")] = "the authors",
) -> None:
    """Write a working plugin for you to change: one file or, with --package, a project that passes its own tests.

    Examples:
      lbp new strategy my_margin --package
      lbp new problem my_problem --task regression
    """
    from labelbench_plus.scaffold.create import ScaffoldError, new_file, new_package

    try:
        if package and family is not None:
            raise ScaffoldError("--family is for files in the tree, not for packages")
        if package:
            created = new_package(kind, name, into, license_name, author, task)
        else:
            created = new_file(kind, name, into, family, task)
    except (ScaffoldError, OSError) as error:
        stop(str(error))
    for file in created.files:
        say(f"wrote {file}")
    say("next:")
    for command in created.next_commands:
        say(f"  {command}")
