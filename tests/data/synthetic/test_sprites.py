import numpy as np
import pytest

from dcgan_features.data.synthetic.sprites import COMBINATIONS, FACTORS, PLACES, SIZES, draw_sprites, sprites
from dcgan_features.data.utils.errors import InputError

NAMES = [factor.name for factor in FACTORS]


def test_every_combination_is_there_once_and_looks_like_no_other():
    made = sprites()
    assert made.images.shape == (COMBINATIONS, 32, 32, 3)
    assert len(np.unique(made.values, axis=0)) == COMBINATIONS == 9600
    assert len(np.unique(made.images.reshape(COMBINATIONS, -1), axis=0)) == COMBINATIONS


def test_a_smaller_set_begins_the_larger_one_and_the_seed_changes_it():
    few, more = sprites(40, 3), sprites(60, 3)
    np.testing.assert_array_equal(few.images, more.images[:40])
    np.testing.assert_array_equal(few.values, more.values[:40])
    assert not np.array_equal(few.values, sprites(40, 4).values)
    np.testing.assert_array_equal(draw_sprites(more.values), more.images)


@pytest.mark.parametrize("size", range(len(SIZES)))
def test_places_and_sizes_are_those_of_the_pixels(size):
    values = np.array([[0, 0, size, 1, x, y] for x in range(len(PLACES)) for y in range(len(PLACES))])
    images = draw_sprites(values).astype(float)
    cover = np.abs(images - images[:, :1, :1]).sum(3)
    centres = np.arange(32) + 0.5
    for image, (*_, x, y) in zip(cover, values, strict=True):
        assert image.sum(0) @ centres / image.sum() == pytest.approx(PLACES[x], abs=0.15)
        assert image.sum(1) @ centres / image.sum() == pytest.approx(PLACES[y], abs=0.15)
        area = image.sum() / image.max()
        assert area == pytest.approx((1.4 * SIZES[size]) ** 2, rel=0.03)  # a square of 0.7 of the radius to each side


def test_hues_are_a_sixth_of_the_circle_apart():
    values = np.array([[0, hue, 3, 0, 2, 2] for hue in range(6)])
    colours = draw_sprites(values)[:, 16, 16].astype(int)
    assert colours.argmax(1)[[0, 2, 4]].tolist() == [0, 1, 2]  # red, green, blue
    assert all(colours[odd].min() < colours[odd].max() for odd in (1, 3, 5))
    assert np.ptp(np.sort(colours[[1, 3, 5]], 1)[:, 1:]) <= 1  # between them, two of the three alike


@pytest.mark.parametrize("count", [0, COMBINATIONS + 1])
def test_counts_that_there_are_not_are_refused(count):
    with pytest.raises(InputError, match="9,600"):
        sprites(count)


def test_values_out_of_range_are_refused():
    with pytest.raises(InputError, match="out of range"):
        draw_sprites(np.array([[0, 6, 0, 0, 0, 0]]))
    with pytest.raises(InputError, match="no sprites"):
        draw_sprites(np.zeros((2, 3), np.int64))
