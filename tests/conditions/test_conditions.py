from dataclasses import replace

import numpy as np
import pytest

from labelbench_plus.budget import Ledger
from labelbench_plus.conditions import OUTLIER, Part, Setting
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams

K, SIZE = 5, 2000


@pytest.fixture
def setting() -> Setting:
    labels = np.arange(SIZE) % K
    part = Part(np.arange(SIZE), labels)
    small = Part(np.arange(50), labels[:50])
    return Setting(part, labels, np.ones(SIZE), small, small, tuple("abcde"))


def features() -> np.ndarray:
    return np.random.default_rng(9).standard_normal((SIZE, 6))


def apply(setting, seed=0, **condition) -> Setting:
    return registry("conditions").build(condition).apply(setting, features, np.random.default_rng(seed))


@pytest.mark.parametrize("name", ["uniform_noise", "class_noise", "instance_noise"])
def test_noise_reaches_the_answers_at_its_rate_and_nothing_else(setting, name):
    noisy = apply(setting, name=name, rate=0.3)
    wrong = noisy.answers != setting.pool.labels
    assert wrong.mean() == pytest.approx(0.3, abs=0.04)
    assert noisy.answers.min() >= 0
    assert noisy.answers.max() < K
    assert noisy.pool is setting.pool
    assert noisy.test is setting.test
    assert noisy.validation is setting.validation
    assert np.array_equal(noisy.answers, apply(setting, name=name, rate=0.3).answers)
    assert not np.array_equal(noisy.answers, apply(setting, 1, name=name, rate=0.3).answers)
    assert np.array_equal(apply(setting, name=name, rate=0.0).answers, setting.answers)


def test_uniform_noise_is_uniform_over_the_wrong_classes(setting):
    noisy = apply(setting, name="uniform_noise", rate=0.8)
    shift = (noisy.answers - setting.pool.labels) % K
    counts = np.bincount(shift, minlength=K)[1:]
    assert counts.min() > 0.8 * counts.max()


def test_class_noise_takes_the_next_class(setting):
    noisy = apply(setting, name="class_noise", rate=0.4)
    assert set(np.unique((noisy.answers - setting.pool.labels) % K)) == {0, 1}


def test_instance_noise_depends_on_the_instance(setting):
    noisy = apply(setting, name="instance_noise", rate=0.4)
    of_class = setting.pool.labels == 0
    wrong = np.bincount(noisy.answers[of_class], minlength=K)[1:]
    x, answers = features()[of_class], noisy.answers[of_class]
    # Items given different wrong answers lie in different places, which uniform noise would not show.
    means = [x[answers == label].mean(axis=0) for label in range(1, K) if wrong[label - 1] > 10]
    assert max(np.linalg.norm(a - b) for a in means for b in means) > 1.0


def test_a_long_tail_has_the_ratio_asked_for(setting):
    counts = np.bincount(apply(setting, name="long_tail", ratio=20).pool.labels)
    assert counts[0] == 400
    assert counts[-1] == 20
    assert (np.diff(counts) < 0).all()
    assert counts[2] == pytest.approx(400 * 20**-0.5, abs=1)


def test_one_against_the_rest(setting):
    binary = apply(setting, name="one_vs_rest")
    assert binary.class_names == ("a", "rest")
    for labels in (binary.answers, binary.pool.labels, binary.test.labels, binary.validation.labels):
        assert set(np.unique(labels)) == {0, 1}
    assert (binary.pool.labels == 0).sum() == 400
    with pytest.raises(ValueError, match="9 classes wanted, the data have 5"):
        apply(setting, name="one_vs_rest", classes=9)


def test_fewer_classes_are_fewer_examples_in_every_split(setting):
    three = apply(setting, name="class_subset", classes=3)
    assert three.class_names == ("a", "b", "c")
    assert [len(part.labels) for part in (three.pool, three.validation, three.test)] == [1200, 30, 30]
    assert np.array_equal(three.pool.labels, setting.pool.labels[three.pool.rows])
    assert np.array_equal(three.answers, three.pool.labels)
    assert set(three.test.labels) == {0, 1, 2}
    with pytest.raises(ValueError, match="9 classes wanted, the data have 5"):
        apply(setting, name="class_subset", classes=9)


def test_duplicates_keep_the_size_and_lose_variety(setting):
    copied = apply(setting, name="duplicates", share=0.25)
    assert len(copied.answers) == SIZE
    assert len(np.unique(copied.pool.rows)) == SIZE * 3 // 4
    assert np.array_equal(copied.pool.labels, setting.pool.labels[copied.pool.rows])
    assert np.array_equal(copied.answers, copied.pool.labels)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.7])
def test_outliers_have_their_share_of_the_pool_and_no_place_in_the_test(setting, share):
    mixed = apply(setting, name="out_of_distribution", classes=[1], share=share)
    assert (mixed.pool.labels == OUTLIER).mean() == pytest.approx(share, abs=0.002)
    assert mixed.class_names == ("a", "c", "d", "e")
    for labels in (mixed.test.labels, mixed.validation.labels):
        assert set(np.unique(labels)) == {0, 1, 2, 3}
    inside = mixed.pool.labels != OUTLIER
    old = setting.pool.labels[mixed.pool.rows]
    assert np.array_equal(mixed.pool.labels[inside], np.array([0, 9, 1, 2, 3])[old[inside]])
    assert (old[~inside] == 1).all()
    noisy = apply(mixed, name="uniform_noise", rate=0.5)
    assert np.array_equal(noisy.answers == OUTLIER, mixed.answers == OUTLIER)


def test_prices_are_public_and_so_say_nothing_of_labels(setting):
    priced = apply(setting, name="random_prices", highest=10)
    assert priced.prices.min() >= 1
    assert priced.prices.max() <= 10
    by_class = [priced.prices[setting.pool.labels == label].mean() for label in range(K)]
    assert max(by_class) - min(by_class) < 0.8


def open_digits(tmp_path, seed, *conditions):
    problem = registry("problems").build(
        {"name": "classification", "dataset": "digits", "encoder": "pixels", "conditions": list(conditions)}
    )
    return problem.open(Place(tmp_path), Streams(seed))


def bought(instance, count=300) -> Ledger:
    ledger = Ledger()
    instance.oracle.answer(np.arange(count), float(count), ledger)
    return ledger


def test_what_is_bought_is_noisy_and_what_is_evaluated_is_clean(tmp_path):
    noise = {"name": "uniform_noise", "rate": 0.3}
    clean, noisy, other = open_digits(tmp_path, 0), open_digits(tmp_path, 0, noise), open_digits(tmp_path, 1, noise)
    truth = bought(clean).answers
    assert (bought(noisy).answers != truth).mean() == pytest.approx(0.3, abs=0.08)
    assert np.array_equal(bought(noisy).answers, bought(open_digits(tmp_path, 0, noise)).answers)
    assert not np.array_equal(bought(noisy).answers, bought(other).answers)
    assert np.array_equal(noisy._test.labels, clean._test.labels)


def test_every_run_meets_the_same_pool(tmp_path):
    tail = {"name": "long_tail", "ratio": 10}
    pools = [open_digits(tmp_path, seed, tail)._pool for seed in (0, 1)]
    assert np.array_equal(*pools)
    assert len(pools[0]) < len(open_digits(tmp_path, 0)._pool)


def test_an_outlier_is_paid_for_and_teaches_nothing(tmp_path):
    instance = open_digits(tmp_path, 0, {"name": "out_of_distribution", "classes": [3, 4], "share": 0.3})
    ledger = bought(instance)
    data = instance.training_data(ledger, with_validation=False)
    outliers = int((ledger.answers == OUTLIER).sum())
    assert outliers > 30
    assert ledger.spent == 300
    assert len(data.labelled.labels) == 300 - outliers
    assert data.labelled.labels.min() >= 0
    assert data.num_classes == 8


def test_noise_before_shape_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'long_tail' shapes the pool, so it must come before any noise"):
        open_digits(tmp_path, 0, {"name": "uniform_noise", "rate": 0.1}, {"name": "long_tail", "ratio": 2})


def test_a_subset_is_drawn_once_and_no_larger_than_the_pool(setting):
    small = apply(setting, name="subset", size=300)
    assert len(np.unique(small.pool.rows)) == len(small.answers) == 300
    assert np.array_equal(small.pool.labels, setting.pool.labels[small.pool.rows])
    with pytest.raises(ValueError, match="2001 items wanted, the pool has 2000"):
        apply(setting, name="subset", size=2001)


@pytest.fixture
def real() -> Setting:
    """Real values whose pool has a standard deviation of 2; rows count the whole data set's examples."""
    values = np.random.default_rng(4).standard_normal(SIZE + 100)
    values[:SIZE] *= 2 / values[:SIZE].std()
    pool, test = (Part(rows, values[rows]) for rows in np.split(np.arange(len(values)), [SIZE]))
    return Setting(pool, pool.labels, np.ones(SIZE), test, test, ())


def test_value_noise_has_its_level_in_deviations_of_the_pool(real):
    noise = apply(real, name="value_noise", level=0.5).answers - real.pool.labels
    assert noise.std() == pytest.approx(1.0, rel=0.06)
    assert np.corrcoef(np.abs(noise), np.abs(real.pool.labels))[0, 1] == pytest.approx(0, abs=0.06)
    assert np.array_equal(apply(real, name="value_noise", level=0.0).answers, real.answers)


def test_growing_noise_grows_with_the_label(real):
    noise = apply(real, name="growing_noise", share=0.1).answers - real.pool.labels
    assert (noise / np.abs(real.pool.labels)).std() == pytest.approx(0.1, rel=0.06)


def test_outliers_come_at_their_rate_and_leave_the_rest_to_the_bit(real):
    noisy = apply(real, name="value_outliers", rate=0.1, level=3.0, freedom=2.0)
    off = noisy.answers != real.pool.labels
    assert off.mean() == pytest.approx(0.1, abs=0.02)
    size = np.abs(noisy.answers - real.pool.labels)[off] / 6
    assert np.median(size) == pytest.approx(0.816, rel=0.15)  # of Student's t with two degrees of freedom
    assert size.max() > 5


def test_noise_keeps_the_type_of_the_labels_and_refuses_what_it_cannot_hold(real):
    small = replace(real, pool=Part(real.pool.rows, real.pool.labels.astype(np.float16)))
    small = replace(small, answers=small.pool.labels)
    assert apply(small, name="value_noise", level=0.5).answers.dtype == np.float16
    with pytest.raises(ValueError, match="makes an answer too large for float16"):
        apply(small, name="value_noise", level=1e5)


@pytest.mark.parametrize("task", ["classes", "values"])
def test_the_test_set_leans_to_one_side_of_the_pool_and_nothing_else_changes(setting, real, task):
    before = setting if task == "classes" else real
    of_part = {"pool": features(), "test": np.random.default_rng(10).standard_normal((len(before.test.rows), 6))}

    def read(part: str = "pool") -> np.ndarray:
        return of_part[part]

    for strength in (0.0, 3.0):
        condition = registry("conditions").build({"name": "covariate_shift", "strength": strength})
        after = condition.apply(before, read, np.random.default_rng(0))
        assert (after.pool, after.validation, after.answers) == (before.pool, before.validation, before.answers)
        kept = np.isin(before.test.rows, after.test.rows)
        assert kept.sum() == round(len(before.test.rows) / 2)
        assert np.array_equal(after.test.labels, before.test.labels[kept])
        moved = np.linalg.norm(of_part["test"][kept].mean(axis=0) - of_part["test"].mean(axis=0))
        assert (moved > 0.4) == (strength > 0)


def test_conditions_say_which_tasks_they_serve():
    known = registry("conditions")
    tasks = {name: known.load(name).tasks for name in known.entries()}
    both = {name for name, served in tasks.items() if served == {"classification", "regression"}}
    assert both == {"random_prices", "duplicates", "subset", "covariate_shift"}
    assert {name for name, served in tasks.items() if served == {"regression"}} == {
        *("value_noise", "growing_noise", "value_outliers")
    }
