"""How the output directory's file system behaves: the store relies on a few things that not every one of them does."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from labelbench_plus.store.atomic import publish, replace

CLOCK_SECONDS = 5.0


def check_files(out: Path) -> list[tuple[str, bool | None, str]]:
    """Try in `out` what runs do: publish once, replace, see a listing change, compare clocks."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = out / f".doctor-{os.getpid()}"
        folder.mkdir()
    except OSError as error:
        return [(f"write to {out}", False, str(error))]
    found: list[tuple[str, bool | None, str]] = []
    try:
        start = time.perf_counter()
        first, second = publish(folder / "once", b"1"), publish(folder / "once", b"2")
        well = first and not second and (folder / "once").read_bytes() == b"1"
        words = (
            "link(2) creates a name once" if well else "link(2) overwrote a name: two writers could not be told apart"
        )
        found.append(("publish", well, words))
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
