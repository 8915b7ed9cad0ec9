"""A process that has imported torch and forks for each script it is handed: seconds of importing are paid once.

`python -m tests.warm MODULE...` imports modules and reads scripts from standard input, a line of JSON each. Each runs
in a fork of its own, and what it printed is answered with its exit status, again as a line.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Warm:
    """The other side of it, in a test.

    Parameters
    ----------
    modules: imported before the first fork.
    environment: added to this process's.
    """

    def __init__(self, modules: tuple[str, ...], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", *modules],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str) -> str:
        """What a script printed; it must succeed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(script) + "\n")
        self._process.stdin.flush()
        status, printed = json.loads(self._process.stdout.readline())
        assert status == 0, printed
        return str(printed)

    def close(self) -> None:
        self._process.communicate()


def main() -> None:
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as printed:
            child = os.fork()
            if not child:
                _carry_out(json.loads(line), printed.fileno())
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            printed.seek(0)
            print(json.dumps([status, printed.read()]), flush=True)


def _carry_out(script: str, printed: int) -> None:
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    status = 1
    try:
        exec(script, {"__name__": "__main__"})
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
