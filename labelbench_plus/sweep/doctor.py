"""Checks of a place: how the output directory's file system behaves, and whether W&B is available.

The store relies on a few things that not every file system does.
"""

from __future__ import annotations

import contextlib
import netrc
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from labelbench_plus.store.atomic import publish, replace

CLOCK_SECONDS = 5.0
WANDB_SECONDS = 5.0

Finding = tuple[str, bool | None, str]
"""What was checked, whether it is fine (None: worth knowing, not a fault), and what was found."""


def check_wandb() -> list[Finding]:
    """Whether W&B answers and there is a key for it. Runs need neither."""
    import wandb

    url = os.environ.get("WANDB_BASE_URL") or wandb.Settings().base_url
    try:
        urllib.request.urlopen(url, timeout=WANDB_SECONDS).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except OSError as error:
        words = f"{url} does not answer ({getattr(error, 'reason', error)}): run with --wandb disabled, push later"
        return [("W&B", None, words)]
    try:
        key = bool(os.environ.get("WANDB_API_KEY") or netrc.netrc().authenticators(urllib.parse.urlparse(url).netloc))
    except (OSError, netrc.NetrcParseError):
        key = False
    return [("W&B", True if key else None, f"{url} answers" + ("" if key else ", but there is no key: wandb login"))]


def _links(folder: Path) -> Finding:
    try:
        os.link(folder / "once", folder / "linked")
    except OSError as error:
        return "hard links", None, f"none ({error.strerror}): names are made by renameat2(RENAME_NOREPLACE) instead"
    return "hard links", True, "link(2) makes names"


def _syncs(folder: Path) -> Finding:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        words = f"impossible ({error.strerror}): a loss of power can take the last files, which are computed again then"
        return "folder sync", None, words
    finally:
        os.close(descriptor)
    return "folder sync", True, "names are durable"


def check_files(out: Path) -> list[Finding]:
    """Try in `out` what runs do: make a name once, sync, replace, see a listing change, compare clocks."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = out / f".doctor-{os.getpid()}"
        folder.mkdir()
    except OSError as error:
        return [(f"write to {out}", False, str(error))]
    found: list[Finding] = []
    try:
        start = time.perf_counter()
        first, second = publish(folder / "once", b"1"), publish(folder / "once", b"2")
        well = first and not second and (folder / "once").read_bytes() == b"1"
        words = (
            "a name that is taken is refused" if well else "a name was overwritten: two writers cannot be distinguished"
        )
        found.append(("publish", well, words))
        found.append(_links(folder))
        found.append(_syncs(folder))
        replace(folder / "once", b"3")
        found.append(("replace", (folder / "once").read_bytes() == b"3", "rename(2) replaces in one step"))
        before = os.stat(folder).st_mtime_ns
        time.sleep(0.01)
        publish(folder / "another", b"1")
        changed = os.stat(folder).st_mtime_ns != before
        words = "changes with its content" if changed else "stood still: status will look at every run each time"
        found.append(("folder times", changed or None, words))
        skew = abs(os.stat(folder / "another").st_mtime - time.time())
        words = f"{skew:.1f} s between this machine's clock and the file system's"
        found.append(("clocks", skew < CLOCK_SECONDS or None, words))
        took = time.perf_counter() - start - 0.01
        found.append(("speed", True if took < 1 else None, f"{1000 * took / 4:.0f} ms for a durable write"))
    except OSError as error:
        found.append(("file system", False, str(error)))
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
    free = shutil.disk_usage(out).free
    found.append(("space", free > 1e9 or None, f"{free / 1e9:.1f} GB free"))
    return found
