import pytest

from labelbench_plus.launchers import seconds
from labelbench_plus.sweep.profile import ProfileError, load_profile


@pytest.mark.parametrize(
    ("text", "value"),
    [("90s", 90), ("2h30m", 9000), ("1d", 86400), ("04:00:00", 14400), ("1-12:00:00", 129600), ("1h5s", 3605)],
)
def test_durations(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["10:30", "90", "", "h", "2 h", "1m2h"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


def faults(launcher, *overrides, suite=None):
    with pytest.raises(ProfileError) as caught:
        load_profile(launcher, suite or {}, overrides)
    return str(caught.value)


def test_bare_numbers_are_no_time():
    assert "90 could be minutes or seconds: write e.g. 2h30m" in faults("slurm", "time=90")
    assert "'10:30' is not a duration" in faults("slurm", "time=10:30")
    assert "time: is missing" in faults("slurm")


def test_what_is_wrong_is_named(tmp_path):
    assert "did you mean 'time'?" in faults("slurm", "time=1h", "tmie=2h")
    assert "unknown launcher 'slrm'; did you mean 'slurm'?" in faults("slrm")
    assert "looks like a secret" in faults("slurm", "time=1h", "setup=[export WANDB_API_KEY=123]")
    assert "write e.g. 16G" in faults("slurm", "time=1h", "memory=16 gigs")
    assert "pack.runs: unknown field" in faults("slurm", "time=1h", "pack.runs=3")
    assert "processes: expected at least 1 (got 0)" in faults("local", "processes=0")
    file = tmp_path / "cluster.yaml"
    file.write_text("name: slurm\ntime: 1h\ncpus: many\npack: {concurrent: 0}\ngpus: [1]\n")
    assert f"{file}:3:1: cpus: expected a whole number (got 'many')" in faults(str(file))
    assert f"{file}:4:8: pack.concurrent: expected at least 1 (got 0)" in faults(str(file))
    assert f"{file}:5:1: gpus: expected a whole number or a text" in faults(str(file))
    assert "cannot be read: No such file" in faults(str(tmp_path / "none.yaml"))
    assert "expected setting=value" in faults("slurm", "time")


def test_file_then_suite_then_command_line(tmp_path):
    file = tmp_path / "cluster.yaml"
    file.write_text("name: slurm\ntime: 1h\npartition: a\naccount: b\npack: {runs_per_job: 8}\n")
    suite = {"slurm": {"partition": "c", "pack": {"concurrent": 2}}, "local": {"processes": 3}}
    built = load_profile(str(file), suite, ["partition=d", "pack.runs_per_job=4"])
    assert (built.time, built.account, built.partition) == ("1h", "b", "d")
    assert (built.runs_per_job, built.concurrent) == (4, 2)
    assert load_profile("local", suite, ()).processes == 3
