from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest

from dcgan_features.data.splits import (
    class_balanced_draws,
    digest_indices,
    group_holdout,
    holdout,
)
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import uniform

LABELS = np.array([2, 0, 1, 1, 0, 2, 2, 0, 1, 0, -1, 1, 2, -1, 0])


def test_draws_follow_the_published_definition() -> None:
    """Worked out element by element from the definition in the module's docstring."""
    for draw, indices in enumerate(class_balanced_draws(LABELS, 2, 3, seed=11)):
        generator = np.random.PCG64(np.random.SeedSequence([11, draw]))
        words = [int(generator.random_raw()) for _ in LABELS]
        expected = []
        for label in (0, 1, 2):
            members = [index for index, value in enumerate(LABELS) if value == label]
            expected += sorted(members, key=lambda index: words[index])[:2]
        assert indices.tolist() == sorted(expected)
        assert indices.dtype == np.int64


def test_a_published_draw_stays_what_it_is() -> None:
    labels = np.arange(1000) % 10
    (draw,) = class_balanced_draws(labels, 4, 1, seed=0)
    assert digest_indices(draw) == "be9187bc35f4a3260927b3bb7297317576bb46ca848fae5933ef3125644c384c"


def test_more_draws_extend_the_list_and_fewer_labels_are_a_part() -> None:
    few, many = class_balanced_draws(LABELS, 2, 2, 5), class_balanced_draws(LABELS, 2, 6, 5)
    assert all(np.array_equal(a, b) for a, b in zip(few, many, strict=False))
    assert len({tuple(draw) for draw in many}) > 1
    assert all(set(one) <= set(two) for one, two in zip(class_balanced_draws(LABELS, 1, 2, 5), few, strict=True))


def test_every_image_is_drawn_equally_often() -> None:
    labels = np.repeat([0, 1], [10, 40])
    counts = np.bincount(np.concatenate(class_balanced_draws(labels, 5, 2000, 3)), minlength=50)
    assert counts[:10].sum() == counts[10:].sum() == 10_000
    assert np.abs(counts[:10] / 2000 - 5 / 10).max() < 5 * np.sqrt(0.25 / 2000)
    assert np.abs(counts[10:] / 2000 - 5 / 40).max() < 5 * np.sqrt(0.11 / 2000)


@pytest.mark.parametrize(
    ("labels", "per_class", "draws", "seed", "message"),
    [
        (LABELS, 5, 1, 0, "5 labels per class were asked for, but class 1 has 4"),
        (np.zeros(9, int), 2, 1, 0, "only class 0"),
        (np.full(9, -1), 2, 1, 0, "no class"),
        (LABELS, 0, 1, 0, "at least 1"),
        (LABELS, 1, 0, 0, "at least 1"),
        (LABELS, 1, 1, -3, "seed is -3"),
    ],
)
def test_draws_that_cannot_be_made(labels: np.ndarray, per_class: int, draws: int, seed: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        class_balanced_draws(labels, per_class, draws, seed)


def test_labels_must_be_one_row_of_integers() -> None:
    for labels in (LABELS.astype(float), LABELS.reshape(3, 5)):
        with pytest.raises(ValueError, match="integers"):
            class_balanced_draws(labels, 1, 1, 0)


def test_holdout_parts_are_disjoint_and_whole() -> None:
    train, held = holdout(1000, 200, seed=4)
    assert len(held) == 200
    assert np.array_equal(np.sort(np.concatenate([train, held])), np.arange(1000))
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(held) > 0)
    assert not np.array_equal(held, holdout(1000, 200, seed=5)[1])
    assert np.array_equal(held, holdout(1000, 200, seed=4)[1])
    assert abs(held.mean() - 499.5) < 5 * 289 / np.sqrt(200)


def test_a_hold_out_of_groups_takes_whole_groups() -> None:
    groups = np.repeat(np.arange(40) * 7, np.arange(40) % 4 + 1)
    train, held = group_holdout(groups, 30, seed=2)
    assert np.array_equal(np.sort(np.concatenate([train, held])), np.arange(len(groups)))
    assert not set(groups[train]) & set(groups[held])
    assert 30 <= len(held) < 30 + 4
    assert np.array_equal(held, group_holdout(groups, 30, seed=2)[1])
    assert not np.array_equal(held, group_holdout(groups, 30, seed=3)[1])
    chosen = set(groups[held])
    assert chosen < set(groups[group_holdout(groups, 60, seed=2)[1]])  # a larger one of the same seed extends it
    single = np.arange(50)
    assert np.array_equal(group_holdout(single, 20, seed=4)[1], holdout(50, 20, seed=4)[1])


@pytest.mark.parametrize(("size", "message"), [(0, "hold-out of 0"), (10, "of 10 images"), (9, "takes all 2 groups")])
def test_hold_outs_of_groups_that_cannot_be_made(size: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        group_holdout(np.repeat([1, 2], 5), size, 0)


@pytest.mark.parametrize("size", [0, 10, 11, -1])
def test_holdout_of_nothing_or_everything_is_refused(size: int) -> None:
    with pytest.raises(InputError, match=f"hold-out of {size} images"):
        holdout(10, size, 0)


def test_digest_indices() -> None:
    assert digest_indices(np.array([1, 5], np.int32)) == hashlib.sha256(struct.pack("<2q", 1, 5)).hexdigest()


def test_uniform_numbers_are_those_of_numpy_generator() -> None:
    expected = np.random.Generator(np.random.PCG64(np.random.SeedSequence([3, 4]))).random((5, 2))
    assert np.array_equal(uniform((5, 2), 3, 4), expected)
