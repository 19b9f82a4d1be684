import numpy as np
import pytest
import torch

from hilander.nn import scatter
from hilander.nn.scatter import sum_at_ends, sum_of_triangle_products, take_at_ends

EDGES = torch.tensor([[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]])
TRIANGLES = torch.tensor([[0, 1, 2], [2, 3, 4]], dtype=torch.int32)
VALUES = torch.tensor(np.random.default_rng(0).normal(size=(5, 3)))

OPERATIONS = {
    "sum_at_ends": lambda values: sum_at_ends(values, EDGES, 4),
    "take_at_ends": lambda values: torch.cat(take_at_ends(values, EDGES[:, [1, 0]])),
    "triangles": lambda values: sum_of_triangle_products(values, TRIANGLES),
}


def test_sum_at_ends_adds_the_edges_of_each_node():
    expected = [VALUES[[e for e, pair in enumerate(EDGES.tolist()) if node in pair]].sum(0) for node in range(4)]
    torch.testing.assert_close(sum_at_ends(VALUES, EDGES, 4), torch.stack(expected))


def test_take_at_ends_reads_both_ends():
    first, second = take_at_ends(VALUES[:4], EDGES)
    torch.testing.assert_close(first, VALUES[EDGES[:, 0]])
    torch.testing.assert_close(second, VALUES[EDGES[:, 1]])


def test_triangle_products_run_over_common_neighbors():
    matrix = torch.zeros(4, 4, 3, dtype=torch.float64)
    matrix[EDGES[:, 0], EDGES[:, 1]] = matrix[EDGES[:, 1], EDGES[:, 0]] = VALUES
    expected = torch.stack([sum(matrix[i, m] * matrix[m, j] for m in range(4)) for i, j in EDGES.tolist()])
    torch.testing.assert_close(sum_of_triangle_products(VALUES, TRIANGLES), expected)


@pytest.mark.parametrize("name", OPERATIONS)
def test_gradients(name):
    assert torch.autograd.gradcheck(OPERATIONS[name], VALUES.clone().requires_grad_())


@pytest.mark.parametrize("name", OPERATIONS)
def test_compiled_loops_equal_torch(name, monkeypatch):
    def value_and_gradient():
        values = VALUES.clone().requires_grad_()
        result = OPERATIONS[name](values)
        (result**3).sum().backward()
        return result, values.grad

    compiled = value_and_gradient()
    monkeypatch.setattr(scatter, "_on_cpu", lambda tensor: False)
    torch.testing.assert_close(value_and_gradient(), compiled)
