import numpy as np
import pytest

from labelbench_plus.budget import Ledger
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.data import SourceModel
from tests.source_tasks.simulate import build

SMALL = {
    "name": "corrupted_images", "corruption": "fog", "label": 3, "per_task": 60, "target_labels": 50, "test_size": 200,
    "rank": 4, "dataset": "digits",
}  # fmt: skip


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    problem = build("problems", SMALL)
    return problem, problem.open(Place(tmp_path_factory.mktemp("cache")), Streams(0))


def test_sources_are_the_tasks_of_other_corruptions(opened):
    problem, instance = opened
    assert len(problem.sources()) == 150
    assert not [name for name, _ in problem.sources() if name == "fog"]
    assert instance.oracle.space.size == 150
    assert problem.capacity() == 150 * 60


def test_a_task_shows_its_own_part_and_asks_for_its_own_class(opened):
    problem, instance = opened
    ledger = Ledger()
    shot, identity = problem.sources().index(("shot_noise", 7)), problem.sources().index(("identity", 7))
    instance.oracle.answer(Allocation(np.array([identity, shot]), np.array([60, 60])), 120.0, ledger)
    sources = instance.training_data(ledger, with_validation=False).sources
    plain, noisy = sources[identity], sources[shot]
    assert plain.inputs.shape == (60, 64)
    assert 0 < plain.labels.sum() < 20
    assert set(plain.labels.tolist()) == {0.0, 1.0}
    assert noisy.labels.sum() == plain.labels.sum()  # the same images, in another order and corrupted
    assert len({row.tobytes() for row in plain.inputs}) == 60
    assert instance.oracle.ask_for(1e9, ledger) == 148 * 60


@pytest.mark.parametrize(("representation", "steps"), [("linear", 200), ("mlp", 200), ("convolutions", 60)])
def test_networks_learn_what_sources_teach(opened, representation, steps):
    _, instance = opened
    ledger = Ledger()
    instance.oracle.answer(Allocation(np.arange(150), np.full(150, 12)), 1800.0, ledger)
    data = instance.training_data(ledger, with_validation=False)

    def fit(number: int) -> tuple[float, SourceModel]:
        settings = {"name": "joint_torch", "representation": representation, "steps": number, "learning_rate": 0.01}
        model = build("trainers", settings).fit(data, Streams(0).round(0), None)
        errors = [
            model.representation(part.inputs) @ model.task_map[:, source] - part.labels
            for source, part in enumerate(data.sources)
        ]
        return float((np.concatenate(errors) ** 2).mean()), model

    untrained, _ = fit(1)
    trained, model = fit(steps)
    assert trained < min(0.095, 0.8 * untrained)  # always answering one in ten errs by 0.09
    assert model.task_map.shape == (5, 150)
    again = fit(1), fit(1)
    assert again[0][0] == again[1][0]
    assert 0 <= instance.evaluate(model)["auc"] <= 1


def test_impossible_problems_are_refused():
    with pytest.raises(ValueError, match="unknown corruption 'snow'"):
        build("problems", {**SMALL, "corruption": "snow"})
    with pytest.raises(ValueError, match="more than the 60 images"):
        build("problems", {**SMALL, "target_labels": 61})
