from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import label
from sklearn.svm import LinearSVC

from dcgan_features.data.synthetic.digits import _smoothed, _tinted, stand_in_digits, stand_in_house_numbers
from dcgan_features.data.synthetic.glyphs import digit_distance
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.errors import InputError

MAKERS = {stand_in_house_numbers: (32, 32, 3), stand_in_digits: (28, 28, 1)}


@pytest.fixture(scope="module", params=MAKERS, ids=lambda maker: maker.__name__)
def made(request):
    return request.param(1000, 500, seed=0), request.param


def test_shapes_types_and_labels(made):
    dataset, maker = made
    assert dataset.train_images.shape == (1000, *MAKERS[maker])
    assert dataset.test_images.shape == (500, *MAKERS[maker])
    assert np.bincount(dataset.train_labels).tolist() == [100] * 10
    assert np.bincount(dataset.test_labels).tolist() == [50] * 10
    assert dataset.classes == tuple("0123456789")
    assert dataset.stand_in
    assert dataset.title.endswith("(stand-in)")
    assert "made-up" in dataset.note
    everything = np.concatenate([dataset.train_images, dataset.test_images]).reshape(1500, -1)
    assert len(np.unique(everything, axis=0)) == 1500  # no test image is a training image


def test_an_image_depends_neither_on_the_number_nor_on_the_call(made):
    dataset, maker = made
    few = maker(7, 251, seed=0)
    assert np.array_equal(few.train_images, dataset.train_images[:7])
    assert np.array_equal(few.train_labels, dataset.train_labels[:7])
    assert np.array_equal(few.test_images, dataset.test_images[:251])
    assert np.array_equal(few.test_labels, dataset.test_labels[:251])
    other = maker(7, 1, seed=1)
    assert not np.array_equal(other.train_images, few.train_images)


@pytest.mark.skipif(PIL.__version__ != "13.0.0", reason="another version of Pillow may draw its font otherwise")
@pytest.mark.parametrize(("maker", "digest"), [
    (stand_in_house_numbers, "39f6018697cde30758fe3a728dbb8b0977577439b209c1378562f59962aac52a"),
    (stand_in_digits, "fddf4a7721855785dd7f6100b531415b4c63a75631868f4d72c487c2daa35755"),
])  # fmt: skip
def test_bytes_stay_what_they_are(maker, digest):
    assert maker(300, 20, seed=3).digest == digest


def test_the_three_stand_ins_do_not_share_their_labels():
    made: list[Any] = [maker(250, 1, seed=0) for maker in (*MAKERS, stand_in)]
    orders = {tuple(dataset.train_labels) for dataset in made}
    assert len(orders) == 3


@pytest.mark.parametrize("digit", range(10))
def test_the_distance_is_that_to_the_font_s_own_outline(digit):
    """Drawn by Pillow at another size, a pixel is inside or outside as the sign of its distance says."""
    font = ImageFont.load_default(size=100)
    picture = Image.new("L", (120, 140))
    ImageDraw.Draw(picture).text((30, 20), str(digit), fill=255, font=font)
    ink = np.asarray(picture)
    half = 100 * 0.6925 / 2  # half a digit's height
    v, u = np.mgrid[0.5:140, 0.5:120].astype(np.float32)
    u, v = (u - 30 - 29) / half, (v - 20 - 62.4) / half
    distance = digit_distance(np.array([digit]), u[None], v[None])[0] * half
    clear = np.abs(distance) > 2  # Pillow fits outlines to whole pixels, at this size to others than at the table's
    assert np.array_equal(ink[clear] > 127, distance[clear] < 0)
    assert (ink[clear] > 127).sum() > 300


def test_the_distance_grows_by_one_a_unit_away_from_the_edge():
    """The 1's stem is upright and lies to the right of the middle: along a row the distance to its side is exact."""
    u = np.linspace(0.5, 1.5, 41, dtype=np.float32).reshape(1, 1, -1)
    distance = digit_distance(np.array([1]), u, np.full_like(u, 0.2))[0, 0]
    assert np.allclose(np.diff(distance), 0.025, atol=2e-3)
    far = digit_distance(np.array([1]), np.array([[[1.6, 9]]], np.float32), np.zeros((1, 1, 2), np.float32))[0, 0]
    assert far[1] == pytest.approx(far[0], abs=0.1)


# A bold stroke may close a narrow opening of the digits that have two numbers.
HOLES = {0: (1,), 1: (0,), 2: (0,), 3: (0,), 4: (1, 2), 5: (0, 1), 6: (1, 2), 7: (0,), 8: (2,), 9: (1, 2)}


def test_a_grey_digit_is_one_white_piece_with_its_digit_s_holes():
    """However bent and slanted: the ink hangs together and encloses as many holes as its label says."""
    dataset: Any = stand_in_digits(500, 1)
    right = 0
    for image, digit in zip(dataset.train_images[..., 0], dataset.train_labels, strict=True):
        ink = np.pad(image > 60, 1)
        right += label(ink, np.ones((3, 3)))[1] == 1 and label(~ink)[1] - 1 in HOLES[int(digit)]
    assert right > 450


def test_a_grey_digit_is_light_on_black_inside_the_picture():
    images = stand_in_digits(500, 1).train_images[..., 0]
    edge = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    assert (edge.max(1) == 0).mean() > 0.9
    assert (images.max((1, 2)) > 120).mean() > 0.95
    assert 0.08 < (images > 60).mean() < 0.25


def test_the_middle_digit_of_a_house_number_stands_out_from_its_ground():
    """Between the two clusters of brightness in the middle of the picture there is a contrast, in nearly all images."""
    images = stand_in_house_numbers(500, 1).train_images[:, 6:26, 10:22] @ np.array([0.299, 0.587, 0.114]) / 255
    low, high = np.quantile(images.reshape(500, -1), [0.1, 0.9], axis=1)
    assert ((high - low) > 0.08).mean() > 0.95
    assert images.min() >= 0


def test_a_tint_leaves_the_luminance():
    luminance, hue, strength = np.random.default_rng(0).random((3, 50))
    colour = _tinted(luminance, hue, strength)
    assert np.allclose(colour @ [0.299, 0.587, 0.114], luminance, atol=1e-6)
    assert (np.ptp(colour, axis=1) > 0.5 * strength).all()
    assert np.allclose(_tinted(luminance, hue, 0 * strength), luminance[:, None], atol=1e-6)


@pytest.mark.parametrize("axis", [1, 2])
def test_smoothing_is_a_small_convolution(axis):
    picture = np.random.default_rng(1).random((2, 5, 5, 3)).astype(np.float32)
    weight = np.array([0.25, 0.1], np.float32)[:, None, None, None]
    padded = np.pad(picture, [(1, 1) if place == axis else (0, 0) for place in range(4)], mode="edge")
    kernel = np.array([[0.25, 0.5, 0.25], [0.1, 0.8, 0.1]])
    expected = [np.apply_along_axis(np.convolve, axis - 1, padded[i], kernel[i], "valid") for i in range(2)]
    assert np.allclose(_smoothed(picture, weight, axis), expected, atol=1e-6)


def test_raw_pixels_are_not_enough_but_better_than_chance(made):
    dataset, maker = made
    train, test = (
        images.reshape(len(images), -1) / 127.5 - 1 for images in (dataset.train_images, dataset.test_images)
    )
    accuracy = LinearSVC(C=1e-4).fit(train, dataset.train_labels).score(test, dataset.test_labels)
    low, high = (0.12, 0.35) if maker is stand_in_house_numbers else (0.5, 0.9)
    assert low < accuracy < high


@pytest.mark.parametrize("arguments", [(0, 5, 0), (5, 0, 0), (5, 5, -1)])
@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_bad_numbers(maker, arguments):
    with pytest.raises(InputError, match="cannot be made"):
        maker(*arguments)
