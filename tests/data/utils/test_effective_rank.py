import numpy as np
import pytest
import torch

from dcgan_features.data.utils.effective_rank import ROWS, effective_rank


def by_definition(rows):
    values = np.linalg.svd(rows.astype(np.float64), compute_uv=False)
    shares = values / values.sum() + 1e-7
    return np.exp(-(shares * np.log(shares)).sum())


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)])
def test_it_is_that_of_the_paper(shape):
    rows = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert effective_rank(torch.from_numpy(rows)) == pytest.approx(by_definition(rows), rel=1e-4)


def test_known_ranks():
    assert effective_rank(torch.eye(12)) == pytest.approx(12, rel=1e-4)
    one = torch.outer(torch.arange(1.0, 30), torch.ones(5))
    assert effective_rank(one.bfloat16()) == pytest.approx(1, abs=0.01)
    assert effective_rank(torch.zeros(4, 3)) == 1
    many = torch.eye(3).repeat(ROWS, 1)
    assert effective_rank(many) == pytest.approx(3, rel=0.01)
