"""Selection via proxy: labels chosen under one trainer, once, and learned from by others."""

import dataclasses
import json
import os
import re
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.cli import app
from labelbench_plus.leaderboard.of_suite import results_of_suite, show_suite
from labelbench_plus.leaderboard.tracks import gather
from labelbench_plus.oracle import Again, PoolOracle, QueryError
from labelbench_plus.plugins import load_plugin_file, registry
from labelbench_plus.running import job as job_module
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.spec import RunSpec, canonical, incompatibilities
from labelbench_plus.store.lease import acquire, attempts
from labelbench_plus.store.run_store import RunStore, StoreError
from labelbench_plus.suite import Isolation, SuiteError, load_suite
from tests.sweep.conftest import PLUGINS

SMALL = "{name: mlp, steps: 4, hidden: 4}"
OTHER = "{name: mlp, steps: 6, hidden: 4}"
WITH_PROXY = ("[logistic_regression]", f"[{SMALL}, {OTHER}]\nproxy: logistic_regression")


def job(spec, root, **changes):
    cache = root.parent / "cache"
    made = Job.of(spec, Where(root, cache))
    return dataclasses.replace(made, **changes)


def carry(specs, root):
    for spec in specs:
        carry_out(job(spec, root), lambda rounds: None)


def purchases(root, run):
    return [json.loads(path.read_bytes())["purchase"] for path in sorted((root / "runs" / run / "rounds").iterdir())]


def files(root):
    kept = [*root.glob("runs/*/rounds/*"), *root.glob("runs/*/result.json"), *root.glob("runs/*/config.json")]
    return {str(path.relative_to(root)): path.read_bytes() for path in kept}


def of_one_seed(suite, strategy="margin"):
    return [spec for spec in suite.runs() if spec.seed == 0 and spec.strategy.name == strategy]


def test_every_trainer_learns_from_what_the_proxy_bought_which_ran_once(suite_file, tmp_path):
    specs = of_one_seed(load_suite(suite_file(WITH_PROXY)))
    assert [spec.selection.trainer.name for spec in specs] == ["logistic_regression"] * 2
    carry(specs, tmp_path / "out")
    first = RunStore(tmp_path / "out", specs[0].selection.id)
    assert len(attempts(first.folder / "attempts")) == 1
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 3
    # The run that chose is the run that anybody would have made without a proxy.
    carry(of_one_seed(load_suite(suite_file())), tmp_path / "alone")
    alone = files(tmp_path / "alone")
    assert alone.items() <= files(tmp_path / "out").items()
    scores = []
    for spec in specs:
        assert purchases(tmp_path / "out", spec.id) == purchases(tmp_path / "out", first.id)
        manifest = json.loads((RunStore(tmp_path / "out", spec.id).folder / "manifest.json").read_bytes())
        assert manifest["selection"] == {"run": first.id, "head": first.head()}
        scores.append([record.scores["nll"] for record in RunStore(tmp_path / "out", spec.id).rounds()])
        cost = RunStore(tmp_path / "out", spec.id).costs()[1]
        paid = first.costs()[1]["select_seconds"] + first.costs()[0]["train_seconds"]
        assert cost["strategy.proxy_seconds"] == paid
    assert scores[0] != scores[1]
    # The model is the one that the trainer makes of those labels, wherever they come from.
    spec = dataclasses.replace(specs[0], strategy=registry("strategies").build("random"))
    plain = dataclasses.replace(spec, proxy=None)
    carry([spec, plain], tmp_path / "out")
    with_proxy, without = (RunStore(tmp_path / "out", each.id).rounds() for each in (spec, plain))
    assert [record.scores for record in with_proxy] == [record.scores for record in without]  # random needs no model


def test_a_spec_with_a_proxy_survives_being_written_down(suite_file):
    spec = of_one_seed(load_suite(suite_file(WITH_PROXY)))[0]
    again = RunSpec.from_json(json.loads(json.dumps(spec.as_json())))
    assert again == spec and again.id == spec.id
    assert len({spec.id, spec.selection.id, dataclasses.replace(spec, proxy=None).id}) == 3
    assert "proxy" not in spec.selection.as_json() and spec.selection.selection == spec.selection


def test_a_strategy_needs_what_the_proxy_provides_and_no_more(suite_file):
    ensemble = "{name: ensemble, of: logistic_regression, members: 2}"
    bald = ("[random, margin]", "[bald]")
    told = ("budget:", "baseline: bald\nbudget:")
    suite = load_suite(suite_file(bald, told, ("[logistic_regression]", f"[{SMALL}]\nproxy: {ensemble}")))
    assert incompatibilities(suite.runs()[0]) == []
    with pytest.raises(SuiteError, match=r"needs member_probabilities; .* trainer 'logistic_regression' offers"):
        load_suite(suite_file(bald, told, ("[logistic_regression]", f"[{ensemble}]\nproxy: logistic_regression")))
    with pytest.raises(SuiteError, match="trainer 'contrastive' solves contrastive, but problem"):
        load_suite(suite_file(("[logistic_regression]", f"[{SMALL}]\nproxy: contrastive")))
    with pytest.raises(SuiteError, match="trainer 'contrastive' solves contrastive, but problem"):
        load_suite(suite_file(("[logistic_regression]", "[contrastive]\nproxy: logistic_regression")))
    with pytest.raises(SuiteError, match=r"suite.yaml:5:20: proxy.stps: unknown .* of 'mlp'; did you mean 'steps'"):
        load_suite(suite_file(("[logistic_regression]", "[logistic_regression]\nproxy: {name: mlp, stps: 3}")))
    own = dataclasses.replace(suite.runs()[0], proxy=suite.runs()[0].trainer)
    assert incompatibilities(own) == ["trainer 'mlp' is its own proxy: leave the proxy out"]


def test_killed_in_either_run_and_called_again_it_ends_with_the_same_bytes(suite_file, tmp_path, monkeypatch):
    spec = of_one_seed(load_suite(suite_file(WITH_PROXY)))[0]
    carry([spec], tmp_path / "whole")
    undisturbed = files(tmp_path / "whole")
    commits = 6  # three of each run
    for call in range(commits):
        root = tmp_path / f"killed-{call}"
        pid = os.fork()
        if pid == 0:
            calls, commit = iter(range(99)), RunStore.commit

            def dying(*arguments, calls=calls, commit=commit, call=call):
                if next(calls) == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return commit(*arguments)

            try:
                RunStore.commit = dying
                carry([spec], root)
            finally:
                os._exit(1)  # whatever happened: a second test runner must not go on from here
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
        carry([spec], root)
        assert files(root) == undisturbed, f"killed before commit {call}"


def test_isolation_changes_no_byte(suite_file, tmp_path):
    spec = of_one_seed(load_suite(suite_file(WITH_PROXY, ("rounds: 3", "rounds: 2"))))[0]
    carry([spec], tmp_path / "here")
    carry_out(job(spec, tmp_path / "isolated", isolate=Isolation(kind="process")), lambda rounds: None)
    assert files(tmp_path / "isolated") == files(tmp_path / "here")


def test_while_another_process_chooses_one_waits_and_takes_over_if_that_dies(suite_file, tmp_path, monkeypatch):
    spec = of_one_seed(load_suite(suite_file(WITH_PROXY)))[0]
    root = tmp_path / "out"
    first = RunStore(root, spec.selection.id)
    (first.folder / "attempts").mkdir(parents=True)
    held = acquire(first.folder / "attempts")
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        assert not (root / "runs" / spec.id / "attempts").exists()  # nobody holds a run while it waits
        if len(waited) == 2:
            held.release("stopped")

    # The module's own name alone: `time.sleep` is everybody's, and `subprocess` waits by it for git on a busy machine.
    monkeypatch.setattr(job_module, "time", SimpleNamespace(sleep=sleep))
    assert carry_out(job(spec, root), lambda rounds: None) == "finished"
    assert len(waited) == 2
    assert [attempt["ended"] for attempt in attempts(first.folder / "attempts")] == ["stopped", "finished"]


def test_a_failure_in_choosing_is_noted_of_both_runs(suite_file, tmp_path):
    load_plugin_file(PLUGINS)
    suite = load_suite(
        suite_file(WITH_PROXY, ("[random, margin]", "[raises]"), ("budget:", "baseline: raises\nbudget:"))
    )
    spec = suite.runs()[0]
    with pytest.raises(ZeroDivisionError):
        carry([spec], tmp_path)
    ends = {run: attempts(tmp_path / "runs" / run / "attempts") for run in (spec.id, spec.selection.id)}
    assert [attempt["ended"] for attempt in ends[spec.selection.id]] == ["failed"]
    (noted,) = ends[spec.id]
    assert noted["detail"] == f"ZeroDivisionError: on purpose (in run {spec.selection.id}, which chooses its labels)"
    assert noted["failure"]["where"].startswith("plugins_under_test.py")


def test_lost_costs_and_a_lost_manifest_stop_neither_run_and_other_labels_still_do(suite_file, tmp_path):
    spec = of_one_seed(load_suite(suite_file(WITH_PROXY)))[0]
    carry([spec], tmp_path)
    second, first = RunStore(tmp_path, spec.id), RunStore(tmp_path, spec.selection.id)
    undisturbed = files(tmp_path)
    (first.folder / "costs" / "0001.json").write_bytes(b"")
    for name in ("result.json", "rounds/0002.json"):
        (second.folder / name).unlink()
    (second.folder / "manifest.json").write_bytes(b"{")
    carry([spec], tmp_path)
    assert files(tmp_path) == undisturbed
    assert second.costs()[2]["strategy.proxy_seconds"] is None  # it is made of a cost that is lost
    assert second.manifest()["written_anew_after_rounds"] == 2
    for name in ("result.json", "rounds/0002.json", "manifest.json"):
        (second.folder / name).unlink()
    bought = first.folder / "rounds" / "0000.json"
    other = json.loads(bought.read_bytes())
    other["purchase"]["items"][:2] = other["purchase"]["items"][1::-1]
    bought.write_bytes(canonical(other) + b"\n")
    for number, name in ((1, "0001.json"), (2, "0002.json")):  # a chain that holds, of other labels
        path = first.folder / "rounds" / name
        path.write_bytes(
            canonical({**json.loads(path.read_bytes()), "previous": first._hash_before(number, first.folder)}) + b"\n"
        )
    with pytest.raises(StoreError, match="the run that chose them was recomputed and came out differently"):
        carry([spec], tmp_path)


def test_labels_that_were_chosen_again_otherwise_are_refused(suite_file, tmp_path):
    spec = of_one_seed(load_suite(suite_file(WITH_PROXY)))[0]
    carry([spec], tmp_path)
    second, first = RunStore(tmp_path, spec.id), RunStore(tmp_path, spec.selection.id)
    (second.folder / "result.json").unlink()
    (second.folder / "rounds" / "0002.json").unlink()
    last = first.folder / "rounds" / "0002.json"
    honest = last.read_bytes()
    last.write_bytes(honest.replace(b'"scores":{"accuracy":0.', b'"scores":{"accuracy":1.'))
    with pytest.raises(StoreError, match=r"started with the labels of .* came out differently"):
        carry([spec], tmp_path)
    assert attempts(second.folder / "attempts")[-1]["ended"] == "failed"
    last.write_bytes(honest)
    carry([spec], tmp_path)
    assert second.done


def test_an_oracle_sells_again_what_was_sold_and_nothing_else():
    oracle = PoolOracle(np.array([5, 6, 7, 8]), np.array([1.0, 3.0, 1.0, 2.0]))
    ledger = Ledger()
    oracle.answer([1, 3], 3.0, ledger)  # asked for as many as the money could buy at best; one fits
    (bought,) = ledger.purchases
    assert bought.items.tolist() == [1]
    again = Ledger()
    oracle.answer(Again(Purchase.from_json(bought.as_json())), 3.0, again)
    assert again.purchases[0].as_json() == bought.as_json()
    for field, value in (("answers", np.array([9])), ("prices", np.array([2.0]))):
        with pytest.raises(QueryError, match=f"its {field} are others"):
            oracle.answer(Again(dataclasses.replace(bought, **{field: value})), 3.0, Ledger())
    with pytest.raises(QueryError, match="its answers, items, prices are others"):
        oracle.answer(Again(bought), 2.0, Ledger())  # the money does not suffice
    with pytest.raises(QueryError, match="not bought before"):
        oracle.answer(Again(bought), 3.0, again)


PAIRS = """\
suite: small_pairs
problems:
  - {name: image_text, pool: {name: captioned_images, dataset: digits, wanted: [0, 1, 2], pairs: 120}}
trainers: [{name: contrastive, steps: 3}]
proxy: {name: contrastive, steps: 2}
strategies: [clip_score]
initial: null
budget: {first: 40, batch: 20, rounds: 2}
baseline: clip_score
seeds: [0]
"""
SOURCES = """\
suite: small_sources
problems: [{name: synthetic_sources, heads: generic, dimension: 6, rank: 2, sources: 8}]
trainers: [{name: joint_torch, steps: 3}]
proxy: joint_linear
strategies: [l1_relevance]
initial: uniform_sources
baseline: l1_relevance
budget: {first: 100, batch: 70, rounds: 2}
seeds: [0]
"""
PRICED = """\
suite: priced
problems:
  - {name: classification, dataset: digits, encoder: pixels, conditions: [{name: random_prices, highest: 4}]}
trainers: [{name: mlp, steps: 3, hidden: 4}]
proxy: logistic_regression
strategies: [margin]
baseline: margin
budget: {first: 40, batch: 20, rounds: 3}
seeds: [0]
"""


@pytest.mark.parametrize("text", [PAIRS, SOURCES, PRICED], ids=["pairs", "sources", "prices"])
def test_whatever_is_sold_can_be_chosen_by_a_proxy(tmp_path, text):
    (tmp_path / "suite.yaml").write_text(text)
    (spec,) = load_suite(tmp_path / "suite.yaml").runs()
    carry([spec], tmp_path / "out")
    assert purchases(tmp_path / "out", spec.id) == purchases(tmp_path / "out", spec.selection.id)


def test_results_with_a_proxy_share_no_table_with_those_without(suite_file, tmp_path):
    changes = ("[logistic_regression]", f"[logistic_regression, {SMALL}]\nproxy: logistic_regression")
    suite = load_suite(suite_file(changes))
    runs = suite.runs()
    assert sum(spec.proxy is not None for spec in runs) == len(runs) / 2  # the proxy's own runs are those that choose
    carry(runs, tmp_path)
    assert len(list((tmp_path / "runs").iterdir())) == len(runs)
    results = results_of_suite(suite, runs, tmp_path)
    trainers = ["logistic_regression", "mlp(hidden=4, steps=4), labels chosen by logistic_regression"]
    assert sorted(setting.trainer for setting in results.board().settings) == trainers
    assert sorted(track.track.trainer for track in gather([results.board()])) == trainers
    assert trainers[1] in show_suite(suite, runs, tmp_path).text
    chosen, proxied = (
        {setting.trainer: setting for setting in results.board().settings}[name].runs.runs["margin"][0]
        for name in trainers
    )
    costs = RunStore(tmp_path, chosen.run_id).costs()
    paid = sum(cost["select_seconds"] for cost in costs) + sum(cost["train_seconds"] for cost in costs[:-1])
    assert proxied.select_seconds > paid > chosen.select_seconds


def lbp(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_replay_makes_the_run_that_a_suite_with_that_proxy_has(suite_file, tmp_path):
    out = tmp_path / "out"
    (plain,) = of_one_seed(load_suite(suite_file()))
    spec = of_one_seed(load_suite(suite_file(WITH_PROXY)))[0]
    carry([plain], out)
    done = lbp("replay", plain.id[:6], "--trainer", SMALL, "--out", out)
    assert done.exit_code == 0, done.output
    assert RunStore(out, spec.id).done and f"lbp show {spec.id}" in done.output
    shown = lbp("show", out / "runs" / spec.id).output
    assert f"labels chosen by run {plain.id}, which ends with {RunStore(out, plain.id).head()}" in shown
    again = lbp("replay", spec.id, "--trainer", SMALL, "--out", out)  # a run with a proxy: the same labels again
    assert again.exit_code == 0 and len(list((out / "runs").iterdir())) == 2


def test_replay_says_why_it_cannot(suite_file, tmp_path):
    out = tmp_path / "out"
    (spec,) = of_one_seed(load_suite(suite_file()))
    carry([spec], out)
    imported = tmp_path / "curves"
    imported.mkdir()
    (imported / "board.json").write_text("{}")
    for run, trainer, why in (
        ("feed", SMALL, "no run in .* begins so"),
        (spec.id, "contrastive", "solves contrastive, but problem 'classification' is classification"),
        (spec.id, "logistic_regression", "already has this trainer"),
        (spec.id, "{name: mlp, stps: 3}", "did you mean 'steps'"),
        (spec.id, "mpl", "unknown trainer 'mpl'"),
        (spec.id, "{name: ", "not valid YAML"),
        (imported, SMALL, "it was imported"),
        ("margin_sampling_1234.pkl", SMALL, "it was imported"),
    ):
        done = lbp("replay", run, "--trainer", trainer, "--out", out)
        assert done.exit_code == 2
        assert re.search(why, done.stderr), (why, done.stderr)
    assert len(list((out / "runs").iterdir())) == 1
