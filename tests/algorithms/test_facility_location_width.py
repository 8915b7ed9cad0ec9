import pytest
import torch

from labelbench_plus.algorithms.blocks.similarity import Rbf, mean_squared_distance
from labelbench_plus.algorithms.facility_location import facility_location
from labelbench_plus.algorithms.facility_location_width import SCALES, chosen_scale, widths


@pytest.fixture
def features():
    """Six groups of different sizes."""
    generator = torch.Generator().manual_seed(0)
    centers = 4 * torch.randn(6, 8, generator=generator, dtype=torch.float64)
    member = torch.repeat_interleave(torch.tensor([40, 20, 10, 8, 6, 4]))
    return centers[member] + 0.3 * torch.randn(88, 8, generator=generator, dtype=torch.float64)


def test_widths_are_what_the_definition_says(features):
    spread = mean_squared_distance(features)
    squared = torch.cdist(features, features).square()
    for width in widths(features, 6):
        similarity = (-squared / (width.scale * spread)).exp()
        covered, gains = torch.zeros(88, dtype=torch.float64), []
        for row in facility_location(features, 6, similarity=Rbf(scale=width.scale)).tolist():
            gains.append(float((similarity[row] - covered).clamp(min=0).sum()))
            covered = torch.maximum(covered, similarity[row])
        assert width.last_gain == pytest.approx(gains[-1] / gains[0])
        picked = facility_location(features, 6, similarity=Rbf(scale=width.scale))
        assert width.distance == pytest.approx(float(squared[:, picked].min(dim=1).values.sqrt().mean()))


def test_the_smallest_that_has_both_is_chosen(features):
    for n in (4, 7, 12, 40):
        found, chosen = widths(features, n), chosen_scale(features, n)
        least = min(width.distance for width in found)
        fine = [w.scale for w in found if w.last_gain <= 0.02 and w.distance <= 1.05 * least]
        assert chosen == (min(fine) if fine else min(found, key=lambda width: (width.distance, width.scale)).scale)
    assert chosen_scale(features, 12) in SCALES and chosen_scale(features, 12, (0.3,)) == 0.3
    with pytest.raises(ValueError, match="a scale to choose from"):
        chosen_scale(features, 3, ())
