"""A short form of the campaign of hard problems."""

import numpy as np
import pytest

from dcgan_features.benchmarks.speed.campaign import ALLOWED, CERTAIN, draw, judge, judge_all, objectives


@pytest.mark.parametrize("seed", range(24))
def test_no_hard_problem_is_solved_worse_than_by_the_others(seed):
    judged = judge(seed, most=80)
    assert judged.passed, judged


@pytest.mark.parametrize("seed", [82, 151, 227, 287])
def test_a_column_whose_first_step_has_no_solution_is_not_done(seed):
    judged = judge(seed)
    assert np.isfinite(judged.excess)
    assert judged.passed, judged


def test_the_problems_are_as_hard_as_is_said():
    drawn = [draw(seed, 60) for seed in range(200)]
    assert {dtype for *_, dtype in drawn} == {"float64", "float32", "bfloat16"}
    lengths = [(X**2).sum(1).max() for X, *_ in drawn]
    assert min(lengths) < 1e-4
    assert max(lengths) > 1e15
    assert any(len(X) < X.shape[1] for X, *_ in drawn)
    assert any(len(X) > 4 * X.shape[1] for X, *_ in drawn)
    assert max(len(np.unique(y)) for _, y, *_ in drawn) > 5


def test_what_passed_is_counted(monkeypatch):
    said: list[str] = []
    counted = judge_all([0, 1], said.append)
    assert counted["problems"] == 2
    assert counted["passed"] == 2
    assert ALLOWED < 1 / CERTAIN**0.4


def test_the_objective_by_hand():
    X, y = np.array([[1.0], [-1.0]]), np.array([1, 0])
    np.testing.assert_allclose(objectives(np.array([[0.5, 0.0]]), X, y, 2.0), [0.125 + 2 * 2 * 0.25])
