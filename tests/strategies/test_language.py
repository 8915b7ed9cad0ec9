import pytest
import torch

from labelbench_plus.algorithms.token_uncertainty import MEASURES
from labelbench_plus.plugins import describe, registry
from labelbench_plus.testing.pool_scene import random_pool
from tests.strategies.make_view import make_view


def chosen(given, view, n=6):
    return registry("strategies").build(given).select(view, n, None).tolist()


@pytest.mark.parametrize("measure", MEASURES)
def test_the_least_sure_prompts_come_first(measure):
    view = make_view()
    scores = dict(
        zip(view.candidates.tolist(), view.mean_token_uncertainty[:, MEASURES.index(measure)].tolist(), strict=True)
    )
    found = chosen({"name": "mean_uncertainty", "measure": measure}, view)
    assert found == sorted(scores, key=lambda item: -scores[item])[:6]


def test_direction_on_two_prompts():
    """The one whose tokens were less sure is asked about, whichever of the two measures and columns says so."""
    unsure = torch.zeros(60, 3, dtype=torch.float64)
    view = make_view(mean_token_uncertainty=unsure, token_uncertainty=unsure)
    second = int(view.candidates[1])
    unsure[second] = 0.5
    view = make_view(mean_token_uncertainty=unsure, token_uncertainty=unsure)
    for name in ("mean_uncertainty", "max_uncertainty"):
        assert all(chosen({"name": name, "measure": measure}, view, 1) == [second] for measure in MEASURES)


def test_tasks_take_turns_and_budgets_are_nested():
    view = make_view(labelled=0, bought=torch.empty(0, dtype=torch.long))
    order = chosen("task_diversity", view, 24)
    counts = torch.bincount(view.tasks[torch.tensor(order)], minlength=4)
    assert counts.max() - counts.min() <= 1
    assert chosen("task_diversity", view, 10) == order[:10]
    later = make_view(bought=torch.tensor(order[:10]), labels=torch.zeros(10, dtype=torch.long))
    assert chosen("task_diversity", later, 14) == order[10:]


def test_a_width_for_a_budget_keeps_orders_nested():
    given = {"name": "facility_location", "width_for": 20}
    nothing = torch.empty(0, dtype=torch.long)
    view = make_view(labelled=0, bought=nothing)
    order = chosen(given, view, 20)
    later = make_view(bought=torch.tensor(order[:9]), labels=torch.zeros(9, dtype=torch.long))
    assert chosen(given, later, 11) == order[9:]
    assert view.notes["scale"] == later.notes["scale"]
    assert order == chosen({"name": "facility_location", "scale": view.notes["scale"]}, view, 20)
    assert "width_for" not in describe(registry("strategies").build("facility_location"))


def test_the_pool_by_hand_has_what_prompts_have():
    assert random_pool()["mean_token_uncertainty"].shape == (60, 3)
