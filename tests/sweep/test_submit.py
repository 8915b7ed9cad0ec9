import json

from labelbench_plus.launchers.slurm import Slurm
from labelbench_plus.sweep.folder import Sweep

SLURM = ("-l", "slurm", "--set", "time=1h")


def tree(folder):
    return {str(path): (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in folder.rglob("*")}


def test_arrays_are_cut_to_the_limit_and_submitting_again_adds_nothing(bench, shim):
    notes = shim(array=11)
    suite = bench.suite("cut", seeds="0..12")
    first = bench.submit(suite, *SLURM, "--max-parallel", 7)
    assert first.returncode == 0, first.stderr
    scripts = [(notes / "jobs" / str(n)).read_text() for n in (1, 2, 3)]
    assert [next(line for line in text.splitlines() if "--array" in line) for text in scripts] == [
        "#SBATCH --array=0-10%3",
        "#SBATCH --array=0-10%2",
        "#SBATCH --array=0-3%2",
    ]
    assert bench.status("cut")["counts"] == {"PENDING": 26}
    again = bench.submit(suite, *SLURM)
    assert again.returncode == 0
    assert "0 new" in again.stdout
    more = bench.submit(suite, "seeds=0..13", *SLURM)
    assert "to submit: 2 runs" in more.stdout
    assert len(list((notes / "jobs").iterdir())) == 4


def test_a_dry_run_shows_the_script_and_touches_nothing(bench, shim):
    suite = bench.suite("dry")
    before = tree(bench.folder)
    shown = bench.submit(suite, *SLURM, "--dry-run", "--json", env={"PATH": "/usr/bin/none"})
    assert shown.returncode == 0, shown.stderr
    assert tree(bench.folder) == before
    plan = json.loads(shown.stdout)
    assert [run["action"] for run in plan["runs"]] == ["submit"] * 4
    notes = shim()
    assert "nothing submitted" in bench.submit(suite, *SLURM, "--dry-run").stdout
    assert bench.submit(suite, *SLURM).returncode == 0
    assert (notes / "jobs" / "1").read_text() == plan["script"]


def test_a_dry_run_needs_neither_data_nor_weights(bench):
    """What would be submitted and what it costs is known by name; everything that is missing is told, once."""
    suite = bench.suite("absent")
    suite.write_text(f"""\
suite: absent
problems:
  - name: instruction_tuning
    prompts: {{name: hugging_face, folder: {bench.folder}/no_prompts, pool: 900}}
    base: {{name: causal, model: mine, weights: folder, folder: {bench.folder}/no_weights}}
trainers: [sft]
strategies: [random, k_center]
initial: null
budget: {{first: 40, batch: 30, rounds: 2}}
seeds: 0..2
""")
    before = tree(bench.folder)
    where = ("-l", "slurm", "--set", "time=2h", "--set", "gpus=1", "--only", "strategy=random")
    told = bench.submit(suite, *where, "--dry-run")
    assert told.returncode == 0, told.stderr
    assert "3 runs as 3 jobs" in told.stdout and "40, 30 a run" in told.stdout and "210 responses" in told.stdout
    assert "at most 6 GPU hours" in told.stdout and "ids are not known until" in told.stdout
    plan = json.loads(bench.submit(suite, *where, "--dry-run", "--json").stdout)
    assert [(run["strategy"], run["seed"], run["spends"]) for run in plan["runs"]] == [
        ("random", n, 70) for n in range(3)
    ]
    assert [name for text in plan["absent"] for name in ("no_prompts", "no_weights") if name in text] == [
        "no_prompts",
        "no_weights",
    ]
    assert "unknown" in bench.submit(suite, "--dry-run").stdout, "nothing limits local jobs"
    refused = bench.submit(suite, *where)
    assert refused.returncode == 2 and "no_prompts" in refused.stderr and not refused.stdout
    wrong = bench.submit(suite, "budget.first=901", *where, "--dry-run")
    assert wrong.returncode == 2 and "more than the whole pool" in wrong.stderr
    assert tree(bench.folder) == before


def test_an_outer_jobs_settings_do_not_leak(bench, shim, monkeypatch):
    notes = shim()
    for name in ("SLURM_CPU_BIND", "SBATCH_QOS", "PMI_RANK", "PMIX_ID", "SLURM_CONF", "HARMLESS"):
        monkeypatch.setenv(name, "outer")
    assert bench.submit(bench.suite("clean"), *SLURM).returncode == 0
    seen = {line.partition("=")[0] for line in (notes / "env").read_text().splitlines()}
    assert {"SLURM_CONF", "HARMLESS"} <= seen
    assert not {"SLURM_CPU_BIND", "SBATCH_QOS", "PMI_RANK", "PMIX_ID"} & seen


def test_a_refused_array_is_reported_with_what_went_in(bench, shim):
    shim(array=2, refuse_after=1)
    done = bench.submit(bench.suite("refused"), *SLURM)
    assert done.returncode == 1
    assert "violates accounting/QOS policy" in done.stderr
    assert "2 runs were not submitted" in done.stderr
    assert "scancel 1" in done.stderr
    assert bench.status("refused")["counts"] == {"PENDING": 2, "NEW": 2}


def test_a_scheduler_that_does_not_answer_is_neither_success_nor_failure(bench, shim):
    notes = shim()
    suite = bench.suite("silent")
    bench.submit(suite, *SLURM)
    (notes / "down").touch()
    found = bench.status("silent")
    assert found["counts"] == {"UNKNOWN": 4}
    assert found["scheduler"] == {"scheduler": "unavailable (states from files only)"}
    assert bench.lbp("resume", "silent").returncode == 4
    (notes / "down").unlink()
    (notes / "state").write_text("SOMETHING_NEW")
    assert bench.status("silent")["counts"] == {"PENDING": 4}
    (notes / "state").write_text("NODE_FAIL")
    found = bench.status("silent")
    assert found["counts"] == {"LOST": 4}
    assert found["runs"][0]["note"] == "the scheduler says NODE_FAIL"


def test_an_answer_that_was_never_noted_is_looked_up(bench, shim):
    notes = shim()
    suite = bench.suite("cut_off")
    bench.submit(suite, *SLURM)
    log = Sweep(bench.out, "cut_off").folder / "submissions.jsonl"
    lines = log.read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["intent", "ack"]
    log.write_text(lines[0] + "\n" + lines[1][:9])  # killed while it wrote the answer down
    assert bench.status("cut_off")["counts"] == {"PENDING": 4}
    again = bench.submit(suite, *SLURM)
    assert "job 1 had been submitted" in again.stdout
    assert "0 new" in again.stdout
    log.write_text(lines[0] + "\n")
    (notes / "jobs" / "1").unlink()  # killed before the scheduler was asked
    assert bench.status("cut_off")["counts"] == {"NEW": 4}
    again = bench.submit(suite, *SLURM)
    assert "never reached the scheduler" in again.stdout
    assert "to submit: 4 runs" in again.stdout


def test_only_one_submits_at_a_time(bench, shim):
    shim()
    suite = bench.suite("held")
    bench.submit(suite, *SLURM)
    lease = Sweep(bench.out, "held").hold()
    done = bench.submit(suite, "seeds=0..5", *SLURM)
    lease.release("finished")
    assert done.returncode == 3
    assert "is being submitted by process" in done.stderr


def test_cancelling_marks_first_and_asks_for_ranges(bench, shim):
    notes = shim()
    suite = bench.suite("ended", seeds="0..3")
    bench.submit(suite, *SLURM)
    assert bench.lbp("cancel", "ended", "--only", "strategy=margin", "--dry-run").returncode == 0
    assert not (notes / "cancelled").exists()
    assert bench.lbp("cancel", "ended", "--only", "strategy=margin").returncode == 0
    assert (notes / "cancelled").read_text() == "1_[1,3,5,7]\n"
    assert bench.status("ended")["counts"] == {"PENDING": 4, "CANCELLED": 4}
    assert "0 new" in bench.submit(suite, *SLURM).stdout
    back = bench.lbp("resume", "ended", "--cancelled")
    assert "to submit: 4 runs" in back.stdout
    assert bench.status("ended")["counts"] == {"PENDING": 8}


def test_what_may_be_said_about_money(bench, shim):
    shim()
    suite = bench.suite("dear")
    done = bench.submit(suite, *SLURM, "--set", "gpus=2", "--max-gpu-hours", 7.9)
    assert done.returncode == 2
    assert "8 hours are expected" in done.stderr
    done = bench.submit(suite, *SLURM, "--set", "gpus=2", "--max-gpu-hours", 7.9, "--yes")
    assert "at most 8 GPU hours" in done.stdout
    assert done.returncode == 0


def test_wrong_use_is_explained(bench):
    assert "no sweep 'none'" in bench.lbp("status", "none").stderr
    wrong = bench.submit(bench.suite("wrong"), "-l", "slurm")
    assert wrong.returncode == 2
    assert "time: is missing" in wrong.stderr
    assert "expected one of problem=..." in bench.submit(bench.suite("wrong"), "--only", "budget=3").stderr
    assert not bench.out.exists()


def ids(bench, name):
    return [run["run"] for run in bench.status(name)["runs"]]


def test_only_some_runs_are_submitted(bench, shim):
    shim()
    suite = bench.suite("some", "random, margin", seeds="0..3")
    assert "to submit: 2 runs" in bench.submit(suite, *SLURM, "--only", "strategy=margin", "--limit", 2).stdout
    states = [(run["strategy"], run["state"]) for run in bench.status("some")["runs"]]
    assert states.count(("margin", "PENDING")) == 2
    assert states.count(("random", "NEW")) == 4


def test_what_fails_alike_is_not_submitted_any_further(bench, shim, monkeypatch):
    notes = shim(array=5)
    monkeypatch.setattr("labelbench_plus.commands.sweep.handover.LOOK_AGAIN_SECONDS", 0)
    suite = bench.suite("alike", "random", seeds="0..19")
    assert bench.submit(suite, "seeds=0..14", *SLURM).returncode == 0
    (notes / "state").write_text("COMPLETED")
    runs, batches = ids(bench, "alike"), [each.id for each in Sweep(bench.out, "alike").submissions()]
    for number, run in enumerate(runs[:6]):
        bench.fail(run, f"ZeroDivisionError: {number}", batch=batches[number // 5])
    assert bench.submit(suite, "seeds=0..15", *SLURM).returncode == 0  # six are too few to judge by
    for number, run in enumerate(runs[6:10], start=6):
        bench.fail(run, f"ValueError: {number}", batch=batches[number // 5])
    stopped = bench.submit(suite, *SLURM)
    assert stopped.returncode == 1
    assert (
        "nothing submitted: 6 of 10 finished runs failed in the same way: ZeroDivisionError: 0 in some.py:7"
        in stopped.stderr
    )
    assert "--fail-fast 100" in stopped.stderr
    assert bench.submit(suite, *SLURM, "--dry-run").returncode == 1
    assert bench.submit(suite, "seeds=0..16", *SLURM, "--fail-fast", 60).returncode == 0
    assert "to submit: 13 runs" in bench.submit(suite, *SLURM, "--retry-failed").stdout


def test_a_submission_stops_half_way_when_its_first_runs_fail(bench, shim, monkeypatch):
    shim(array=11)
    suite = bench.suite("halfway", "random", seeds="0..32")
    planned = [run["run"] for run in json.loads(bench.submit(suite, *SLURM, "--dry-run", "--json").stdout)["runs"]]
    monkeypatch.setattr("labelbench_plus.commands.sweep.handover.LOOK_AGAIN_SECONDS", 0)
    submitted = Slurm.submit

    def fail_at_once(self, batch, parallel):
        for run in planned[:11]:
            bench.fail(run, "ZeroDivisionError: x", batch=batch.id)
        return submitted(self, batch, parallel)

    monkeypatch.setattr(Slurm, "submit", fail_at_once)
    (bench.folder / "shim" / "state").write_text("COMPLETED")
    done = bench.submit(suite, *SLURM)
    assert done.returncode == 1
    assert "submitted no further: 11 of 11 finished runs failed in the same way" in done.stderr
    assert "22 runs were not submitted" in done.stderr
    assert bench.status("halfway")["counts"] == {"FAILED": 11, "NEW": 22}


def test_nodes_that_died_are_left_out_from_then_on(bench, shim):
    notes = shim()
    suite = bench.suite("dying", "random", seeds="0..1")
    bench.submit(suite, *SLURM, "--set", "exclude=n1")
    (notes / "state").write_text("NODE_FAIL")
    (notes / "node").write_text("n17")
    (notes / "accounting").write_text(
        "9_0|NODE_FAIL|0:0|n3\n9_0|COMPLETED|0:0|n4\n9_1|CANCELLED by 7|0:0|None assigned\n"
    )
    again = bench.lbp("resume", "dying")
    assert "excluded: node n17, NODE_FAIL of job 1_1" in again.stdout
    assert "#SBATCH --exclude=n1,n17,n3\n" in (notes / "jobs" / "2").read_text()
    excluded = Sweep(bench.out, "dying").folder / "nodes_excluded.json"
    assert json.loads(excluded.read_text()) == {"n17": "NODE_FAIL of job 1_1", "n3": "NODE_FAIL of job 9_0"}
    excluded.write_text('{"n17": null, "n3": "as before"}')
    bench.lbp("resume", "dying")
    assert "#SBATCH --exclude=n1,n3\n" in (notes / "jobs" / "3").read_text()


def test_accounting_adds_what_the_scheduler_forgot(bench, shim):
    notes = shim()
    suite = bench.suite("forgotten", "random", seeds="0..2")
    bench.submit(suite, *SLURM)
    (notes / "forgotten").touch()
    assert {run["note"] for run in bench.status("forgotten")["runs"]} == {
        "the scheduler no longer knows its job, which never started it"
    }
    (notes / "accounting").write_text("1_0|OUT_OF_MEMORY|0:9|n3\n1_1|FAILED|2:0|n4\n")
    found = bench.status("forgotten")
    assert found["counts"] == {"LOST": 3}
    assert [run["note"] for run in found["runs"]] == [
        "the scheduler says OUT_OF_MEMORY on n3, killed by signal 9",
        "the scheduler says FAILED on n4, exit code 2",
        "the scheduler no longer knows its job, which never started it",
    ]


def test_runs_that_learn_from_the_same_labels_share_a_job(bench, shim):
    shim()
    suite = bench.suite("proxied", "random, margin", seeds="[0]")
    text = suite.read_text().replace("[centroids]", "[centroids, logistic_regression]\nproxy: logistic_regression")
    suite.write_text(text)
    assert bench.submit(suite, *SLURM, "--set", "pack.runs_per_job=2").returncode == 0
    (submission,) = Sweep(bench.out, "proxied").submissions()
    found = {run.id: run for run in Sweep(bench.out, "proxied").runs()}
    assert [{found[run].strategy for run in task} for task in submission.tasks] == [{"random"}, {"margin"}]
