"""Both spaces against the dense matrices they stand for."""

from typing import Any

import pytest
import torch

from dcgan_features.eval.l2svm import primal
from dcgan_features.eval.l2svm.gram import GramSpace, gram_matrix
from dcgan_features.eval.l2svm.newton import _on_leading, line_search
from dcgan_features.eval.l2svm.primal import WeightSpace

ROWS, DIMENSIONS, COLUMNS = 70, 33, 5


@pytest.fixture
def features():
    return torch.randn(ROWS, DIMENSIONS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("intercept", [True, False])
def test_weight_space_equals_dense_products(features, intercept, threads, monkeypatch):
    monkeypatch.setattr(primal, "BLOCK_BYTES", 20 * DIMENSIONS * 8)  # several blocks, the last one short
    space = WeightSpace(features, intercept, torch.float64, features.device)
    dense = torch.cat([features, torch.full((ROWS, 1), float(intercept), dtype=torch.float64)], 1)
    w, weights = torch.randn(DIMENSIONS + 1, COLUMNS).double(), torch.rand(ROWS, COLUMNS).double()
    assert torch.allclose(space.decision(w), dense @ w)
    assert torch.allclose(space.adjoint(weights), dense.T @ weights)
    decision, product = space.hessian(w, weights)
    assert torch.allclose(decision, dense @ w)
    assert torch.allclose(product, w + dense.T @ (weights * (dense @ w)))


@pytest.mark.parametrize("intercept", [True, False])
def test_the_exact_inverse_in_weight_space_undoes_the_hessian(features, intercept, monkeypatch):
    monkeypatch.setattr(primal, "BLOCK_BYTES", 2 * DIMENSIONS * 8)  # several blocks,
    monkeypatch.setattr(primal, "_LEAST_STRIP", 8)  # several strips, the last ones short
    space = WeightSpace(features, intercept, torch.float64, features.device)
    weights = torch.rand(ROWS, COLUMNS, generator=torch.Generator().manual_seed(1)).double()
    weights[weights < 0.3] = 0
    vector = torch.randn(DIMENSIONS + 1, COLUMNS, generator=torch.Generator().manual_seed(2)).double()
    inverse = space.exact_inverse(100 * weights)
    assert inverse is not None
    dense = torch.cat([features, torch.full((ROWS, 1), float(intercept), dtype=torch.float64)], 1)
    for column in range(COLUMNS):
        hessian = torch.eye(DIMENSIONS + 1).double() + dense.T @ (100 * weights[:, [column]] * dense)
        expected = torch.linalg.solve(hessian, vector[:, column])
        assert torch.allclose(inverse(vector)[:, column], expected, rtol=1e-9, atol=1e-12)
    monkeypatch.setattr(primal, "EXACT_BYTES", COLUMNS * (DIMENSIONS + 1) ** 2 * 8 - 1)
    assert space.exact_inverse(weights) is None


def test_blocks_on_a_device_become_smaller_until_they_fit_and_stay_so(features, monkeypatch):
    """The CPU stands for a GPU that has memory for 20 rows."""
    space = WeightSpace(features, True, torch.float64, features.device)
    space._threads = False
    load, asked = space._load, []

    def loaded(block, dtype):
        asked.append(block.stop - block.start)
        if asked[-1] > 20:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")
        return load(block, dtype)

    monkeypatch.setattr(space, "_load", loaded)
    monkeypatch.setattr(space, "_device_block", 64 * DIMENSIONS * 8)
    dense = torch.cat([features, torch.ones(ROWS, 1, dtype=torch.float64)], 1)
    w, weights = torch.randn(DIMENSIONS + 1, COLUMNS).double(), torch.rand(ROWS, COLUMNS).double()
    decision, product = space.hessian(w, weights)
    assert asked == [64, 32, 16, 16, 16, 16, 6]
    assert torch.allclose(decision, dense @ w)
    assert torch.allclose(product, w + dense.T @ (weights * (dense @ w)))
    assert torch.allclose(space.decision(w), dense @ w)
    assert torch.allclose(space.adjoint(weights), dense.T @ weights)
    inverse = space.exact_inverse(weights)
    assert inverse is not None
    assert torch.allclose(inverse(product), w)
    assert asked[7:] == [16, 16, 16, 16, 6] * 3
    monkeypatch.setattr(space, "_load", lambda block, dtype: loaded(slice(0, 21), dtype))
    with pytest.raises(torch.OutOfMemoryError):  # 16 rows are the least
        space.decision(w)


def test_the_gram_matrix_is_made_of_fewer_columns_at_a_time_where_memory_does_not_suffice(monkeypatch):
    wide = torch.randn(20, 1500, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    add, asked = torch.Tensor.addmm_, []

    def hungry(self, left, right):
        asked.append(left.shape[1])
        if asked[-1] > 400:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")
        return add(self, left, right)

    monkeypatch.setattr(torch.Tensor, "addmm_", hungry)
    gram = gram_matrix(wide, False, torch.float64, wide.device)
    assert max(asked[-5:]) <= 400
    assert torch.allclose(gram, wide @ wide.T)


@pytest.mark.parametrize(("able", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_device_without_bfloat16_multiplies_such_features_in_float32(features, monkeypatch, able, expected):
    monkeypatch.setattr(primal, "computes_bfloat16", lambda device: able)
    space = WeightSpace(features.bfloat16(), True, torch.float32, features.device)
    multiplied = set()
    load = space._load

    def noted(block, dtype):
        multiplied.add(dtype)
        return load(block, dtype)

    monkeypatch.setattr(space, "_load", noted)
    space.leading()
    assert multiplied == {expected}


@pytest.mark.parametrize("intercept", [True, False])
def test_gram_space_describes_the_same_weights(features, intercept):
    gram = gram_matrix(features, intercept, torch.float64, features.device)
    dense = torch.cat([features, torch.full((ROWS, 1), float(intercept), dtype=torch.float64)], 1)
    assert torch.allclose(gram, dense @ dense.T)
    space = GramSpace(gram)
    weights, values = torch.rand(ROWS, COLUMNS).double(), torch.randn(ROWS, COLUMNS).double()
    vector = space.adjoint(values)
    w = dense.T @ values
    assert torch.allclose(space.inner(vector, vector), (w * w).sum(0))
    decision, product = space.hessian(vector, weights)
    assert torch.allclose(decision, dense @ w)
    assert torch.allclose(dense.T @ product[0], w + dense.T @ (weights * (dense @ w)))
    weights[weights < 0.3] = 0
    inverse = space.exact_inverse(weights)
    assert inverse is not None
    _, product = space.hessian(vector, weights)
    assert torch.allclose(inverse(product), vector, atol=1e-8)


@pytest.mark.parametrize("gram", [True, False])
def test_leading_directions_are_orthonormal_and_exact_when_complete(features, gram):
    space: Any
    if gram:
        space = GramSpace(gram_matrix(features, True, torch.float64, features.device))
    else:
        space = WeightSpace(features, True, torch.float64, features.device)
    leading = space.leading()
    rank = leading.decision.shape[1]
    overlap = torch.stack([space.inner(leading.vectors, leading.vectors[..., [i]]) for i in range(rank)])
    assert torch.allclose(overlap, torch.eye(rank, dtype=torch.float64), atol=1e-6)
    weights = torch.rand(ROWS, COLUMNS).double()
    vector = space.adjoint(torch.randn(ROWS, COLUMNS).double())
    _, product = space.hessian(vector, weights)
    inverse = _on_leading(space.total, leading, weights)(product)
    # In Gram space other coefficients can stand for the same weights: what they decide is compared.
    assert torch.allclose(space.decision(inverse), space.decision(vector), atol=1e-5)


def testline_search_finds_the_minimum_of_the_piecewise_quadratic():
    generator = torch.Generator().manual_seed(1)
    f, change = torch.randn(2, 40, 3, generator=generator, dtype=torch.float64)
    t, m, C = torch.sign(torch.randn(40, 3, generator=generator).double()), torch.rand(40, 3).double(), 0.7
    w, direction = torch.randn(2, 8, 3, generator=generator, dtype=torch.float64)
    change += 0.5 * t  # a direction of descent

    def value(step):
        return 0.5 * ((w + step * direction) ** 2).sum(0) + C * (
            m * (1 - t * (f + step * change)).clamp_min(0) ** 2
        ).sum(0)

    step = line_search(lambda part: part, (w * direction).sum(0), (direction**2).sum(0), f, change, t, m, C)
    grid = torch.linspace(0, 5, 20_001, dtype=torch.float64)
    brute = torch.stack([value(s) for s in grid])
    descends = brute[1] < brute[0]
    assert descends.any()
    assert torch.allclose(step[descends], grid[brute.argmin(0)][descends], atol=5e-4)
    assert (step[~descends] == 0).all()
