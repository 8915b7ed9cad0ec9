import pytest
import torch

from labelbench_plus.algorithms.learners.label_propagation import induce, nearest_label, neighbour_graph, propagate


@pytest.fixture(scope="module")
def points():
    return torch.randn(60, 5, generator=torch.Generator().manual_seed(0))


def dense_graph(features, k):
    """All of W and D^(-1/2) W D^(-1/2) at once."""
    squared = torch.cdist(features.double(), features.double()) ** 2
    squared.fill_diagonal_(torch.inf)
    nearest = squared.topk(k, dim=1, largest=False)
    scale = nearest.values[:, -1].sqrt()
    near = torch.zeros_like(squared, dtype=torch.bool).scatter(1, nearest.indices, True)
    edges = torch.where(near, (-squared / (scale[:, None] * scale)).exp(), torch.zeros_like(squared))
    weights = (edges + edges.T) / 2
    root = weights.sum(dim=1).rsqrt()
    return root[:, None] * weights * root


@pytest.mark.parametrize("k", [1, 4, 59])
def test_the_graph_is_that_of_the_definition(points, k):
    graph = neighbour_graph(points, k)
    torch.testing.assert_close(graph.matrix.to_dense(), dense_graph(points, k), atol=1e-5, rtol=1e-5)


def test_the_solution_is_that_of_the_equations(points):
    graph = neighbour_graph(points, 5)
    labelled, labels = torch.tensor([0, 7, 20, 33]), torch.tensor([0, 1, 2, 1])
    target = torch.zeros(60, 4, dtype=torch.float64)
    target[labelled, labels] = 1
    exact = torch.linalg.solve(torch.eye(60, dtype=torch.float64) - 0.9 * graph.matrix.to_dense(), target)
    torch.testing.assert_close(propagate(graph, labelled, labels, 4, alpha=0.9), exact, atol=1e-7, rtol=0)


def test_labels_stay_within_their_component():
    groups = torch.cat([torch.rand(6, 2), 100 + torch.rand(6, 2)])
    values = propagate(neighbour_graph(groups, 3), torch.tensor([0]), torch.tensor([1]), 2)
    assert (values[:6, 1] > 0).all()
    assert (values[6:] == 0).all()
    assert (values[:, 0] == 0).all()


def test_chunks_change_nothing(points):
    graph, again = neighbour_graph(points, 4), neighbour_graph(points, 4, chunk_bytes=2048)
    assert torch.equal(graph.matrix.to_dense(), again.matrix.to_dense())


def test_duplicates_and_constants_are_no_trouble():
    same = torch.ones(9, 3)
    values = propagate(neighbour_graph(same, 4), torch.tensor([0]), torch.tensor([1]), 2)
    assert values.isfinite().all()
    assert (values[:, 1] > 0).any()
    assert induce(neighbour_graph(same, 4), values, same[:2]).isfinite().all()


def test_new_points_get_the_mean_of_their_neighbours(points):
    graph, values = neighbour_graph(points, 4), torch.rand(60, 3, dtype=torch.float64)
    new = torch.randn(7, 5, generator=torch.Generator().manual_seed(1))
    squared = torch.cdist(new.double(), points.double()) ** 2
    top = squared.topk(4, dim=1, largest=False)
    weights = (-top.values / (top.values[:, -1:].sqrt() * graph.scales[top.indices])).exp()
    expected = (weights[:, :, None] * values[top.indices]).sum(dim=1) / weights.sum(dim=1, keepdim=True)
    torch.testing.assert_close(induce(graph, values, new), expected, atol=1e-5, rtol=1e-5)


def test_bad_input_is_refused(points):
    with pytest.raises(ValueError, match="at least 1"):
        neighbour_graph(points, 0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_gives_the_same_bits_each_time():
    points = torch.randn(3000, 20, generator=torch.Generator().manual_seed(0)).cuda()
    labelled, labels = torch.arange(20).cuda(), (torch.arange(20) % 4).cuda()
    first, second = (propagate(neighbour_graph(points, 10), labelled, labels, 4) for _ in range(2))
    assert first.device.type == "cuda"
    assert torch.equal(first, second)


def test_a_new_point_near_copies_gets_theirs():
    # Each has more copies than neighbours are asked for, so that local scales are zero.
    copies = torch.cat([torch.zeros(20, 2), torch.tensor([[4.0, 0.0]]).expand(20, 2)])
    graph = neighbour_graph(copies, 10)
    values = propagate(graph, torch.tensor([0, 39]), torch.tensor([0, 1]), 2)
    found = induce(graph, values / values.sum(dim=1, keepdim=True), torch.tensor([[0.1, 0.0], [3.9, 0.0], [4.0, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=torch.float64))


def test_where_weights_vanish_the_nearest_are_what_is_left():
    generator = torch.Generator().manual_seed(0)
    frames = 1e-3 * torch.randn(30, 2, generator=generator)  # of a film: near each other, far from anything new
    graph = neighbour_graph(torch.cat([frames, 50 + frames]), 10)
    values = torch.eye(2, dtype=torch.float64).repeat_interleave(30, 0)
    new = torch.randn(10, 2, generator=generator)
    assert torch.equal(induce(graph, values, new).argmax(dim=1), torch.zeros(10, dtype=torch.long))
    assert torch.equal(induce(graph, values, 50 + new).argmax(dim=1), torch.ones(10, dtype=torch.long))
    torch.testing.assert_close(induce(graph, values, new).sum(dim=1), torch.ones(10, dtype=torch.float64))


def test_rows_that_no_label_reaches_have_the_class_of_the_nearest_labelled_one():
    labelled, labels = torch.tensor([[0.0], [10.0]]), torch.tensor([2, 1])
    found = nearest_label(torch.tensor([[1.0], [9.0], [5.0]]), labelled, labels, 3)
    assert found.tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 1]], "ties go to the lowest row"
