"""What a profile may say to SLURM, what becomes of it in a job script, and what other programs' answers may hold."""

import subprocess
from pathlib import Path

import pytest

from labelbench_plus.contracts.launchers import Batch, SchedulerError, SubmissionUnclear
from labelbench_plus.launchers._secrets import tells_a_secret
from labelbench_plus.sweep import scheduled
from labelbench_plus.sweep.folder import Sweep
from labelbench_plus.sweep.profile import ProfileError, load_profile
from labelbench_plus.sweep.submit import heal
from tests.docs.pages import blocks


def slurm(*settings):
    return load_profile("slurm", {}, ["time=1h", *settings])


def script(tmp_path, *settings):
    batch = Batch("small", "b0001-0", 3, tmp_path / "b.jsonl", tmp_path / "jobs")
    return slurm(*settings).script(batch, None).splitlines()


def refused(*settings):
    with pytest.raises(ProfileError) as caught:
        slurm(*settings)
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("array", "time", "comment", "job-name", "output", "error", "signal", "requeue", "no-requeue", "open-mode"),
        *(
            "nodes",
            "ntasks",
            "wrap",
            "parsable",
            "clusters",
            "partition",
            "mem",
            "mem-per-gpu",
            "gpus",
            "gpus-per-node",
        ),
        *("job_name", "--array", "arr", "tim", "t", "J", "M"),
    ],
)
def test_what_is_set_elsewhere_is_refused_however_it_is_spelt(name):
    assert "cannot be given here" in refused(f"options={{{name}: x}}")


def test_other_options_reach_the_script_with_a_value_or_without(tmp_path):
    options = "options={exclusive: true, contiguous: , licenses: '', hold: false, nice: 1, gres: 'nvme:1'}"
    lines = script(tmp_path, options)
    assert "--ntasks=1" in lines[-1]  # srun starts as many as a node has cores, of one that a job has for itself
    for line in ("exclusive", "contiguous", "licenses", "nice=1", "gres=nvme:1"):
        assert f"#SBATCH --{line}" in lines
    assert not [line for line in lines if "hold" in line or "wckey" in line]


@pytest.mark.parametrize(
    ("gpus", "number", "line"),
    [
        ("2", 2, "--gpus-per-node=2"),
        ("a100:2", 2, "--gpus-per-node=a100:2"),
        ("a100", 1, "--gpus-per-node=a100"),
        ("'a100:1,v100:2'", 3, "--gpus-per-node=a100:1,v100:2"),
        ("gpu:a100:4", 4, "--gres=gpu:a100:4"),
        ("0", 0, ""),
    ],
)
def test_gpus_in_each_form(tmp_path, gpus, number, line):
    assert slurm(f"gpus={gpus}").gpus_per_job == number
    lines = [each.partition(" ")[2] for each in script(tmp_path, f"gpus={gpus}") if each.startswith("#SBATCH --g")]
    assert lines == ([line] if line else [])


def test_a_gres_beside_gpus_asks_for_both(tmp_path):
    assert "#SBATCH --gres=gpu:a100:1,nvme:2" in script(tmp_path, "gpus=gpu:a100:1", "options={gres: 'nvme:2'}")
    assert "names no GPUs" in refused("gpus=2 a100")
    assert "mixes two forms" in refused("gpus='a100:1,gpu:v100:1'")


def test_lists_and_other_memories(tmp_path):
    lines = script(tmp_path, "partition=[preempt, normal]", "exclude=[n1, n2]", "memory_per_cpu=4G")
    for line in ("partition=preempt,normal", "exclude=n1,n2", "mem-per-cpu=4G"):
        assert f"#SBATCH --{line}" in lines
    assert "name one of them" in refused("memory=4G", "memory_per_cpu=4G")
    assert "no `gpus` are asked for" in refused("memory_per_gpu=4G")


def test_a_prefix_is_words_of_its_own_and_an_interpreter_is_one_file(tmp_path):
    said = "apptainer exec --nv '/shared/my images/a.sif'"
    line = script(tmp_path, f'prefix="{said}"', "python=python3")[-1]
    assert f"{said} python3 -u -m labelbench_plus.sweep.task" in line
    assert "as `prefix`" in refused("python=apptainer exec a.sif python")
    built = slurm(f'prefix="{said}"')
    assert built == slurm(f"prefix={['apptainer', 'exec', '--nv', '/shared/my images/a.sif']}")


def test_a_percent_sign_in_the_folder_is_not_slurms_to_expand(tmp_path):
    lines = script(tmp_path / "100%j %A done", "gpus=1")
    named = [line for line in lines if "--output" in line]
    assert len(named) == 2 and all("/100%%j %%A done/jobs/%A_%a_" in line for line in named)
    assert f"{tmp_path}/100%j %A done/b.jsonl" in lines[-1]


SLURM = Path(__file__).parents[2] / "slurm"
EXAMPLES = [block.text for block in blocks((SLURM / "README.md").read_text()) if block.language == "yaml"]


@pytest.mark.parametrize("text", [*EXAMPLES, (SLURM / "gpu_cluster.yaml").read_text()])
def test_the_profiles_that_are_shown_work(tmp_path, text):
    (tmp_path / "cluster.yaml").write_text(text)
    built = load_profile(str(tmp_path / "cluster.yaml"), {}, ())
    assert "srun" in built.script(Batch("small", "b1", 3, tmp_path / "b.jsonl", tmp_path / "jobs"), None)


TOLD = [
    "export HF_TOKEN=hf_abcdefghijklmnopqrstuv",
    "export WANDB_API_KEY=0123456789",
    "AWS_SECRET_ACCESS_KEY='x'",
    'curl -H "Authorization: Bearer abcdefgh12345" https://example.org',
    'curl -H "X-Api-Key: abc"',
    "wandb login 0123456789012345678901234567890123456789",
    "git clone https://me:pass@example.org/x.git",
    "mysql --password hunter2",
    "huggingface-cli login --token hf_abcdefghijklmnopqrst",
    "db_password=hunter2",
    "echo sk-abcdefghijklmnopqrstuvwx",
]
HARMLESS = [
    "export TOKENIZERS_PARALLELISM=false",
    "export HF_TOKEN=$(cat ~/.hf_token)",
    "export WANDB_API_KEY=$MY_KEY",
    "export HF_TOKEN_PATH=/home/me/token",
    "export MAX_TOKENS=100",
    "export http_proxy=http://proxy.example.org:3128",
    "module load cuda/12.4",
    "source /shared/me/venv/bin/activate",
    "export KEYBOARD=us PATH=$HOME/bin:$PATH",
    "export HF_HUB_DISABLE_IMPLICIT_TOKEN=true",
]


@pytest.mark.parametrize("line", TOLD)
def test_a_secret_is_refused_and_not_repeated(line):
    message = refused(f"setup={[line]}")
    assert "looks like a secret" in message and "hunter2" not in message


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_no_secret_is_let_through(line):
    assert not tells_a_secret(line)


NOTICE = "*** Maintenance on Friday | from 8:00 ***"


def test_a_notice_among_the_answers_is_passed_over_and_counted(bench, shim):
    notes = shim()
    suite = bench.suite("noticed")
    bench.submit(suite, "-l", "slurm", "--set", "time=1h")
    queue = notes / "bin" / "squeue"
    queue.write_text(queue.read_text().replace("#!/bin/bash\n", f"#!/bin/bash\necho '{NOTICE}'; echo\n"))
    (notes / "accounting").write_text(f"{NOTICE}\n1_0|FAILED|1:0|n1\n")
    found = bench.status("noticed")
    assert found["counts"] == {"PENDING": 4}
    assert found["scheduler"]["scheduler"] == "ok, 1 line of something else passed over"
    assert bench.lbp("resume", "noticed").returncode == 0
    assert slurm().remembered("noticed", ["1"]).keys() == {("1", 0)}


def test_a_job_that_was_taken_though_sbatch_timed_out_is_counted(bench, shim):
    notes = shim()
    batches = notes / "bin" / "sbatch"
    lost = batches.read_text() + "\necho 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1\n"
    batches.write_text(lost)
    done = bench.submit(bench.suite("slow"), "-l", "slurm", "--set", "time=1h")
    assert done.returncode == 0 and "job 1: 4 jobs" in done.stdout
    assert bench.status("slow")["counts"] == {"PENDING": 4}
    (notes / "down").touch()
    unclear = bench.submit(bench.folder / "slow.yaml", "seeds=0..2", "-l", "slurm", "--set", "time=1h")
    assert unclear.returncode == 1 and "whether it went in is asked" in unclear.stderr
    (notes / "down").unlink()
    again = bench.submit(bench.folder / "slow.yaml", "seeds=0..2", "-l", "slurm", "--set", "time=1h")
    assert "job 2 had been submitted" in again.stdout and "0 new" in again.stdout
    assert len(list((notes / "jobs").iterdir())) == 2


def test_a_job_that_turns_up_after_it_was_given_up_is_found_again(bench, shim):
    notes = shim()
    bench.submit(bench.suite("late"), "-l", "slurm", "--set", "time=1h")
    sweep = Sweep(bench.out, "late")
    (sent,) = sweep.submissions()
    log = sweep.folder / "submissions.jsonl"
    log.write_text(log.read_text().splitlines()[0] + "\n")
    (notes / "forgotten").touch()
    assert "never reached" in heal(sweep)[0]
    (notes / "forgotten").unlink()
    assert "job 1 had been submitted" in heal(sweep)[0]
    assert sweep.submissions() == [sent] and not heal(sweep)


@pytest.mark.parametrize(
    ("words", "kind"),
    [("Socket timed out on send/recv operation", SubmissionUnclear), ("Invalid account", SchedulerError)],
)
def test_what_was_refused_and_what_is_not_known_are_told_apart(shim, tmp_path, words, kind):
    notes = shim()
    (notes / "bin" / "sbatch").write_text(f"#!/bin/bash\necho 'sbatch: error: {words}' >&2; exit 1\n")
    with pytest.raises(SchedulerError, match=words[:7]) as caught:
        slurm().submit(Batch("small", "b1", 1, tmp_path / "b.jsonl", tmp_path / "jobs"), None)
    assert caught.type is kind


def test_the_number_of_a_job_is_read_from_its_own_line(shim, tmp_path):
    notes = shim()
    (notes / "bin" / "sbatch").write_text("#!/bin/bash\necho see job 99 of the news; echo Submitted batch job 17\n")
    assert slurm().submit(Batch("small", "b1", 1, tmp_path / "b.jsonl", tmp_path / "jobs"), None) == "17"


def test_a_refused_requeue_is_told(monkeypatch, capsys):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr(scheduled, "REQUEUE_SECONDS", 0.0)
    answers = [subprocess.CompletedProcess([], 1, "", "Requested operation is presently disabled\n")] * 3
    monkeypatch.setattr(scheduled.subprocess, "run", lambda *a, **k: answers.pop())
    assert scheduled.requeue() is False and not answers
    assert "job 7 cannot go back into the queue: Requested operation is presently disabled" in capsys.readouterr().out
    answers.append(subprocess.CompletedProcess([], 0, "", ""))
    assert scheduled.requeue() is True


def test_the_doctor_says_what_there_is(shim):
    notes = shim()
    (notes / "bin" / "scontrol").write_text(
        '#!/bin/bash\n[ "$1" = -o ] && echo "PartitionName=gpu X=1" || echo "MaxArraySize = 11"\n'
    )
    (notes / "bin" / "sinfo").write_text("#!/bin/bash\necho 'gpu:a100:4(S:0)'\n")
    (notes / "bin" / "sinfo").chmod(0o755)
    found = {what: (well, words) for what, well, words in slurm("partition=[gpu, gpus]", "gpus=h100:1").doctor()}
    assert found["partition gpu"] == (True, "there")
    assert found["partition gpus"] == (False, "not there; there are gpu")
    assert found["GPUs h100"] == (False, "not there; there are a100")
