"""Carries pages and notebooks out: `python -m tests.docs.carry_out PAGE...`, each in a process of its own.

`--in FOLDER` does so in that folder instead of one that is gone afterwards.

Commands of `lbp` run inside this process and its workers are forked, so that torch is imported once for all pages and
not once a command. Everything else a reader would do is done as it stands.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import shlex
import subprocess
import sys
import tempfile
import traceback
from contextlib import nullcontext
from pathlib import Path

from tests.docs.pages import ROOT, Block, blocks, cells, missing

SHARED = ("benchmarks", "results", "slurm")


def main(pages: list[Path], folder: Path | None = None) -> int:
    """Carry out each page, in an empty folder of its own or in `folder`; print what fails. How many did."""
    import numpy  # noqa: F401 imported before the fork, for all pages
    import pandas  # noqa: F401
    import scipy.optimize  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import torch

    import labelbench_plus._torchvision_compat
    import labelbench_plus.api
    import labelbench_plus.cli
    import labelbench_plus.leaderboard.of_suite
    from labelbench_plus.plugins import kinds, registry

    for kind in kinds():
        for name in registry(kind).entries():
            registry(kind).load(name)
    labelbench_plus._torchvision_compat.install()  # pages import peft, also where torchvision's extension cannot load
    torch.set_num_threads(1)
    # A fork makes torch's pool of threads anew at its first use. Two threads at once would trip over that, and
    # transformers reads weights with several.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
    spawned, forked = multiprocessing.get_context, multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda method=None: forked if method == "spawn" else spawned(method)  # type: ignore
    gc.collect()
    gc.freeze()  # or every fork would copy what it shares with this process when it first looks for garbage
    failed = 0
    for page in pages:
        child = forked.Process(target=_page, args=(page, folder))
        child.start()
        child.join()
        failed += child.exitcode != 0
    return failed


def _page(page: Path, kept: Path | None) -> None:
    with nullcontext(str(kept)) if kept else tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in SHARED:
            (Path(folder) / name).symlink_to(ROOT / name)
        os.environ["LBP_CACHE"] = str(Path(folder) / "cache")
        names: dict[str, object] = {"__name__": "page"}
        output: str | None = ""
        for block in cells(page) if page.suffix == ".ipynb" else blocks(page.read_text(encoding="utf-8")):
            where = f"{page.relative_to(ROOT)}:{block.line}"
            try:
                output = _block(block, names, output)
            except BaseException as error:
                print(f"{where}: {error or type(error).__name__}", file=sys.stderr)
                if not isinstance(error, AssertionError):
                    traceback.print_exc()
                os._exit(1)


def _block(block: Block, names: dict[str, object], output: str | None) -> str | None:
    """Carry out one block; what it printed, None where it has to be left out here."""
    if block.verb == "slurm" and "SLURM_CONF" not in os.environ:
        return None
    if block.verb == "not" or (block.language == "text" and not block.verb):
        return output
    if block.verb == "file":
        path = Path(block.rest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return output
    if block.verb == "output":
        if output is None:
            return None
        line = missing(block.text, output)
        assert not line, f"the page shows {line!r}, but what was printed is\n{output}"
        return output
    if block.language == "python":
        return _captured(lambda: exec(compile(block.text, "page", "exec"), names))[1]
    printed = ""
    commands = block.text.replace("\\\n", " ").splitlines()
    commands = [command for command in commands if command.strip() and not command.startswith("#")]
    for number, command in enumerate(commands):
        code, said = _command(command)
        wanted = int(block.rest) if block.verb == "exits" and number == len(commands) - 1 else 0
        assert code == wanted, f"{command}\nended with {code}, not {wanted}:\n{said}"
        printed += said
    return printed


def _command(command: str) -> tuple[int, str]:
    words = shlex.split(command, comments=True)
    if words[0] != "lbp" or any(sign in command for sign in (">", "|", "&&", "$(")):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
        )
        return done.returncode, done.stdout + done.stderr

    def call() -> None:
        # A process of its own, as a reader's: what one command has registered is unknown to the next.
        child = multiprocessing.get_context("fork").Process(target=_lbp, args=(words,))
        child.start()
        child.join()
        raise SystemExit(child.exitcode)

    return _captured(call)


def _lbp(words: list[str]) -> None:
    from labelbench_plus.cli import main as lbp

    sys.argv = words
    lbp()


def _captured(call: object) -> tuple[int, str]:
    """Exit code, and everything that was printed, by whatever process."""
    code = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        sys.stdout.flush()
        sys.stderr.flush()
        kept = os.dup(1), os.dup(2)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            call()  # type: ignore[operator]
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
        file.seek(0)
        return code, file.read()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.docs.carry_out")
    parser.add_argument("pages", nargs="+", type=lambda text: Path(text).resolve())
    parser.add_argument("--in", dest="folder", type=lambda text: Path(text).resolve())
    sys.exit(main(**vars(parser.parse_args())))
