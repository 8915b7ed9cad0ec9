"""Runs whose labels were chosen under a proxy: packed, checked and replayed like any other."""

from dataclasses import replace

import pytest

from labelbench_plus.plugins import registry
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.submission.arithmetic import _selection
from labelbench_plus.submission.check import check
from labelbench_plus.submission.pack import pack
from labelbench_plus.submission.replay import replay
from labelbench_plus.submission.sample import Sample
from labelbench_plus.suite import load_suite
from tests.conftest import SUITE
from tests.submission.bundles import WHO, chained, lines_of, write_lines

PROXIED = SUITE.replace(
    "[logistic_regression]", "[logistic_regression, {name: mlp, steps: 3, hidden: 4}]\nproxy: logistic_regression"
).replace("seeds: 0..1", "seeds: [0]")


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "small.yaml").write_text(PROXIED)
    suite = load_suite(tmp_path / "small.yaml")
    for spec in suite.runs():
        job = Job.of(spec, Where(tmp_path / "out", tmp_path / "cache"))
        carry_out(job, lambda rounds: None)
    pack(suite, suite.runs(), tmp_path / "out", tmp_path / "bundle", **WHO, differences=["run by the tests"])
    return tmp_path / "bundle"


@pytest.mark.parametrize("trained", ["logistic_regression", "mlp"])
@pytest.mark.parametrize("chosen", ["logistic_regression", "mlp"])
def test_the_run_that_chose_follows_from_the_identity_whatever_weights_it_has(tmp_path, monkeypatch, trained, chosen):
    (tmp_path / "small.yaml").write_text(SUITE)
    build = registry("trainers").build
    spec = replace(load_suite(tmp_path / "small.yaml").runs()[0], trainer=build(trained), proxy=build(chosen))
    monkeypatch.setattr(registry("trainers").load("mlp"), "fingerprint", lambda self: "weights")
    said = {"run": spec.selection.id, "head": "0" * 64}
    run = {"run": spec.id, "result": {"identity": spec.identity}, "manifest": {"selection": said}}
    assert list(_selection(run)) == []
    assert list(_selection({**run, "manifest": {"selection": {**said, "run": "0" * 16}}}))


def test_an_honest_one_passes_and_a_doctored_one_does_not(bundle, place):
    checked = check(bundle, place)
    assert not checked.problems and len(checked.sound) == 4
    (proxied,) = [
        run for run, spec in checked.specs.items() if spec.proxy is not None and spec.strategy.name == "margin"
    ]
    sample = Sample(((proxied, 2),), ((proxied, 1), (proxied, 2)), (proxied,))
    done = replay(checked.runs, checked.specs, sample, place, tolerance=0.0)
    assert not done.findings and set(done.replayed) == set(done.rerun) == {proxied}
    lines = lines_of(bundle)
    line = next(line for line in lines if line["run"] == proxied)
    chosen = line["manifest"]["selection"]
    line["manifest"]["selection"] = {**chosen, "run": "f" * 16}
    write_lines(bundle, lines)
    (problem,) = [finding for finding in check(bundle, place).problems if finding.field == "manifest.selection"]
    assert problem.what == "is not the run that the proxy chose the labels in" and problem.expected == chosen["run"]
    line["manifest"]["selection"] = chosen
    purchase = line["rounds"][2]["purchase"]
    purchase["items"] = purchase["items"][::-1]
    purchase["answers"] = purchase["answers"][::-1]
    chained(line)
    write_lines(bundle, lines)
    told = {finding.what for finding in check(bundle, place).problems if finding.run == proxied}
    assert f"is not what run {chosen['run']} bought, which chose its labels" in told
