"""An atomic rename that refuses an existing name: `renameat2(2)` of Linux, which Python lacks."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

AT_FDCWD, RENAME_NOREPLACE = -100, 1


def rename_if_free(old: Path, new: Path) -> None:
    """Rename a file, unless the new name is taken.

    Raises
    ------
    FileExistsError
        It is.
    OSError
        ENOSYS or EINVAL: this system or file system has no such rename. Others as of any rename.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    names = (AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), RENAME_NOREPLACE)
    if rename is None or rename(*names):
        number = errno.ENOSYS if rename is None else ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(old), None, str(new))
