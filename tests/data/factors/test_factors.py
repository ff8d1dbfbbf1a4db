import builtins
from itertools import product

import numpy as np
import pytest

from dcgan_features.data.factors import dsprites as dsprites_module
from dcgan_features.data.factors import shapes3d as shapes3d_module
from dcgan_features.data.factors.dsprites import dsprites
from dcgan_features.data.factors.known import Factor, KnownFactors, chosen_rows
from dcgan_features.data.factors.shapes3d import shapes3d
from dcgan_features.data.factors.sources import load_factors
from dcgan_features.data.utils.errors import InputError

TWO = (Factor("shape", 2, "categorical"), Factor("x", 3, "ordered"))


def known(count=6, **changes):
    images = np.zeros((count, 4, 4, 1), np.uint8)
    values = np.stack([np.arange(count) % 2, np.arange(count) % 3], 1)
    return KnownFactors(**{"name": "tiny", "factors": TWO, "images": images, "values": values, **changes})


def official_dsprites(folder, count=240, **changes):
    """The official layout: imgs of 0 and 1, six latents of which the first, the colour, is always 0."""
    random = np.random.default_rng(0)
    classes = np.concatenate(
        [np.zeros((count, 1), np.int64), *(random.integers(0, f.values, (count, 1)) for f in dsprites_module.FACTORS)],
        1,
    )
    arrays = {
        "imgs": random.integers(0, 2, (count, 64, 64)).astype(np.uint8),
        "latents_classes": classes,
        "latents_values": classes / 7,
        "metadata": np.zeros(1),
        **changes,
    }
    np.savez_compressed(folder / dsprites_module.FILE, **arrays)
    return arrays


def official_shapes3d(count=300):
    random = np.random.default_rng(0)
    values = np.stack([random.integers(0, f.values, count) for f in shapes3d_module.FACTORS], 1)
    # The official labels are computed in float64, and so a little beside the levels.
    labels = np.stack([levels[values[:, i]] for i, levels in enumerate(shapes3d_module._LEVELS)], 1) + 1e-9
    return random.integers(0, 256, (count, 64, 64, 3)).astype(np.uint8), labels, values


def test_dsprites_come_with_their_factors(tmp_path):
    arrays = official_dsprites(tmp_path)
    found = dsprites(tmp_path, 100, seed=2)
    rows = chosen_rows(240, 100, 2, "")
    np.testing.assert_array_equal(found.images[..., 0], arrays["imgs"][rows] * 255)
    np.testing.assert_array_equal(found.values, arrays["latents_classes"][rows, 1:])
    assert found.names == ("shape", "scale", "orientation", "x", "y")
    assert not found.stand_in
    colour = found.as_colour(32)
    assert colour.images.shape == (100, 32, 32, 3)
    assert (colour.images[..., 0] == colour.images[..., 2]).all()


def test_the_official_dsprites_metadata_of_python_objects_is_never_read(tmp_path):
    official_dsprites(tmp_path, metadata=np.array({"title": "dSprites"}, object))
    assert len(dsprites(tmp_path, 10)) == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"imgs": np.zeros((240, 64), np.uint8)}, "not uint8"),
        ({"latents_classes": np.zeros((240, 5), np.int64)}, "not uint8"),
        ({"latents_classes": np.zeros((240, 6))}, "whole numbers"),
        ({"imgs": np.full((240, 64, 64), 2, np.uint8)}, "up to 2"),
        ({"latents_classes": np.full((240, 6), 3)}, "'shape' has values from 3"),
    ],
)
def test_other_arrays_are_refused(tmp_path, changes, message):
    official_dsprites(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        dsprites(tmp_path, 100)


def test_shapes3d_from_the_official_file_and_the_converted_one(tmp_path):
    h5py = pytest.importorskip("h5py")
    images, labels, values = official_shapes3d()
    with h5py.File(tmp_path / "3dshapes.h5", "w") as file:
        file["images"], file["labels"] = images, labels
    found = shapes3d(tmp_path, 120, seed=1)
    rows = chosen_rows(300, 120, 1, "")
    np.testing.assert_array_equal(found.images, images[rows])
    np.testing.assert_array_equal(found.values, values[rows])
    other = tmp_path / "other"
    other.mkdir()
    np.savez(other / "3dshapes.npz", images=images, labels=labels)
    converted = shapes3d(other, 120, seed=1)
    np.testing.assert_array_equal(converted.images, found.images)
    np.testing.assert_array_equal(converted.values, found.values)


def test_damaged_hdf5_is_one_sentence(tmp_path):
    h5py = pytest.importorskip("h5py")
    images, labels, _ = official_shapes3d(20)
    path = tmp_path / "3dshapes.h5"
    with h5py.File(path, "w") as file:
        file["images"] = images
    with pytest.raises(InputError, match="holds no array labels"):
        shapes3d(tmp_path, 5)
    with h5py.File(path, "w") as file:
        file["images"], file["labels"] = images, labels + 0.05
    with pytest.raises(InputError, match="no floor hue"):
        shapes3d(tmp_path, 5)
    for content in (b"", b"no HDF5 at all" * 20, path.read_bytes()[:3000]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="3dshapes"):
            shapes3d(tmp_path, 5)


def test_without_h5py_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "3dshapes.h5").write_bytes(b"x")
    before = builtins.__import__

    def without(name, *rest, **more):
        if name == "h5py":
            raise ImportError(name)
        return before(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match="extra 'hdf5'"):
        shapes3d(tmp_path, 5)


def test_absent_files_and_unknown_names(tmp_path):
    for name, load in product(("dsprites", "3dshapes"), (load_factors,)):
        with pytest.raises(InputError, match="official"):
            load(name, tmp_path)
    with pytest.raises(InputError, match="did you mean 'sprites'"):
        load_factors("sprite")


@pytest.mark.parametrize(
    "changes",
    [
        {"images": np.zeros((6, 4, 4), np.uint8)},
        {"images": np.zeros((6, 4, 4, 1))},
        {"values": np.zeros((6, 1), np.int64)},
        {"values": np.zeros((5, 2), np.int64)},
        {"values": np.full((6, 2), 2)},
        {"values": np.full((6, 2), -1)},
    ],
)
def test_what_does_not_fit_is_refused(changes):
    assert len(known()) == 6
    with pytest.raises(InputError, match="tiny"):
        known(**changes)


def test_rows_are_different_and_the_same_again():
    rows = chosen_rows(50, 50, 0, "a set")
    assert sorted(rows.tolist()) == list(range(50))
    assert rows.tolist() != list(range(50))
    np.testing.assert_array_equal(rows[:7], chosen_rows(50, 7, 0, "a set"))
    with pytest.raises(InputError, match="a set holds 50"):
        chosen_rows(50, 51, 0, "a set")
    part = known().rows(2, 5)
    assert part.values.tolist() == [[0, 2], [1, 0], [0, 1]]
