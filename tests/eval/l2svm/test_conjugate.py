"""Conjugate gradients against dense solutions."""

from typing import Any

import torch

from dcgan_features.eval.l2svm.conjugate import conjugate_gradients


def systems(count=3, size=20):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(count, 40, size, generator=generator, dtype=torch.float64)
    right = torch.randn(size, count, generator=generator, dtype=torch.float64)
    return X, torch.eye(size, dtype=torch.float64) + X.mT @ X, right


def inner(left, right):
    return (left * right).sum(0)


def solve(H, X, right, **changed):
    def multiply(vector):
        return torch.einsum("knd,dk->nk", X, vector), torch.einsum("kde,ek->dk", H, vector)

    options: dict[str, Any] = {"precondition": lambda vector: vector, "inner": inner, "shrink": 1e-24, "most": 100}
    options |= changed
    return conjugate_gradients(multiply, right=right, **options)


def test_each_column_is_its_dense_solution_and_what_goes_with_it_is_summed():
    X, H, right = systems()
    direction, change, steps = solve(H, X, right)
    exact = torch.linalg.solve(H, right.T[:, :, None])[:, :, 0].T
    torch.testing.assert_close(direction, exact, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(change, torch.einsum("knd,dk->nk", X, exact), rtol=1e-8, atol=1e-10)
    assert 10 < steps <= 40


def test_columns_stop_by_their_own_energy_and_the_most_steps_count():
    X, H, right = systems()
    rough = solve(H, X, right, shrink=torch.tensor([1.0, 1e-2, 1e-24], dtype=torch.float64))[0]
    exact = torch.linalg.solve(H, right.T[:, :, None])[:, :, 0].T
    errors = (rough - exact).norm(dim=0) / exact.norm(dim=0)
    assert float(errors[0]) == 1.0  # within what it was to shrink to from the start
    assert 1e-6 < float(errors[1]) < 0.3
    assert float(errors[2]) < 1e-9
    assert solve(H, X, right, most=2)[2] == 2


def test_the_exact_inverse_needs_one_step_also_where_it_comes_later():
    X, H, right = systems()
    exact = lambda vector: torch.linalg.solve(H, vector.T[:, :, None])[:, :, 0].T  # noqa: E731
    assert solve(H, X, right, precondition=exact, shrink=1e-20)[2] == 1
    direction, _, steps = solve(H, X, right, shrink=1e-20, sharpened=lambda passes: exact if passes == 2 else None)
    assert steps <= 4
    torch.testing.assert_close(direction, exact(right), rtol=1e-8, atol=1e-10)


def test_a_direction_along_which_the_matrix_is_not_positive_is_not_taken():
    right = torch.ones(2, 1, dtype=torch.float64)
    direction, change, steps = conjugate_gradients(
        lambda vector: (None, -vector), lambda vector: vector, right, inner=inner, shrink=1e-6, most=9
    )
    assert not direction.any()
    assert change is None
    assert steps == 1
