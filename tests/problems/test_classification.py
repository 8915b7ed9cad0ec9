import dataclasses

import numpy as np
import pytest
import torch

from labelbench_plus.budget import Ledger
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams


@pytest.fixture
def arrays(tmp_path):
    """A tiny problem from one's own arrays, with a constant feature."""
    rng = np.random.default_rng(0)
    parts = {"pool": 40, "validation": 10, "test": 20}
    content = {}
    for part, size in parts.items():
        content[f"{part}_labels"] = np.arange(size) % 3
        content[f"{part}_inputs"] = np.column_stack(
            [rng.normal(5, 3, (size, 2)) + content[f"{part}_labels"][:, None], np.full(size, 7.0)]
        ).astype(np.float32)
    path = tmp_path / "data.npz"
    np.savez(path, **content)
    return path, content


def build(path):
    return registry("problems").build(
        {"name": "classification", "dataset": {"name": "arrays", "path": str(path)}, "encoder": "identity"}
    )


def test_features_are_centred_and_scaled_by_one_number(arrays, tmp_path):
    path, content = arrays
    instance = build(path).open(Place(tmp_path / "cache"), Streams(0))
    features = instance.view(frozenset({"features"}), Ledger(), None, 1.0).features.double()
    torch.testing.assert_close(features.mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-5, rtol=0)
    assert float(features.var(0, correction=0).mean()) == pytest.approx(1, abs=1e-5)
    raw = torch.as_tensor(content["pool_inputs"], dtype=torch.float64)
    ratio = torch.cdist(features[:5], features[5:9]) / torch.cdist(raw[:5], raw[5:9])
    torch.testing.assert_close(ratio, ratio[0, 0].expand_as(ratio), rtol=1e-4, atol=0)  # distances keep their ratios


def test_constant_features_harm_nothing(arrays, tmp_path):
    path, content = arrays
    for part in ("pool", "validation", "test"):
        content[f"{part}_inputs"][:] = 1.0
    np.savez(path, **content)
    instance = build(path).open(Place(tmp_path / "cache"), Streams(0))
    features = instance.view(frozenset({"features"}), Ledger(), None, 1.0).features
    assert torch.equal(features, torch.zeros_like(features))


def test_the_test_set_is_scored_with_every_metric(arrays, tmp_path):
    path, content = arrays

    class Knows:
        def probabilities(self, features):
            return torch.nn.functional.one_hot(torch.as_tensor(content["test_labels"]), 3).float()

    scores = build(path).open(Place(tmp_path / "cache"), Streams(0)).evaluate(Knows())
    assert list(scores) == ["accuracy", "balanced_accuracy", "macro_f1", "nll", "ece"]
    assert scores["accuracy"] == scores["macro_f1"] == 1.0
    assert scores["nll"] == pytest.approx(0, abs=1e-9)


def test_other_data_is_another_problem(arrays):
    path, content = arrays
    before = build(path).fingerprint()
    content["pool_labels"][0] = 1
    np.savez(path.with_name("other.npz"), **content)
    assert build(path.with_name("other.npz")).fingerprint() != before


@pytest.mark.parametrize("conditions", [[], [{"name": "duplicates", "share": 0.3}], [{"name": "subset", "size": 15}]])
def test_columns_stay_with_their_items_whatever_becomes_of_the_pool(arrays, tmp_path, conditions):
    path, content = arrays
    whose = content["pool_inputs"][:, 0]
    words = np.array([f"item of {value}" for value in whose])
    np.savez(path, **content, pool_column_first=whose, pool_column_words=words)
    dataset = {"name": "arrays", "path": str(path)}
    problem = registry("problems").build(
        {"name": "classification", "dataset": dataset, "encoder": "identity", "conditions": conditions}
    )
    assert problem.provides == problem.precedence | {"features", "truth"} == {"features", "first", "words", "truth"}
    instance, ledger = problem.open(Place(tmp_path / "cache"), Streams(0)), Ledger()
    instance.oracle.answer(np.array([7, 2]), 2.0, ledger)
    view = instance.view(frozenset({"features", "first", "words"}), ledger, None, 1.0)
    by_features = view.features[:, 0] * (view.first.std() / view.features[:, 0].std())
    assert torch.allclose(by_features - by_features.mean(), (view.first - view.first.mean()).float(), atol=1e-4)
    assert view.words.tolist() == [f"item of {value}" for value in view.first.numpy()]
    assert view.labelled_words.tolist() == [f"item of {value}" for value in view.labelled_first.numpy()]
    assert (len(view.labelled_first), view.round) == (2, 1)


def test_what_comes_with_the_data_reaches_the_view_of_those_that_ask(arrays, tmp_path):
    path, content = arrays
    assert "token_uncertainty" not in build(path).provides
    lengths = np.array([1, 2] * 20)
    tokens = {f"pool_token_{what}": np.random.default_rng(1).random(60) / 2 for what in ("entropy", "first", "second")}
    prices = np.linspace(1, 2, 40)
    np.savez(path, **content, **tokens, pool_token_lengths=lengths, pool_prices=prices)
    problem = registry("problems").build(
        {
            "name": "classification",
            "dataset": {"name": "arrays", "path": str(path)},
            "encoder": "identity",
            "conditions": [{"name": "subset", "size": 15}],
        }
    )
    assert problem.provides == {"features", "token_uncertainty", "truth"}
    assert problem.capacity() < prices.sum()
    instance = problem.open(Place(tmp_path / "cache"), Streams(0))
    kept = instance._pool.shape[0]
    view = instance.view(frozenset({"token_uncertainty"}), Ledger(), None, 1.0)
    assert view.token_uncertainty.shape == (kept, 3) == (15, 3)
    # Price and uncertainty of an item stay together: the price tells which item it is.
    whose = [int(np.flatnonzero(prices == price)[0]) for price in view.prices.tolist()]
    first_token = np.concatenate([[0], lengths.cumsum()[:-1]])
    expected = [tokens["pool_token_entropy"][first_token[i] : first_token[i] + lengths[i]].max() for i in whose]
    assert view.token_uncertainty[:, 0].tolist() == pytest.approx(expected)


def test_bounds_are_told_what_would_be_sold_and_others_hold_nothing_of_it(arrays, tmp_path):
    path, content = arrays
    problem = registry("problems").build(
        {
            "name": "classification",
            "dataset": {"name": "arrays", "path": str(path)},
            "encoder": "identity",
            "conditions": [{"name": "class_noise", "rate": 0.5}],
        }
    )
    instance, ledger = problem.open(Place(tmp_path / "cache"), Streams(0)), Ledger()
    bought = np.array([7, 2])
    instance.oracle.answer(bought, 2.0, ledger)
    truth = instance.view(frozenset({"truth"}), Ledger(), None, 1.0).truth
    assert truth[ledger.answered_items].tolist() == ledger.answered_answers.tolist()
    left = instance.view(frozenset({"truth"}), ledger, None, 1.0).truth
    assert torch.equal(left, torch.as_tensor(np.delete(truth.numpy(), bought)))
    assert (truth.numpy() != content["pool_labels"]).any()  # the noise is told too: nothing else is for sale
    assert "truth" not in instance.view(frozenset({"features", "labels"}), ledger, None, 1.0)._providers
    asked = dataclasses.replace(problem, annotator=registry("annotators").build("queue"))
    assert "truth" not in asked.provides


def divided(path, conditions=(), encoder="identity"):
    """The same problem, divided anew by each seed."""
    dataset = {"name": "arrays", "path": str(path)}
    problem = {"name": "classification", "dataset": dataset, "encoder": encoder, "resplit": True}
    return registry("problems").build({**problem, "conditions": list(conditions)})


def test_each_seed_divides_the_examples_anew_by_class(arrays, tmp_path):
    path, content = arrays
    labels = np.concatenate([content[f"{part}_labels"] for part in ("pool", "validation", "test")])
    inputs = np.concatenate([content[f"{part}_inputs"] for part in ("pool", "validation", "test")]).astype(np.float64)
    pools = []
    for seed in (0, 1, 0):
        instance = divided(path).open(Place(tmp_path / "cache"), Streams(seed))
        parts = [getattr(instance._setting, part) for part in ("pool", "validation", "test")]
        rows = np.concatenate([part.rows for part in parts])
        assert sorted(rows) == list(range(70)) and [len(part.rows) for part in parts] == [40, 10, 20]
        for part, share in zip(parts, (40, 10, 20), strict=True):
            assert np.array_equal(part.labels, labels[part.rows])
            assert np.abs(np.bincount(part.labels) - np.bincount(labels) * share / 70).max() < 1
        raw = inputs[parts[0].rows]
        spread = np.where(raw.std(axis=0) > 1e-5, raw.std(axis=0), 1)
        for part, name in zip(parts, ("pool", "validation", "test"), strict=True):
            expected = (inputs[part.rows] - raw.mean(axis=0)) / spread  # by the pool's rows alone
            assert np.allclose(instance._features[name].tensor, expected, atol=1e-5)
        pools.append(parts[0].rows)
    assert np.array_equal(pools[0], pools[2]) and not np.array_equal(pools[0], pools[1])


def test_rows_outside_the_pool_change_nothing_in_it(arrays, tmp_path):
    """Neither the encoder's directions nor means and deviations are learned from test rows."""
    path, content = arrays
    for encoder in ("identity", {"name": "pca", "dimensions": 2}):
        pools = []
        for number, test_row in enumerate((0.0, 1000.0)):
            instance = divided(path, encoder=encoder).open(Place(tmp_path / f"cache {number}"), Streams(3))
            row = int(instance._setting.test.rows[0])
            every = np.concatenate([content[f"{part}_inputs"] for part in ("pool", "validation", "test")])
            every[row] = test_row
            parts = zip(("pool", "validation", "test"), np.split(every, [40, 50]), strict=True)
            changed = tmp_path / f"{number}.npz"
            np.savez(changed, **{**content, **{f"{part}_inputs": of_part for part, of_part in parts}})
            pools.append(divided(changed, encoder=encoder).open(Place(tmp_path / "cache"), Streams(3))._pool)
        assert torch.equal(*pools)


def test_conditions_meet_the_parts_of_the_seed(arrays, tmp_path):
    path, _ = arrays
    conditions = [{"name": "duplicates", "share": 0.5}, {"name": "instance_noise", "rate": 0.3}]
    setting = divided(path, conditions).open(Place(tmp_path), Streams(3))._setting
    assert len(np.unique(setting.pool.rows)) == 20
    assert not set(setting.pool.rows) & {*setting.test.rows, *setting.validation.rows}
    assert (setting.answers != setting.pool.labels).any()
    cut = divided(path, [{"name": "subset", "size": 15}])
    assert cut.capacity() == 15
    assert cut.open(Place(tmp_path), Streams(0))._pool.std(dim=0, correction=0).tolist() == pytest.approx([1, 1, 0])


def test_what_cannot_be_divided_anew_is_refused(arrays, tmp_path):
    path, content = arrays
    with pytest.raises(ValueError, match="resplit: it is for data sets of vectors, 'digits' has images in memory"):
        registry("problems").build(
            {"name": "classification", "dataset": "digits", "encoder": "pixels", "resplit": True}
        ).capacity()
    np.savez(path, **content, pool_column_first=np.arange(40.0))
    with pytest.raises(ValueError, match=r"resplit: data set .* has first of its pool's examples alone"):
        divided(path).capacity()


def test_dividing_anew_is_part_of_the_identity_and_leaving_it_out_is_not(arrays):
    path, _ = arrays
    from labelbench_plus.plugins import describe, label

    assert "resplit" not in describe(build(path)) and "resplit" not in label(build(path))
    assert describe(divided(path))["resplit"] is True and "resplit" in label(divided(path))
