"""Moving pictures: the published rule, step by step, and clips of steady motion whose middle frame says nothing."""

import numpy as np
import pytest

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.video.moving import bouncing, steady_motion, trajectories


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(1, 256, (6, 5, 4), dtype=np.uint8)


def published_path(start, velocity, frames):
    """The rule as the authors' generator has it, one coordinate after another."""
    (y, x), (v_y, v_x) = start, velocity
    found = []
    for _ in range(frames):
        y, x = y + v_y, x + v_x
        if x <= 0:
            x, v_x = 0.0, -v_x
        if x >= 1:
            x, v_x = 1.0, -v_x
        if y <= 0:
            y, v_y = 0.0, -v_y
        if y >= 1:
            y, v_y = 1.0, -v_y
        found.append((y, x))
    return found


def test_trajectories_are_those_of_the_rule_written_out():
    random = np.random.default_rng(1)
    start, velocity = random.random((7, 2, 2)), random.normal(0, 0.3, (7, 2, 2))
    found = trajectories(start, velocity, 15)
    assert found.min() == 0
    assert found.max() == 1  # walls were met
    for clip in range(7):
        for thing in range(2):
            expected = published_path(start[clip, thing].tolist(), velocity[clip, thing].tolist(), 15)
            np.testing.assert_allclose(found[clip, thing], expected)


def test_frames_show_the_brighter_of_overlapping_pictures(pictures):
    clips = bouncing(pictures, 20, (3,), length=6, size=9)
    frames, corners = clips.take(np.arange(20)), clips.corners(np.arange(20))
    assert frames.shape == (20, *clips.shape) == (20, 6, 9, 9, 1)
    for clip in range(20):
        for frame in range(6):
            expected = np.zeros((9, 9), np.uint8)
            for thing in range(2):
                (top, left), picture = corners[clip, thing, frame], pictures[clips.which[clip, thing]]
                for row, column in np.ndindex(picture.shape):
                    expected[top + row, left + column] = max(expected[top + row, left + column], picture[row, column])
            np.testing.assert_array_equal(frames[clip, frame, :, :, 0], expected)


def test_speed_is_constant_and_draws_are_even(pictures):
    clips = bouncing(pictures, 4000, (0,), length=2, size=20)
    np.testing.assert_allclose(np.linalg.norm(clips.velocity, axis=2), 0.1)
    angles = np.arctan2(clips.velocity[..., 0], clips.velocity[..., 1])
    assert np.abs(np.histogram(angles, 8, (-np.pi, np.pi))[0] / 1000 - 1).max() < 0.15
    assert np.abs(np.bincount(clips.which.ravel(), minlength=6) / (8000 / 6) - 1).max() < 0.15


def test_a_clip_depends_on_its_number_and_the_seed_alone(pictures):
    few, many, other = (bouncing(pictures, *count, length=3, size=9) for count in ((4, (5,)), (9, (5,)), (4, (6,))))
    np.testing.assert_array_equal(few.take(np.arange(4)), many.take(np.arange(4)))
    np.testing.assert_array_equal(many.take(np.array([7, 2]))[1], many.take(np.array([2]))[0])
    assert few.digest != many.digest != other.digest != few.digest
    assert not np.array_equal(few.take(np.arange(4)), other.take(np.arange(4)))


def test_steady_motion_is_what_its_labels_say_and_meets_no_wall(pictures):
    labels = np.array([0, 0, 1, 1, 2, 2])
    made = steady_motion(pictures, labels, 300, (0,), length=5, size=200, speeds=(0.05, 0.1))
    places = trajectories(made.clips.start, made.clips.velocity, 5)
    steps = np.diff(places, axis=2)
    np.testing.assert_allclose(steps, steps[:, :1, :1] * np.ones((1, 2, 4, 1)), atol=1e-12)  # alike, without a bounce
    down, right = steps[:, 0, 0].T
    angle = np.round(np.degrees(np.arctan2(down, right))).astype(int) % 360
    np.testing.assert_array_equal(angle, 45 * made.directions)
    np.testing.assert_allclose(np.hypot(down, right), np.array([0.05, 0.1])[made.speeds])
    shown = made.clips.shown()
    assert (shown[:, 0] != shown[:, 1]).all()
    assert set(shown.ravel().tolist()) == {0, 1, 2}


def test_the_middle_frame_says_nothing_of_the_motion(pictures):
    """Places in the middle are uniform over one square, whatever direction and speed."""
    made = steady_motion(pictures, np.arange(6), 8000, (1,), length=5, size=60, speeds=(0.05, 0.15))
    middle = trajectories(made.clips.start, made.clips.velocity, 5)[:, 0, 2]
    assert middle.min() >= 0.3
    assert middle.max() <= 0.7
    for direction in range(8):
        for speed in range(2):
            own = middle[(made.directions == direction) & (made.speeds == speed)]
            assert np.abs(own.mean(0) - 0.5).max() < 4 * 0.4 / np.sqrt(12 * len(own))  # 4 standard errors
            assert np.abs(own.std(0) - 0.4 / np.sqrt(12)).max() < 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 4}, "no frame in the middle"),
        ({"speeds": (0.3,)}, "meets a wall"),
        ({"size": 5}, "cannot move in frames of 5"),
        ({"count": 0}, "give at least 1"),
    ],
)
def test_what_cannot_move_is_said(pictures, change, message):
    settings = {"count": 3, "entropy": (0,), "length": 5, "size": 20, "speeds": (0.1,)} | change
    with pytest.raises(InputError, match=message):
        steady_motion(pictures, np.arange(6), **settings)
