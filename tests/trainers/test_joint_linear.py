import numpy as np
import pytest

from labelbench_plus.budget import Ledger
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.allocation import Allocation
from tests.source_tasks.simulate import HERE, build


@pytest.fixture(scope="module")
def data():
    problem = build("problems", {"name": "synthetic_sources", "heads": "generic", "dimension": 12, "rank": 3})
    instance, ledger = problem.open(HERE, Streams(2)), Ledger()
    instance.oracle.answer(Allocation(np.arange(50), np.full(50, 60)), 3000.0, ledger)
    return instance.training_data(ledger, with_validation=False)


def test_the_representation_is_frozen_before_the_target_is_fitted(data):
    model = build("trainers", "joint_linear").fit(data, Streams(0), None)
    other = type(data)(data.sources, None, (type(data.targets[0])(data.targets[0].inputs, -data.targets[0].labels),), 3)
    again = build("trainers", "joint_linear").fit(other, Streams(0), None)
    assert np.array_equal(model.basis, again.basis)
    assert np.allclose(model.target_heads, -again.target_heads)
    phi = model.representation(data.targets[0].inputs)
    assert np.allclose(phi.T @ (phi @ model.target_heads[:, 0] - data.targets[0].labels), 0, atol=1e-8)
    assert model.sources_opened == 50


def test_the_rank_can_be_taken_from_the_spectrum(data):
    found = build("trainers", {"name": "joint_linear", "choose_rank": True, "energy": 0.8}).fit(data, Streams(0), None)
    assert found.basis.shape == (12, 3)
    whole = build("trainers", {"name": "joint_linear", "choose_rank": True, "energy": 1.0}).fit(data, Streams(0), None)
    assert whole.basis.shape[1] > 3
