import numpy as np
import pytest

from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.data import Samples, SourceTaskData
from tests.source_tasks.simulate import build, simulate


def test_a_network_of_the_right_kind_learns_a_network():
    problem = {
        "name": "task_space", "inputs": "network", "dimension": 6, "rank": 2, "tasks": 5, "noise": 0.1,
        "target_labels": 300, "test_size": 1000,
    }  # fmt: skip
    scores = [
        simulate(problem, {"name": "bilinear_torch", "steps": steps}, "target_aware", (1500.0, 500.0), 0)[1]
        for steps in (1, 300)
    ]
    assert scores[1]["excess_risk"] < 0.4 * scores[0]["excess_risk"]


def test_sources_without_labels_have_no_head():
    rng = np.random.default_rng(0)

    def samples(count: int) -> Samples:
        return Samples(rng.normal(size=(count, 3)), rng.normal(size=count))

    data = SourceTaskData((samples(20), samples(0), samples(20)), None, (samples(30),), 2)
    model = build("trainers", {"name": "joint_torch", "steps": 3}).fit(data, Streams(0), None)
    assert not model.task_map[:, 1].any()
    assert model.task_map[:, 0].any()
    assert model.sources_opened == 2


def test_convolutions_need_square_images():
    rng = np.random.default_rng(0)
    part = Samples(rng.normal(size=(5, 60)), rng.normal(size=5))
    data = SourceTaskData((part,), None, (part,), 2)
    with pytest.raises(ValueError, match="square images"):
        build("trainers", {"name": "joint_torch", "representation": "convolutions"}).fit(data, Streams(0), None)
