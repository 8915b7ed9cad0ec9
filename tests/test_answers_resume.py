"""A stranger's run that buys answers of any form, stopped after any round, ends as one that was never stopped."""

import shutil

import pytest

from labelbench_plus.plugins import registry
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.run_store import RunStore
from tests.answered import MADE, Answered, ByHeart

NOTHING = 0.25  # money that buys nothing; what is left of it is kept


def carry(spec: RunSpec, root) -> RunStore:
    carry_out(Job.of(spec, Where(root, root / "cache")), lambda rounds: None)
    return RunStore(root, spec.id)


def outcome(store: RunStore) -> dict[str, bytes]:
    paths = [*sorted((store.folder / "rounds").iterdir()), store.folder / "result.json"]
    return {path.name: path.read_bytes() for path in paths}


def cut(whole: RunStore, rounds: int, root) -> None:
    """What was on disk of a run that was killed after so many rounds."""
    folder = RunStore(root, whole.id).folder
    shutil.copytree(whole.folder, folder)
    (folder / "result.json").unlink()
    for part in ("rounds", "costs"):
        for path in sorted((folder / part).iterdir())[rounds:]:
            path.unlink()


@pytest.mark.parametrize("silent", [0, 3], ids=["all answered", "some without answer"])
@pytest.mark.parametrize("amounts", [(5.0, NOTHING, 4.0), (NOTHING, 5.0, 4.0)], ids=["empty round", "empty start"])
@pytest.mark.parametrize("form", MADE)
def test_a_stopped_run_ends_with_the_bytes_of_one_never_stopped(tmp_path, form, amounts, silent):
    random = registry("strategies").build("random")
    spec = RunSpec(Answered(form, silent), ByHeart(), random, random, amounts, seed=0)
    whole = carry(spec, tmp_path / "whole")
    assert [len(record.purchase.items) for record in whole.rounds()] == [int(amount) for amount in amounts]
    for rounds in range(len(amounts) + 1):
        root = tmp_path / f"cut after {rounds}"
        cut(whole, rounds, root)
        assert outcome(carry(spec, root)) == outcome(whole)
