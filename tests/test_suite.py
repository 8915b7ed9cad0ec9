import pytest

from labelbench_plus.plugins import label
from labelbench_plus.suite import Suite, SuiteError, _distinct, load_suite


def faults(path, *overrides) -> list[str]:
    with pytest.raises(SuiteError) as refused:
        load_suite(path, overrides)
    return str(refused.value).replace(str(path), "suite.yaml").splitlines()


def test_the_product_is_expanded_in_a_fixed_order(suite_file):
    suite = load_suite(suite_file())
    assert [(run.seed, run.strategy.name) for run in suite.runs()] == [
        (0, "random"), (0, "margin"), (1, "random"), (1, "margin"),
    ]  # fmt: skip
    assert suite.runs()[0].amounts == (20.0, 10.0, 10.0)
    assert len({run.id for run in suite.runs()}) == 4


def test_an_unknown_plugin_is_placed_and_answered(suite_file):
    assert faults(suite_file(("margin", "margn"))) == [
        "suite.yaml:5:22: strategies.1: unknown strategy 'margn'; did you mean 'margin'?"
    ]


def test_everything_wrong_is_reported_at_once(suite_file):
    found = faults(
        suite_file(
            ("encoder: pixels", "encoder: {name: pca, dimension: 3}"),
            ("rounds: 3", "rounds: many"),
            ("seeds: 0..1", "seed: 0..1"),
        )
    )
    assert len(found) == 5
    assert any(
        line.startswith("suite.yaml:3:66: problems.0.encoder.dimension: unknown hyperparameter of 'pca'; did you mean")
        for line in found
    )
    assert any(line.startswith("suite.yaml:6:32: budget.rounds: ") and "'many'" in line for line in found)
    assert any("suite.yaml:7:1: seed: unknown field; did you mean 'seeds'?" in line for line in found)
    assert any("seeds: is missing" in line for line in found)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("suite: small", "suite: Two Words", "suite.yaml:1:1: suite: expected a name made of a-z"),
        ("0..1", "3..1", "the range is empty"),
        ("0..1", "[1, 1]", "suite.yaml:7:12: seeds.1: 1 is there already, as entry 0"),
        ("[random, margin]", "[margin, margin]", "suite.yaml:5:22: strategies.1: margin is there already, as entry 0"),
        ("first: 20", "first: -20", "budget.first: expected at least 0 (got -20)"),
        ("first: 20", "frist: 20", "did you mean 'first'?"),
        ("[random, margin]", "[]", "strategies: expected at least 1 of them, not 0"),
        ("suite: small", "suite: small\nsuite: again", "not valid YAML"),
        ("rounds: 3", "rounds: 300", "the budget of 3010 is more than the whole pool's price of"),
        ("0..1", "3", "seeds: one seed or that many? Write [3], or 0..2"),
        ("0..1", "0", "seeds: one seed or that many? Write [0] (got 0)"),
        ("[logistic_regression]", "[margin]", "unknown trainer 'margin'; it is a strategy"),
        ("seeds: 0..1", "seeds: 0..1\nbaseline: randm", "is none of the strategies; did you mean 'random'?"),
        ("seeds: 0..1", "seeds: 0..1\ninitial: randm", "initial: unknown strategy 'randm'; did you mean 'random'"),
        ("encoder: pixels", "encoder: {dimensions: 2}", "expected an encoder: a name"),
        ("encoder: pixels", "encoder: pixels, metrics: [acuracy]", "did you mean 'accuracy'"),
        ("rounds: 3", "rounds: 2.5", "budget.rounds: expected a whole number (got 2.5)"),
        ("rounds: 3", "rounds: 100000000000000", "budget.rounds: expected at most 100000 (got 100000000000000)"),
        ("strategies: [random, margin]", "strategies: {margin: 1}", "strategies: expected a list"),
        ("[random, margin]", "[{power: 2}]", "expected a strategy: a name, or a mapping with 'name' in it"),
    ],
)
def test_each_fault_is_named(suite_file, old, new, says):
    assert says in "\n".join(faults(suite_file((old, new))))


def test_impossible_combinations_are_refused_before_any_work(suite_file):
    path = suite_file(("budget:", "initial: margin\nbudget:"))
    assert faults(path) == [
        "suite.yaml: strategy 'margin' needs probabilities; no model exists in the first round; "
        "name a strategy for it in 'initial' (problem 'classification' offers features, labels, num_classes)"
    ]


def test_yaml_is_1_2(suite_file):
    # YAML 1.1 would read 010 as eight and 1e-3 as text.
    suite = load_suite(
        suite_file(("rounds: 3", "rounds: 010"), ("[logistic_regression]", "[{name: logistic_regression, l2: 1e-3}]"))
    )
    assert suite.budget.rounds == 10
    assert suite.trainers[0].l2 == 0.001


def test_overrides_replace_values_and_reach_into_plugins(suite_file):
    suite = load_suite(suite_file(), ["budget.rounds=2", "strategies=[entropy]", "trainers.0.l2=0.5", "seeds=3..5"])
    assert suite.budget.rounds == 2
    assert [strategy.name for strategy in suite.strategies] == ["entropy"]
    assert suite.trainers[0].l2 == 0.5
    assert suite.seeds == (3, 4, 5)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("budget.rounds", "expected dotted.path=value"),
        ("budget.rounds=x", "override budget.rounds: budget.rounds: "),
        ("budgets.rounds=3", "no such field; did you mean 'budget'?"),
        ("trainers.3.l2=1", "the list has entries 0 to 0"),
        ("seeds.first=1", "not a mapping or list"),
        ("trainers.0.l3=1", "override trainers.0.l3: trainers.0.l3: unknown hyperparameter"),
        ("strategies=[", "not valid YAML: expected the node content"),
    ],
)
def test_a_wrong_override_is_named_as_such(suite_file, override, says):
    assert says in "\n".join(faults(suite_file(), override))


def test_lists_may_be_written_as_a_shell_likes_them(suite_file):
    suite = load_suite(suite_file(), ["seeds=0,2,5..7", "strategies=random,margin,entropy", "strategies.0=badge"])
    assert suite.seeds == (0, 2, 5, 6, 7)
    assert [strategy.name for strategy in suite.strategies] == ["badge", "margin", "entropy"]
    assert "override strategies: strategies.1: unknown strategy 'margn'; did you mean 'margin'" in "".join(
        faults(suite_file(), "strategies=random,margn")
    )


def test_a_file_that_is_not_there(tmp_path):
    assert "no such file" in faults(tmp_path / "none.yaml")[0]


@pytest.mark.parametrize(
    ("seeds", "says"),
    [
        ("0..100000000000", "more than 100000 seeds"),
        (str([*range(200), 7]), "override seeds: seeds.200: 7 is there already, as entry 7"),
        (f"[{2**63}]", "seeds.0: expected at most 9223372036854775807 (got 9223372036854775808)"),
    ],
)
def test_seeds_are_counted_before_they_are_listed(suite_file, seeds, says):
    assert says in "\n".join(faults(suite_file(), f"seeds={seeds}"))


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ("{first: 1, batch: 1, rounds: 1000000000}", "budget.rounds: expected at most 100000 (got 1000000000)"),
        ("{first: 1, batch: 2, rounds: 3000, growth: 2.0}", "the last round would spend more than 1e+15"),
    ],
)
def test_budgets_that_nobody_has_are_refused(suite_file, budget, says):
    assert says in "\n".join(faults(suite_file(), f"budget={budget}"))


def test_a_product_is_counted_before_it_is_made(suite_file, monkeypatch):
    monkeypatch.setattr(Suite, "runs", lambda suite: pytest.fail("100,001 runs or more were made"))
    says = "the product has 120,000 runs, more than 100,000: split the suite"
    assert says in "\n".join(faults(suite_file(), "seeds=0..59999"))


class Compared(int):
    """Counts how often it is compared."""

    count = 0
    __hash__ = int.__hash__

    def __eq__(self, other):
        Compared.count += 1
        return int(self) == int(other)


def test_to_find_repeated_seeds_not_all_are_compared_with_all():
    _distinct(tuple(map(Compared, range(2000))))
    assert Compared.count < 2 * 2000


def test_weights_that_cannot_be_had_are_refused_before_any_work(suite_file, tmp_path):
    network = f"{{name: timm, model: resnet18, weights: file, file: {tmp_path / 'none.pth'}}}"
    (fault,) = faults(suite_file(("[logistic_regression]", f"[{{name: lp_ft, network: {network}, augment: null}}]")))
    assert fault.startswith("suite.yaml: problem 'classification' with trainer 'lp_ft': ")
    assert "none.pth" in fault
    assert "Ways to get weights" in fault


def test_problems_and_trainers_may_be_titled_and_nothing_else_changes(suite_file):
    plain = load_suite(suite_file())
    titled = load_suite(suite_file(), ["problems.0.title=Clothes, few labels", "trainers.0.title=A probe"])
    assert titled.runs() == plain.runs()
    assert plain.titles == {}
    assert titled.titles == {label(plain.problems[0]): "Clothes, few labels", label(plain.trainers[0]): "A probe"}


@pytest.mark.parametrize("title", ["3", '""', '"two\\nlines"', "x" * 101])
def test_a_title_is_a_line_for_people(suite_file, title):
    with pytest.raises(SuiteError, match=r"problems\.0\.title: expected a line of at most 100 letters"):
        load_suite(suite_file(), [f"problems.0.title={title}"])
    with pytest.raises(SuiteError, match="title"):
        load_suite(suite_file(), ["strategies.0.title=Mine"])
