import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from typer.testing import CliRunner

import tests.telling  # noqa: F401 registers what a suite may name
from labelbench_plus import cli
from labelbench_plus.api import run_details
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store import packing, run_store
from labelbench_plus.store.archive import restore_archive
from labelbench_plus.store.collect import collect
from labelbench_plus.store.layout import find_run, is_done, packed_run, run_files
from labelbench_plus.store.lease import acquire
from labelbench_plus.store.packing import pack, unpack
from labelbench_plus.store.packs import Pack
from labelbench_plus.store.readable import PackError
from labelbench_plus.store.run_store import RunStore, StoreError
from labelbench_plus.suite import load_suite
from labelbench_plus.sweep.folder import Sweep, SweepRun
from tests.store.killed_packs import tree

TOLD = """\
suite: told
problems: [{name: telling, says: details}]
trainers: [share]
strategies: [random]
budget: {first: 10, batch: 5, rounds: 3}
seeds: 0..2
"""


SETTINGS = {"plugins": [], "launcher": {"name": "local"}, "allow_code_drift": True}


@pytest.fixture
def out(tmp_path):
    """Three finished runs, with details; the last says no word about its end, as after a full disk."""
    (tmp_path / "told.yaml").write_text(TOLD)
    for spec in load_suite(tmp_path / "told.yaml").runs():
        assert carry_out(Job.of(spec, Where(tmp_path / "out", tmp_path / "cache")), lambda rounds: None) == "finished"
    attempt = tmp_path / "out" / "runs" / spec.id / "attempts" / "0001.json"
    said = json.loads(attempt.read_bytes())
    attempt.write_text(json.dumps({name: value for name, value in said.items() if name != "ended"}))
    os.utime(attempt, (0, 0))
    return tmp_path / "out"


@pytest.fixture
def runs(out):
    return sorted(path.name for path in (out / "runs").iterdir())


def lbp(*arguments):
    done = CliRunner().invoke(cli.app, [str(each) for each in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_packed_runs_come_back_with_every_byte_and_date(out, runs):
    before = tree(out / "runs")
    assert any(name.endswith(".json.gz") for name in before)
    moved = pack(out, runs)
    assert (moved.runs, moved.files, moved.left) == (3, len(before), {})
    assert [*(out / "runs").iterdir()] == []
    assert [path.name for path in (out / "packed").glob("*.zip")] == ["0001.zip"]
    assert pack(out, runs).runs == 0
    assert unpack(out).runs == 3
    assert tree(out / "runs") == before
    assert not [*(out / "packed").glob("*.zip")]


def test_standard_tools_open_a_pack_and_the_same_runs_give_the_same_bytes(out, runs):
    copy = out.with_name("copy")
    shutil.copytree(out, copy)
    result = (out / "runs" / runs[0] / "result.json").read_text()
    pack(out, runs)
    pack(copy, reversed(runs))
    first = out / "packed" / "0001.zip"
    assert first.read_bytes() == (copy / "packed" / "0001.zip").read_bytes()
    with zipfile.ZipFile(first) as file:
        assert file.namelist() == [f"{run}.json" for run in runs]
        assert json.loads(file.read(f"{runs[0]}.json"))["result.json"]["text"] == result


def test_every_command_says_the_same_of_folders_and_packs(suite_file, tmp_path):
    suite, out = suite_file(), tmp_path / "out"
    loaded = load_suite(suite)
    specs = loaded.runs()
    for spec in specs:
        carry_out(Job.of(spec, Where(out, tmp_path / "cache")), lambda rounds: None)
    (out / "runs" / specs[0].id / "attempts" / "0001.log").write_text("one line\nand another\n")
    sweep = Sweep(out, loaded.suite)
    sweep.folder.mkdir(parents=True)
    sweep.add_runs(map(SweepRun.of, specs))
    (sweep.folder / "sweep.json").write_text(json.dumps(SETTINGS))
    first, at = specs[0].id, ("--out", out)

    def said():
        (sweep.folder / ".index.json").unlink(missing_ok=True)
        folder = tmp_path / "made"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        commands = [
            ("run", suite, *at),
            ("run", suite, *at, "--dry-run"),
            ("leaderboard", suite, *at),
            ("show", first[:8], *at),
            ("show", out / "runs" / first),
            ("sweep", "status", "small", *at),
            ("sweep", "status", "small", *at),  # from what the first one kept
            ("sweep", "status", "small", "--runs", *at),
            ("sweep", "collect", "small", "--to", folder / "rounds.csv", "--strict", *at),
            ("sweep", "logs", first[:6], *at),
            ("sweep", "submit", suite, "--launcher", "local", "--yes", "--allow-code-drift", *at),
            ("sweep", "resume", "small", "--yes", "--allow-code-drift", *at),
            ("publish", suite, folder / "published", "--details", *at),
            ("replay", first, "--trainer", "logistic_regression", *at),
            ("export", first, "--sft", folder / "bought.jsonl", *at),
        ]
        told = [lbp(*each) for each in commands]
        return told, {name: content for name, (content, _) in tree(folder).items()}

    told, files = said()
    assert [code for code, _ in told] == [0] * 13 + [2, 2], told  # replay of the same trainer; pixels are no text
    lbp("pack", suite, *at)
    assert [*(out / "runs").iterdir()] == []
    again, made = said()
    where = str(out / "packed" / "0001.zip")  # logs say where they lie
    assert [(code, text.replace(where, str(out / "runs"))) for code, text in again] == told
    assert made == files
    assert [*(out / "runs").iterdir()] == []
    assert "4 runs unpacked" in lbp("unpack", suite, *at)[1]
    assert said() == (told, files)


def parts(store):
    """All that a store says of its run, with arrays in words."""
    return repr((store.config(), store.manifest(), store.result(), store.rounds(), store.costs(), store.head()))


def test_python_reads_packed_runs(out, runs):
    store = RunStore(out, runs[0])
    before = parts(store)
    details = {name: table.to_dict() for name, table in run_details(runs[0], out).items()}
    assert details
    pack(out, runs)
    assert parts(store) == before
    assert {name: table.to_dict() for name, table in run_details(runs[0], out).items()} == details
    assert find_run(out, runs[0][:9]) == out / "runs" / runs[0]


def test_what_is_not_a_finished_run_and_nothing_else_stays_a_folder(out, runs, tmp_path):
    spec = load_suite(tmp_path / "told.yaml", ["seeds=[7]"]).runs()[0]
    (out / "runs" / spec.id / "rounds").mkdir(parents=True)
    (out / "runs" / runs[0] / "model").mkdir()
    (out / "runs" / runs[0] / "model" / "weights.bin").write_bytes(b"large")
    (out / "runs" / runs[1] / "wandb").symlink_to(tmp_path)
    last = out / "runs" / runs[2] / "rounds" / "0002.json"
    whole = last.read_bytes()
    last.write_bytes(whole.replace(b'"spent":', b'"spent": '))
    code, said = lbp("pack", "--out", out)
    assert code == 0 and "0 runs packed" in said
    for run, why in (
        (spec.id, "not finished"),
        (runs[0], "hold model"),
        (runs[1], "hold wandb"),
        (runs[2], "contradict"),
    ):
        assert any(why in line and run in line for line in said.splitlines()), said
    last.write_bytes(whole)
    lease = acquire(out / "runs" / runs[2] / "attempts")
    try:
        assert pack(out, runs).left["held by a process"] == [runs[2]]
    finally:
        lease.release("finished")
    assert pack(out, runs).runs == 1
    assert packed_run(out, runs[2]) is not None and packed_run(out, runs[0]) is None


def test_a_run_that_changes_while_it_is_packed_stays_a_folder_and_counts(out, runs, monkeypatch):
    write, note = packing.write_pack, out / "runs" / runs[1] / "attempts" / "0001.log"

    def slow(path, found):
        write(path, found)
        note.write_text("late")

    monkeypatch.setattr(packing, "write_pack", slow)
    moved = pack(out, runs)
    assert moved.runs == 2 and moved.left == {"something came to them meanwhile": [runs[1]]}
    assert (run_files(out, runs[1]) / "attempts" / "0001.log").read_bytes() == b"late"
    monkeypatch.undo()
    assert pack(out, runs).runs == 1
    assert (run_files(out, runs[1]) / "attempts" / "0001.log").read_bytes() == b"late"
    unpack(out)
    assert note.read_text() == "late"


def test_some_runs_are_unpacked_and_the_others_stay(out, runs, tmp_path):
    before = tree(out / "runs")
    pack(out, runs[:2])
    pack(out, runs)
    assert [path.name for path in sorted((out / "packed").glob("*.zip"))] == ["0001.zip", "0002.zip"]
    chosen = {spec.id for spec in load_suite(tmp_path / "told.yaml", ["seeds=[0]"]).runs()}
    assert "1 run unpacked" in lbp("unpack", tmp_path / "told.yaml", "seeds=[0]", "--out", out)[1]
    assert {path.name for path in (out / "runs").iterdir()} == chosen
    assert all(is_done(out, run) for run in runs)
    assert [run for run in runs if packed_run(out, run) is None] == sorted(chosen)
    shutil.rmtree(out / "runs" / min(chosen))
    assert not is_done(out, min(chosen))  # no pack kept a copy
    unpack(out)
    assert tree(out / "runs") == {name: kept for name, kept in before.items() if name[:16] not in chosen}


def test_who_packs_is_alone(out, runs):
    (out / "packed" / "packers").mkdir(parents=True)
    lease = acquire(out / "packed" / "packers")
    try:
        for command in ("pack", "unpack"):
            code, said = lbp(command, "--out", out)
            assert code == 3 and "packed is being written to by process" in said
    finally:
        lease.release("finished")
    assert lbp("pack", "--out", out)[0] == 0


def test_nothing_is_written_to_a_packed_run(out, runs, tmp_path):
    pack(out, runs)
    spec = load_suite(tmp_path / "told.yaml").runs()[0]
    job = Job.of(spec, Where(out, tmp_path / "cache"))
    assert carry_out(job, lambda rounds: None) == "already done"
    with pytest.raises(StoreError, match=r"packed/0001.zip/\w+: the run is packed.* first lbp unpack SUITE --out"):
        RunStore(out, spec.id).open(spec, {})
    assert [*(out / "runs").iterdir()] == []


def test_a_run_that_is_packed_while_it_is_read_is_read_again(out, runs, monkeypatch):
    store = RunStore(out, runs[0])
    before = parts(store)
    look, packed = run_store.numbered, []

    def late(folder):
        if not packed:  # the folder was found, and is gone before it is listed
            packed.append(True)
            assert pack(out, runs).runs == 3
        return look(folder)

    monkeypatch.setattr(run_store, "numbered", late)
    assert len(store.rounds()) == 3
    assert packed and not store.folder.exists() and parts(store) == before


def test_a_torn_result_beside_a_pack_is_neither_read_nor_packed(out, runs):
    store = RunStore(out, runs[0])
    before = parts(store)
    pack(out, runs)
    store.folder.mkdir()
    (store.folder / "result.json").write_text('{"run":')
    assert store.done and parts(store) == before
    assert pack(out, runs).runs == 0 and parts(store) == before
    with pytest.raises(StoreError, match=r"result.json differs from what .*0001.zip holds"):
        unpack(out)
    assert parts(store) == before


def test_archives_restore_beside_packs(out, runs, tmp_path):
    suite, archive = load_suite(tmp_path / "told.yaml"), tmp_path / "published" / "runs.jsonl.gz"
    assert lbp("publish", tmp_path / "told.yaml", archive.parent, "--details", "--out", out)[0] == 0
    pack(out, runs)
    assert restore_archive(archive, out) == 3
    assert [*(out / "runs").iterdir()] == []
    assert len(collect(suite.suite, suite.runs(), out).curves) == 9


def test_a_damaged_pack_is_named_and_stops_what_would_compute_its_runs_again(out, runs, tmp_path, capsys, monkeypatch):
    pack(out, runs)
    path = out / "packed" / "0001.zip"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(sys, "argv", ["lbp", "run", str(tmp_path / "told.yaml"), "--out", str(out)])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert f"{path}: no whole zip file" in (said := capsys.readouterr().err) and "get the file again" in said
    position = whole.index(runs[0].encode()) + 100  # in what the first run was compressed to
    path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
    with pytest.raises(PackError, match=rf"0001.zip: run {runs[0]} cannot be read"):
        RunStore(out, runs[0]).rounds()
    found = collect("told", load_suite(tmp_path / "told.yaml").runs(), out)
    assert [line[:16] for line in found.invalid] == [runs[0]] and found.curves["run_id"].nunique() == 2


@pytest.mark.parametrize(
    "name", ["../../x.json", "/x", "rounds/../../x", "rounds/..", "model/x", "rounds\\x", "x.json"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    path, run = tmp_path / "out" / "packed" / "0001.zip", "0123456789abcdef"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{run}.json", json.dumps({name: {"changed": 0, "text": ""}}))
    with pytest.raises(PackError, match="is no file of a run"):
        unpack(tmp_path / "out")
    assert not (tmp_path / "x.json").exists() and not (tmp_path / "out" / "runs" / run).exists()


def test_members_that_are_no_runs_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "0001.zip", "w") as file:
        file.writestr("../0123456789abcdef.json", "{}")
    with pytest.raises(PackError, match="is no run"):
        Pack(tmp_path / "0001.zip")


def test_killed_at_every_step(out):
    command = [sys.executable, "-m", "tests.store.killed_packs", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    kills = json.loads(done.stdout)
    assert kills["pack"] > 100 and kills["unpack"] > 50
