import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.plugins import load_plugin_file, registry
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.steps import StrategyContractError
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import SuiteError, load_suite

PLUGIN = '''
from dataclasses import dataclass
import torch
from labelbench_plus.strategies import PoolStrategy, strategies

@strategies.register("{name}")
@dataclass(frozen=True)
class Wrong(PoolStrategy):
    """Breaks the contract."""
    needs = frozenset({{"features"}})
    def select(self, view, n, rng):
        {body}
'''

FORMS = "from labelbench_plus.oracle import Again, StratifiedDraw; from labelbench_plus.budget import Purchase"


@pytest.fixture
def carry(suite_file, tmp_path):
    """Carry out the single run of the small suite with the given strategy; returns its store."""

    def run(strategy: str, body: str | None = None, *replacements: tuple[str, str], root: str = "out") -> RunStore:
        if body:
            plugin = tmp_path / f"{strategy}.py"
            plugin.write_text(PLUGIN.format(name=strategy, body=body))
            load_plugin_file(plugin)
        only = [("[random, margin]", f"[{strategy}]"), ("seeds: 0..1", f"seeds: [0]\nbaseline: {strategy}")]
        (spec,) = load_suite(suite_file(*only, *replacements)).runs()
        job = Job.of(spec, Where(tmp_path / root, tmp_path / "cache"))
        carry_out(job, lambda rounds: None)
        return RunStore(tmp_path / root, spec.id)

    return run


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("too_many", "return view.candidates[: n + 1]", "expected 10 items, got 11"),
        ("too_few", "return view.candidates[: n - 1]", "expected 10 items, got 9"),
        ("repeats", "return view.candidates[torch.zeros(n, dtype=torch.long)]", "came more than once"),
        ("rebuys", "return torch.cat([view.labelled[:1], view.candidates[: n - 1]])", "not bought before"),
        ("outside", "return torch.arange(n) + 10**6", "expected indices in"),
        ("positions", "return torch.linspace(0, 1, n)", "integer pool indices"),
        ("peeks", "return view.probabilities", "view.probabilities was read"),
        ("writes", "view.features.mul_(2); return view.candidates[:n]", "features was written to"),
        ("draws", f"{FORMS}; return StratifiedDraw(rng)", "a draw by classes, which uses labels that were not bought"),
        ("disguises", f"{FORMS}; return type('Own', (StratifiedDraw,), {{}})(rng)", "labels that were not bought"),
        (
            "guesses",
            f"{FORMS}; return Again(Purchase(view.candidates.numpy(), *torch.ones(2, n).numpy()))",
            "got Again",
        ),
    ],
)
def test_a_strategy_that_breaks_its_contract_is_stopped_by_name(carry, name, body, says):
    with pytest.raises(StrategyContractError, match=f"strategy '{name}', round 1: .*{says}"):
        carry(name, body)


@pytest.mark.parametrize("isolate", ["", "isolate: process\n"], ids=["here", "apart"])
def test_a_first_round_drawn_by_class_is_not_sold_to_a_stranger(suite_file, tmp_path, isolate):
    name = "first_apart" if isolate else "first_here"
    plugin = tmp_path / "first.py"
    plugin.write_text(PLUGIN.format(name=name, body=f"{FORMS}; return StratifiedDraw(rng)"))
    suite = suite_file(("budget:", f"{isolate}initial: {name}\nbudget:"))
    arguments = ["run", str(suite), "--plugin", str(plugin), "--out", str(tmp_path / "out"), "--jobs", "1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code != 0
    said = " ".join((result.output + result.stderr).split())
    assert f"strategy '{name}', round 0: expected a choice of its own" in said


def test_a_stranger_who_says_that_it_uses_hidden_labels_is_refused(suite_file, tmp_path):
    plugin = tmp_path / "candid.py"
    code = PLUGIN.format(name="candid", body=f"{FORMS}; return StratifiedDraw(rng)")
    plugin.write_text(code.replace("    needs =", "    uses_hidden_labels = True\n    needs ="))
    load_plugin_file(plugin)
    with pytest.raises(SuiteError, match="'candid' uses hidden labels: only those that come with the package may"):
        load_suite(suite_file(("budget:", "initial: candid\nbudget:")))


def test_rounds_spend_what_the_schedule_says(carry):
    store = carry("margin")
    assert [len(r.purchase.items) for r in store.rounds()] == [20, 10, 10]
    assert [r.spent for r in store.rounds()] == [20.0, 30.0, 40.0]
    bought = np.concatenate([r.purchase.items for r in store.rounds()])
    assert len(set(bought.tolist())) == 40


def test_costs_are_kept_apart_and_complete(carry):
    store = carry("badge")
    assert "seconds" not in (store.folder / "rounds" / "0001.json").read_text()
    for costs in store.costs():
        assert costs["select_seconds"] > 0
        assert costs["train_seconds"] > 0
        assert costs["train_peak_bytes"] is None or costs["train_peak_bytes"] >= 0


def test_what_a_strategy_notes_stands_beside_the_costs_and_not_in_the_result(carry):
    body = 'view.note("quality", 0.75); return view.candidates[:n]'
    noting = carry("noting", body)
    assert [cost["strategy.quality"] for cost in noting.costs()[1:]] == [0.75, 0.75]
    shown = CliRunner().invoke(app, ["show", noting.id, "--out", str(noting.folder.parents[1])])
    assert "strategy.quality=0.75" in shown.stdout
    assert "quality" not in "".join(path.read_text() for path in (noting.folder / "rounds").iterdir())
    design = carry("relaxed_d_optimal")
    assert all(0 < cost["strategy.certified_efficiency"] <= 1 for cost in design.costs()[1:])


def test_no_global_random_number_is_drawn_and_none_matters(carry, monkeypatch):
    reference = (carry("badge").folder / "result.json").read_bytes()

    def forbidden(*arguments, **keywords):
        raise AssertionError("a global random generator was used")

    for name in ("rand", "randn", "permutation", "choice", "shuffle", "seed", "normal", "uniform"):
        monkeypatch.setattr(np.random, name, forbidden)
    for name in ("manual_seed", "seed"):
        monkeypatch.setattr(torch, name, forbidden)
    torch_state = torch.get_rng_state()
    again = carry("badge", root="again")
    assert (again.folder / "result.json").read_bytes() == reference
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_the_whole_pool_can_be_bought(carry):
    store = carry("k_center", None, ("first: 20, batch: 10, rounds: 3", "first: 900, batch: 100, rounds: 2"))
    assert store.rounds()[-1].spent == 1000


def test_validation_labels_are_declared_only_where_used(carry):
    manifest = json.loads((carry("random").folder / "manifest.json").read_bytes())
    assert manifest["validation_labels"] == 0


FORGETFUL = '''
from dataclasses import dataclass
import weakref
from labelbench_plus.plugins import registry
from labelbench_plus.trainers import Trainer, trainers

@trainers.register("{name}")
@dataclass(frozen=True)
class Forgetful(Trainer):
    """A linear probe that looks who else is there while it trains."""
    task = "classification"
    provides = frozenset({{"probabilities", "embeddings"}})
    continues = {continues}
    models, alive = [], []

    def fit(self, data, streams, previous):
        self.alive.append([model() is not None for model in self.models])
        model = registry("trainers").build("logistic_regression").fit(data, streams, previous)
        self.models.append(weakref.ref(model))
        return model
'''


@pytest.mark.parametrize("continues", [False, True])
def test_one_model_is_gone_before_the_next_is_trained(continues, suite_file, tmp_path):
    """Two at a time may be more than a device holds. One that the next starts from stays, and no other."""
    name = f"forgetful_{continues}".lower()
    plugin = tmp_path / f"{name}.py"
    plugin.write_text(FORGETFUL.format(name=name, continues=continues))
    load_plugin_file(plugin)
    replaced = ("[logistic_regression]", f"[{name}]"), ("[random, margin]", "[badge]"), ("rounds: 3", "rounds: 4")
    spec = load_suite(suite_file(*replaced)).runs()[0]
    job = Job.of(spec, Where(tmp_path / "out", tmp_path / "cache"))

    def stop(rounds):
        if rounds == 2:
            raise KeyboardInterrupt

    seen = registry("trainers").load(name)
    with pytest.raises(KeyboardInterrupt):
        carry_out(job, stop)
    carry_out(job, lambda rounds: None)
    assert len(seen.alive) == (6 if continues else 5)  # the rounds of before are replayed: both, or the last
    for number, alive in enumerate(seen.alive):
        assert not any(alive[:-1])
        assert alive[-1:] == ([] if number == 0 else [continues and number != 2])  # the third begins a new attempt
