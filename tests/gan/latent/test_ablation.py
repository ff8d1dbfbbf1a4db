import numpy as np
import pytest
import torch

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.latent.ablation import fit_object, images_without
from tests.gan.linear import linear_sampler
from tests.gan.tiny import tiny_sampler

PLANTED, MAPS = 3, 6  # the map that draws a red square; the others draw a blue-green texture everywhere


def square_sampler():
    """Maps of 4 x 4 for images of 8 x 8: map 3 is a square at rows 1-2, columns 2-3 and nothing elsewhere."""
    generator = torch.Generator().manual_seed(0)
    matrix = 0.1 * torch.rand(5, MAPS, 4, 4, generator=generator) - 0.05
    matrix[:, PLANTED] = 0
    matrix[0, PLANTED, 1:3, 2:4] = 0.8
    paint = torch.zeros(MAPS, 3)
    paint[:, 1:] = torch.rand(MAPS, 2, generator=generator)
    paint[PLANTED] = torch.tensor([1.0, 0.0, 0.0])
    sampler = linear_sampler(matrix.flatten(1), (MAPS, 4, 4), paint)
    latent = sampler.latent(0, range(40))
    latent[:, 0] = latent[:, 0].abs() + 0.2  # a square on every image, at times faint
    return sampler, latent


BOXES = [(sample, 4, 2, 8, 6) for sample in range(0, 20, 2)]


def test_the_map_that_draws_the_object_is_found_and_dropping_it_leaves_the_rest():
    sampler, latent = square_sampler()
    found = fit_object(sampler, latent, BOXES, seed=3)
    assert found.maps(1) == [PLANTED]
    assert found.weights[PLANTED] > 3 * np.abs(np.delete(found.weights, PLANTED)).max()
    assert found.positions == 10 * 4  # 2 x 2 cells a box
    assert found.accuracy > 0.95
    before, after = sampler.images(latent), images_without(sampler, latent, found.maps(1))
    assert (before[:, 2:6, 4:, 0] > 140).all()
    assert (after[:, :, :, 0] == 128).all()  # no red anywhere: not on the images without a box either
    np.testing.assert_array_equal(before[..., 1:], after[..., 1:])
    np.testing.assert_array_equal(images_without(sampler, latent, []), before)


def test_maps_are_those_of_positive_weight_in_order():
    sampler, latent = square_sampler()
    found = fit_object(sampler, latent, BOXES)
    maps = found.maps()
    assert set(maps) == set(np.flatnonzero(found.weights > 0))
    assert list(found.weights[maps]) == sorted(found.weights[maps], reverse=True)
    assert found.maps(2) == maps[:2]


def test_positions_outside_the_boxes_are_the_negatives():
    """By hand: the mean difference in a map's activations decides the sign of its weight, for a single map."""
    matrix = torch.zeros(5, 16)
    matrix[0] = 0.5
    matrix[0, :4] = -0.5  # the first of four rows is dark where the others are bright
    sampler = linear_sampler(matrix, (1, 4, 4), torch.ones(1, 3))
    latent = torch.ones(6, 5)
    assert fit_object(sampler, latent, [(1, 0, 0, 8, 2)]).weights[0] < 0
    assert fit_object(sampler, latent, [(1, 0, 2, 8, 8)]).weights[0] > 0
    assert fit_object(sampler, latent, [(1, 0, 2, 8, 8)]).positions == 12


def test_a_box_smaller_than_a_cell_counts_as_the_nearest_one():
    sampler, latent = square_sampler()
    assert fit_object(sampler, latent, [(0, 5, 3, 6, 4)]).positions == 1
    assert fit_object(sampler, latent, [(0, 4, 2, 6, 4), (0, 4, 2, 6, 4)]).positions == 1


def test_a_network_with_layers_is_cut_in_the_second_highest():
    sampler = tiny_sampler()
    latent = sampler.latent(0, range(4))
    found = fit_object(sampler, latent, [(0, 0, 0, 4, 4)])
    assert found.layer == 0
    assert len(found.weights) == 6
    high = fit_object(sampler, latent, [(0, 0, 0, 4, 4)], layer=1)
    assert len(high.weights) == 5
    hidden = sampler.hidden(latent, 1)
    hidden[:, 2] = 0
    expected = sampler.generator.image(hidden, 1).add(1).mul(127.5).round().permute(0, 2, 3, 1)
    without = images_without(sampler, latent, [2], layer=1)
    assert np.abs(without - expected.numpy()).max() <= 1
    assert (without != sampler.images(latent)).any()


@pytest.mark.parametrize(
    ("boxes", "sentence"),
    [
        ([], "there is no box"),
        ([(0, 1, 2, 3)], r"\[0, 1, 2, 3\] is not \(sample, left"),
        ([(4, 0, 0, 2, 2)], "on sample 4, but there are the samples 0 to 3"),
        ([(-1, 0, 0, 2, 2)], "on sample -1"),
        ([(0, 3, 0, 3, 2)], "does not lie in an image of 8 x 8"),
        ([(0, 0, 5, 3, 2)], "does not lie in an image of 8 x 8"),
        ([(0, 0, 0, 9, 2)], "does not lie in an image of 8 x 8"),
        ([(0, 0, 0, 8, 8)], "leave nothing of their images outside"),
    ],
)
def test_bad_boxes(boxes, sentence):
    sampler = tiny_sampler()
    with pytest.raises(InputError, match=sentence):
        fit_object(sampler, sampler.latent(0, range(4)), boxes)


def test_maps_and_layers_that_do_not_exist():
    sampler = tiny_sampler()
    latent = sampler.latent(0, [0])
    with pytest.raises(InputError, match="layer 0 has the maps 0 to 5, not"):
        images_without(sampler, latent, [1, 6])
    with pytest.raises(InputError, match="no layer 5"):
        images_without(sampler, latent, [1], layer=5)
