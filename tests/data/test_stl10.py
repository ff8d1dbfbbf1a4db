import hashlib

import numpy as np
import pytest
from torchvision.datasets import STL10

from dcgan_features.data import load, training_images
from dcgan_features.data.utils.errors import InputError


@pytest.fixture
def fake_stl10(tmp_path, monkeypatch):
    """Two images in the official binary format, whose digest counts as the official one."""
    file = tmp_path / "stl10_binary" / "unlabeled_X.bin"
    file.parent.mkdir()
    content = np.random.default_rng(0).integers(0, 256, 2 * 3 * 96 * 96, dtype=np.uint8).tobytes()
    file.write_bytes(content)
    listed = [*STL10.train_list[:2], ["unlabeled_X.bin", hashlib.md5(content).hexdigest()]]
    monkeypatch.setattr("torchvision.datasets.STL10.train_list", listed)
    return file


def test_pixels_are_where_the_official_reader_finds_them(fake_stl10):
    dataset = load("stl10-unlabelled", fake_stl10.parents[1])
    images, content = dataset.train_images, fake_stl10.read_bytes()
    assert images.shape == (2, 96, 96, 3)
    assert dataset.train_labels is None
    official = STL10.__new__(STL10)
    official.root = str(fake_stl10.parents[1])
    planes, _ = official._STL10__loadfile("unlabeled_X.bin")
    assert np.array_equal(images, planes.transpose(0, 2, 3, 1))
    # Image 1, green plane, column 5, row 7.
    assert images[1, 7, 5, 1] == content[(1 * 3 + 1) * 96 * 96 + 5 * 96 + 7]


def test_it_is_a_corpus_to_train_on(fake_stl10, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(fake_stl10.parents[1]))
    images, description, _ = training_images(["stl10-unlabelled"])
    assert len(images) == 2
    assert description == "stl10-unlabelled (2 images)"


@pytest.mark.parametrize(("damage", "sentence"), [
    ("missing", "are not in .*: unpack the official stl10_binary.tar.gz, or pass --data-root"),
    ("truncated", "unlabeled_X.bin is truncated or altered"),
    ("altered", "unlabeled_X.bin is truncated or altered"),
])  # fmt: skip
def test_a_file_that_is_not_the_official_one_is_named(fake_stl10, damage, sentence):
    whole = fake_stl10.read_bytes()
    fake_stl10.write_bytes(whole[:-1] if damage == "truncated" else bytes([whole[0] ^ 1]) + whole[1:])
    if damage == "missing":
        fake_stl10.unlink()
    with pytest.raises(InputError, match=sentence):
        load("stl10-unlabelled", fake_stl10.parents[1])
