"""A real SLURM cluster on this machine for the tests of this package."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sweep.conftest import bench  # noqa: F401  (a fixture)

SCRIPTS = Path(__file__).parents[2] / "slurm"
CANNOT_BE_HAD = 77


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Four nodes of four pretended CPUs, arrays of at most 11, no accounting. Yields its folder."""
    if "PYTEST_XDIST_WORKER" in os.environ:  # a second cluster would mean that tests are not shared out as they should
        (tmp_path_factory.getbasetemp().parent / "cluster").touch(exist_ok=False)
    folder = Path(tempfile.mkdtemp(prefix="lbp-slurm-"))
    environment = {**os.environ, "LBP_PORT": str(_free_ports(5)), "LBP_NODE_TIMEOUT": "8"}
    up = subprocess.run([SCRIPTS / "one_machine_up.sh", folder], capture_output=True, text=True, env=environment)
    if up.returncode == CANNOT_BE_HAD:
        shutil.rmtree(folder)
        pytest.skip(f"no SLURM cluster on this machine: {up.stdout.strip()}")
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            yield folder
    finally:
        subprocess.run([SCRIPTS / "one_machine_down.sh", folder], check=False, capture_output=True)


def _free_ports(count: int) -> int:
    """The first of so many neighbouring ports that nobody listens on."""
    for first in range(20_000 + os.getpid() * count % 10_000, 32_000, count):  # below those of outgoing connections
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise RuntimeError("no free ports")
