import pytest
import torch

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.latent.directions import find_directions
from tests.gan.linear import linear_sampler
from tests.gan.tiny import tiny_sampler


def planted(seed=0):
    """A matrix whose singular values are known, and its singular vectors on the side of z."""
    generator = torch.Generator().manual_seed(seed)
    outer = torch.linalg.qr(torch.randn(12, 5, generator=generator))[0]
    inner = torch.linalg.qr(torch.randn(5, 5, generator=generator))[0]
    return inner @ torch.diag(torch.tensor([3.0, 2.0, 1.5, 1.0, 0.5])) @ outer.T, inner


def test_directions_of_a_linear_generator_are_its_singular_vectors():
    matrix, inner = planted()
    found = find_directions(linear_sampler(matrix, (3, 2, 2)), count=3, samples=6000)
    # z is U(-1, 1), so one standard deviation is 1 / sqrt(3) in any direction.
    for number in range(3):
        expected = inner[:, number] * 3**-0.5
        expected = expected * torch.sign(expected @ found.steps[number])
        torch.testing.assert_close(found.steps[number], expected, atol=0.06, rtol=0)
    total = 9 + 4 + 2.25 + 1 + 0.25
    assert found.variance == pytest.approx([9 / total, 4 / total, 2.25 / total], abs=0.02)
    assert found.layer == 0


def test_a_step_moves_the_layer_along_its_component_and_no_other():
    """With as many directions as dimensions the way back to z is exact, whatever the sample."""
    matrix, _ = planted()
    sampler = linear_sampler(matrix, (3, 2, 2))
    found = find_directions(sampler, count=5, samples=300, seed=1)
    moved = found.steps @ matrix  # what each step adds to the layer
    gram = moved @ moved.T
    maps = sampler.hidden(sampler.latent(1, range(300)), 0).flatten(1)
    variances = torch.linalg.eigvalsh(torch.cov(maps.T)).flip(0)[:5]
    torch.testing.assert_close(gram, torch.diag(variances), atol=1e-4, rtol=1e-3)


def test_directions_repeat_and_do_not_depend_on_how_many_are_asked_for():
    sampler = tiny_sampler()
    found = find_directions(sampler, 4, layer=1, samples=200)
    assert torch.equal(found.steps, find_directions(sampler, 4, layer=1, samples=200).steps)
    fewer = find_directions(sampler, 2, layer=1, samples=200)
    torch.testing.assert_close(fewer.steps, found.steps[:2], atol=1e-3, rtol=1e-3)
    assert list(found.variance) == sorted(found.variance, reverse=True)


def test_a_layer_without_as_many_directions_gives_finite_steps():
    matrix = torch.zeros(5, 12)
    matrix[0, 0] = 1.0
    found = find_directions(linear_sampler(matrix, (3, 2, 2)), 3, samples=100)
    assert torch.isfinite(found.steps).all()


def test_what_cannot_be_found():
    sampler = tiny_sampler()
    with pytest.raises(InputError, match="z has 5 dimensions, so give 1 to 5"):
        find_directions(sampler, 6)
    with pytest.raises(InputError, match="5 samples are too few"):
        find_directions(sampler, 2, samples=5)
    with pytest.raises(InputError, match="no layer 2"):
        find_directions(sampler, 2, layer=2)
