from __future__ import annotations

import colorsys

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from dcgan_features.data.dataset import Dataset
from dcgan_features.data.synthetic.canvas import interpolate, normal, rgb
from dcgan_features.data.synthetic.shapes import OUTLINES
from dcgan_features.data.synthetic.stand_in import CLASSES, _shape_cover, stand_in, stand_in_factors
from dcgan_features.data.utils.errors import InputError


@pytest.fixture(scope="module")
def made() -> Dataset:
    return stand_in(2000, 500, seed=0)


def parts(dataset: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    assert dataset.train_labels is not None
    assert dataset.test_images is not None
    assert dataset.test_labels is not None
    return dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels


def test_shapes_types_and_labels(made: Dataset) -> None:
    train_images, train_labels, test_images, test_labels = parts(made)
    assert train_images.shape == (2000, 32, 32, 3)
    assert test_images.shape == (500, 32, 32, 3)
    assert np.bincount(train_labels).tolist() == [200] * 10
    assert np.bincount(test_labels).tolist() == [50] * 10
    assert made.classes == CLASSES == tuple(OUTLINES)
    assert made.stand_in
    assert "stand-in" in made.title
    everything = np.concatenate([train_images, test_images]).reshape(2500, -1)
    assert len(np.unique(everything, axis=0)) == 2500  # no test image is a training image


def test_an_image_depends_neither_on_the_number_nor_on_the_call(made: Dataset) -> None:
    few = stand_in(7, 251, seed=0)
    for few_part, part in zip(parts(few), parts(made), strict=True):
        assert np.array_equal(few_part, part[: len(few_part)])
    assert not np.array_equal(stand_in(7, 1, seed=1).train_images, few.train_images)


def test_bytes_stay_what_they_are() -> None:
    assert stand_in(300, 20, seed=3).digest == "a34ff7e956bc9e9037cdf8ab7c8c972322f8f5950fddd264005911ffbac5eda7"


def test_without_clutter_the_same_shapes_lie_alone_on_one_colour(made: Dataset) -> None:
    plain, *_ = parts(stand_in(250, 1, seed=0, clutter=False))
    cover = _shape_cover(stand_in_factors(250))
    texture = []
    for image, before, mask in zip(plain, made.train_images, cover, strict=False):
        ground = image[mask == 0]
        noise = ground[(ground > 0).all(1) & (ground < 255).all(1)].std(0)  # where it is not cut off
        assert (noise < 1.2 * 0.06 * 255).all()
        texture.append((before[mask == 0].std(0) > 1.5 * 0.06 * 255).any())
        shape, old = (np.median(pixels[mask == 1], axis=0) for pixels in (image, before))
        assert np.abs(shape - np.median(ground, axis=0)).max() > 25
        assert np.abs(shape - old).max() < 25  # the shape keeps its colour, up to a fragment that lay on it
    assert np.mean(texture) > 0.5


def test_factors_are_those_of_the_images(made: Dataset) -> None:
    _, train_labels, _, test_labels = parts(made)
    factors = stand_in_factors(2000)
    assert np.array_equal(factors["shape"], train_labels)
    assert np.array_equal(stand_in_factors(500, part="test")["shape"], test_labels)
    for name, low, high in (
        ("hue", 0, 1),
        ("x", 10.4, 21.6),
        ("y", 10.4, 21.6),
        ("size", 8.5, 13),
        ("angle", -0.75, 0.75),
    ):
        assert low <= factors[name].min()
        assert factors[name].max() <= high
    assert np.abs(np.corrcoef([factors[name] for name in ("hue", "x", "y", "size", "angle")]) - np.eye(5)).max() < 0.1


def test_the_named_colour_is_where_the_shape_is(made: Dataset) -> None:
    """The median hue of the pixels a shape covers is the hue its factors name, in all but few images."""
    factors = stand_in_factors(250)
    cover = _shape_cover(factors)
    right = 0
    for image, record, mask in zip(made.train_images, factors, cover, strict=False):
        red, green, blue = np.median(image[mask == 1], axis=0) / 255
        hue = colorsys.rgb_to_hsv(red, green, blue)[0]
        right += abs((hue - record["hue"] + 0.5) % 1 - 0.5) < 0.06
    assert right > 220


@pytest.mark.parametrize("shape", CLASSES)
def test_pose_moves_turns_and_scales_the_shape(shape: str) -> None:
    """A point of the shape's own frame, put into the picture by hand, is covered exactly when the outline says so."""
    generator = np.random.default_rng(5)
    factors = stand_in_factors(250)
    chosen = factors[factors["shape"] == CLASSES.index(shape)]
    covers = _shape_cover(chosen)
    checked = 0
    for record, cover in zip(chosen, covers, strict=True):
        for u, v in generator.uniform(-1, 1, (20, 2)):
            cosine, sine = np.cos(record["angle"]), np.sin(record["angle"])
            column = int(np.floor(record["x"] + record["size"] * (cosine * u - sine * v)))
            row = int(np.floor(record["y"] + record["size"] * (sine * u + cosine * v)))
            distance = OUTLINES[shape](np.array([u], np.float32), np.array([v], np.float32))[0]
            if abs(distance) * record["size"] > 1.5 and 0 <= column < 32 and 0 <= row < 32:
                assert cover[row, column] == (distance < 0)
                checked += 1
    assert checked > 50


@pytest.mark.parametrize("shape", CLASSES)
def test_outlines_lie_in_the_unit_circle_and_touch_most_of_it(shape: str) -> None:
    v, u = np.mgrid[-1.3:1.3:261j, -1.3:1.3:261j].astype(np.float32)
    inside = OUTLINES[shape](u, v) < 0
    assert np.hypot(u, v)[inside].max() < 1.005
    assert np.hypot(u, v)[inside].max() > 0.8
    assert 0.5 < inside.sum() * 0.01**2 < 2.9


def test_areas_known_by_hand() -> None:
    v, u = np.mgrid[-1.2:1.2:1201j, -1.2:1.2:1201j].astype(np.float32)
    area = {name: (outline(u, v) < 0).sum() * 0.002**2 for name, outline in OUTLINES.items()}
    assert area["disc"] == pytest.approx(np.pi * 0.85**2, rel=0.01)
    assert area["ring"] == pytest.approx(np.pi * (0.96**2 - 0.6**2), rel=0.01)
    assert area["square"] == pytest.approx(1.4**2, rel=0.01)
    assert area["triangle"] == pytest.approx(3 * np.sqrt(3) / 4, rel=0.01)
    tenth = np.tan(np.pi / 10)
    assert area["star"] == pytest.approx(10 * tenth / (3 - tenth**2), rel=0.01)  # pentagram of circumradius 1
    assert area["cross"] == pytest.approx(2 * 1.9 * 0.52 - 0.52**2, rel=0.01)
    assert area["bars"] == pytest.approx(3 * 1.36 * 0.32, rel=0.01)


def test_helpers_against_their_definitions() -> None:
    values = np.random.default_rng(0).random((20, 3))
    expected = [colorsys.hsv_to_rgb(*row) for row in values]
    assert np.allclose(rgb(*values.T), expected, atol=1e-6)
    ramp = np.tile(np.linspace(0, 1, 5, dtype=np.float32), (1, 5, 1))
    assert np.allclose(interpolate(ramp, 32)[0], np.tile((np.arange(32) + 0.5) / 32 - 0.5, (32, 1)), atol=1e-6)
    noise = normal((100_000,), 1, 2, 3)
    assert abs(noise.mean()) < 0.02
    assert noise.std() == pytest.approx(1, abs=0.01)


def test_raw_pixels_are_not_enough_but_better_than_chance(made: Dataset) -> None:
    train_images, train_labels, test_images, test_labels = parts(made)
    train, test = (images.reshape(len(images), -1) / 127.5 - 1 for images in (train_images, test_images))
    accuracy = LinearSVC(C=1e-4).fit(train, train_labels).score(test, test_labels)
    assert 0.2 < accuracy < 0.45


def test_bad_numbers() -> None:
    for arguments in ((0, 5, 0), (5, 0, 0), (5, 5, -1)):
        with pytest.raises(InputError, match="cannot be made"):
            stand_in(*arguments)
    with pytest.raises(ValueError, match="part"):
        stand_in_factors(5, part="validation")
