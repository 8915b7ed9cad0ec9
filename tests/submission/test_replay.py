"""Replaying: an honest submission comes out again to the last bit; scores and choices that were made up do not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard.badges import read_badges, read_rounds
from labelbench_plus.plugins import registry
from labelbench_plus.submission import replay as replay_module
from labelbench_plus.submission.check import check
from labelbench_plus.submission.replay import replay
from labelbench_plus.submission.sample import Sample, draw
from tests.submission.bundles import chained, lines_of, write_lines

PATIENT = ("--seconds", "100")  # the check before it: a busy machine takes longer than the six it has by itself


@pytest.fixture
def alike(monkeypatch):
    """Makes this process take every manifest for its own, or (`False`) for that of another machine."""

    def make(same):
        machine = replay_module.machine

        def pretended(device):
            return {**machine(device), "code": {"commit": "c" * 40, "dirty": None}, "cpu": "here"}

        monkeypatch.setattr(replay_module, "machine", pretended)
        return {**pretended("cpu"), **({} if same else {"cpu": "elsewhere"})}

    return make


def as_if_from(checked, manifest):
    runs = tuple({**run, "manifest": {**run["manifest"], **manifest}} for run in checked.runs)
    return replace(checked, runs=runs)


def test_what_is_honest_comes_out_to_the_last_bit(bundle, place, alike):
    checked = as_if_from(check(bundle, place), alike(True))
    sample = draw(checked.specs, cells=4, whole=1, rng=np.random.default_rng(0))
    assert len(sample.cells) == len(sample.choices) == 4 and len(sample.whole) == 1
    told = []
    done = replay(checked.runs, checked.specs, sample, place, told=lambda n, of: told.append((n, of)))
    assert not done.findings and told[-1] == (9, 9)
    assert set(done.replayed) == {run for run, _ in (*sample.cells, *sample.choices)}
    assert done.rerun == {sample.whole[0]: ["ran again whole, equal to the last bit"]}


def test_every_round_of_every_run_can_be_chosen_again(bundle, place, alike):
    checked = as_if_from(check(bundle, place), alike(True))
    choices = tuple((run, number) for run in sorted(checked.specs) for number in (1, 2))
    done = replay(checked.runs, checked.specs, Sample((), choices, ()), place)
    assert not done.findings and len(done.replayed) == 4


def doctored(bundle, change):
    lines = lines_of(bundle)
    line = next(line for line in lines if line["config"]["strategy"]["name"] == "margin")
    change(line)
    chained(line)
    write_lines(bundle, lines)
    return line["run"]


def better(line):
    line["rounds"][1]["scores"]["accuracy"] += 0.05


def slightly_better(line):
    line["rounds"][1]["scores"]["macro_f1"] += 0.001


def test_scores_that_were_made_up_are_found_anywhere(bundle, place, alike):
    run = doctored(bundle, better)
    (bundle / "curves.csv").unlink()
    checked = as_if_from(check(bundle, place), alike(False))
    done = replay(checked.runs, checked.specs, Sample(((run, 1),), (), ()), place)
    (finding,) = done.findings
    assert (finding.run, finding.field, finding.warning) == (run, "rounds.1.scores.accuracy", False)
    assert "not what comes out when it is retrained" in str(finding) and "within 0.01" in finding.expected
    assert not done.replayed


def test_a_small_difference_counts_only_on_the_runs_own_machine(bundle, place, alike):
    run = doctored(bundle, slightly_better)
    checked = check(bundle, place)
    cell = Sample(((run, 1),), (), ())
    elsewhere = as_if_from(checked, alike(False))
    assert all(finding.warning for finding in replay(elsewhere.runs, checked.specs, cell, place).findings)
    here = as_if_from(checked, alike(True))
    (finding,) = replay(here.runs, checked.specs, cell, place).findings
    assert "to the last bit: same code and machine" in finding.expected
    assert replay(elsewhere.runs, checked.specs, cell, place, tolerance=0.0001).findings


def another_choice(line):
    """Round 2 buys other items, at their true labels, and says so consistently."""
    taken = {item for record in line["rounds"] for item in record["purchase"]["items"]}
    bought = line["rounds"][2]["purchase"]
    bought["items"] = [item for item in range(200) if item not in taken][:10]


@pytest.mark.parametrize("same", [True, False])
def test_items_that_the_strategy_would_not_choose_are_found(bundle, place, alike, same):
    run = doctored(bundle, another_choice)
    checked = as_if_from(check(bundle, place), alike(same))
    specs = checked.specs
    for sample, how in ((Sample((), ((run, 2),), ()), "chosen again"), (Sample((), (), (run,)), "run again")):
        done = replay(checked.runs, specs, sample, place)
        finding = done.findings[0]
        assert f"% of the items come when the round is {how}" in finding.what
        assert finding.warning is not same  # elsewhere one rounding can turn one item into another
        assert not done.replayed and not done.rerun


def test_a_sample_is_drawn_from_its_generator_alone(bundle, place):
    specs = check(bundle, place).specs
    first, again, other = (draw(specs, 5, 2, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again != other
    assert len(set(first.cells)) == 5
    everything = draw(specs, 1000, 1000, np.random.default_rng(0))
    assert len(everything.cells) == 12 and len(everything.whole) == 4


def test_the_command_records_what_was_done(bundle):
    # Two runs' code may be that of this process, or not: enough cells are drawn for either.
    command = ["submission", "replay", str(bundle), "--cells", "12", "--whole", "1", "--record", "--json", *PATIENT]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert "12 of 12 cells, 8 choices, 1 whole runs; of scores altered beyond" in told["told"] and told["agreed"]
    badges = read_badges(bundle)
    assert sorted(set(badges.values())) == ["re-run", "replayed"]
    assert len(badges) == 4 and list(badges.values()).count("re-run") == 1
    again = read_rounds(bundle)
    assert {str(again[run]) for run in badges} == {"3 of 3 rounds trained again, 2 chosen again"}


@pytest.mark.slow
def test_nobody_chooses_the_sample_that_earns_a_badge(bundle, monkeypatch):
    command = ["submission", "replay", str(bundle), "--cells", "2", *PATIENT]
    done = CliRunner().invoke(app, [*command, "--seed", "5", "--record"])
    assert done.exit_code == 2 and "a sample that could not be known in advance" in done.stderr
    assert not (bundle / "badges.json").exists()
    told = [CliRunner().invoke(app, command).stdout.splitlines()[-1].partition(": ")[2] for _ in range(2)]
    assert told[0].startswith("seed ") and told[0].partition(":")[0] != told[1].partition(":")[0]
    seed = told[0].partition(":")[0].removeprefix("seed ")
    assert CliRunner().invoke(app, [*command, "--seed", seed]).stdout.splitlines()[-1].endswith(told[0])


def test_too_few_cells_earn_nothing_on_another_machine(bundle, place, alike):
    checked = as_if_from(check(bundle, place), alike(False))
    few = draw(checked.specs, 4, 0, np.random.default_rng(0))
    done = replay(checked.runs, checked.specs, few, place)
    assert not done.replayed and all(finding.warning for finding in done.findings)
    assert "too few cells were retrained" in str(done.findings[0]) and done.findings[0].expected == "at least 8"
    enough = draw(checked.specs, 8, 0, np.random.default_rng(0))
    done = replay(checked.runs, checked.specs, enough, place)
    assert not done.findings and set(done.replayed) == {run for run, _ in enough.cells}
    here = as_if_from(checked, alike(True))
    assert replay(here.runs, checked.specs, few, place).replayed  # to the last bit, one is enough


def test_what_does_not_pass_the_check_is_not_replayed(bundle):
    doctored(bundle, better)
    done = CliRunner().invoke(app, ["submission", "replay", str(bundle), "--cells", "1", "--record", *PATIENT])
    assert done.exit_code == 1 and "not replayed: it does not pass the check" in done.stdout
    assert not (bundle / "badges.json").exists()


def test_a_training_that_diverges_here_is_a_finding(bundle, place, alike, monkeypatch):
    checked = as_if_from(check(bundle, place), alike(True))
    trainer = registry("trainers").load("logistic_regression")
    fit = trainer.fit

    def diverged(self, data, streams, previous):
        model = fit(self, data, streams, previous)
        whole = model.probabilities
        object.__setattr__(model, "probabilities", lambda features: whole(features) * float("nan"))
        return model

    monkeypatch.setattr(trainer, "fit", diverged)
    run = min(checked.specs)
    done = replay(checked.runs, checked.specs, Sample(((run, 0),), (), (run,)), place)
    assert [finding.field for finding in done.findings] == ["rounds.0.scores", "rounds"]
    assert all("round 0: scores 'accuracy'" in finding.actual for finding in done.findings)
    assert not done.replayed and not done.rerun
