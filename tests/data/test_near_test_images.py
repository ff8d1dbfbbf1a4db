import os

import numpy as np
import pytest

from dcgan_features import data
from dcgan_features.data import near_test_images as listed
from dcgan_features.data.download import chosen_root
from dcgan_features.data.near_test_images import near_test_images, without_near_test_images
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import write_sealed
from dcgan_features.data.utils.hashing import array_digest

CONTENT = {"corpus": "four", "images": 4, "digest": None, "how": "by hand", "left_out": [0, 2]}


@pytest.fixture
def four(tmp_path, monkeypatch):
    """A corpus of four images, of which two are listed, as an `.npy` file."""
    monkeypatch.setattr(listed, "FOLDER", tmp_path)
    write_sealed(tmp_path / "four.json", CONTENT)
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    np.save(tmp_path / "four.npy", images)
    return tmp_path / "four.npy"


def test_listed_images_are_left_out_and_counted(four):
    images, description, digest = data.training_images([str(four)])
    assert images[:, 0, 0, 0].tolist() == [1, 3]
    assert description == "four (2 images, without 2 near test images)"
    assert digest == array_digest(images)
    assert data.training_images([str(four)], size=4)[0].shape == (2, 4, 4, 3)
    assert len(data.load(str(four)).train_images) == 4  # a data set is what it is


def test_a_corpus_of_another_size_is_left_as_it_is_and_said_so(four, caplog):
    images = np.zeros((5, 8, 8, 3), np.uint8)
    assert without_near_test_images("four", images) == (images, 0)
    assert "has 5 images, the list of those near test images is of 4" in caplog.text
    assert without_near_test_images("five", images)[1] == 0


@pytest.mark.parametrize("changed", [{"left_out": [2, 0]}, {"left_out": [4]}, {"left_out": "all"}, {"more": 1}])
def test_a_damaged_list_is_named(four, changed):
    write_sealed(four.with_suffix(".json"), {**CONTENT, **changed})
    with pytest.raises(InputError, match=r"four.json is damaged"):
        near_test_images("four")


def test_the_pair_of_cifar_100_that_is_known_is_listed():
    found = near_test_images("cifar100_unlabelled")
    assert found is not None
    assert found.left_out == [34279]


@pytest.mark.parametrize("corpus", ["cifar10", "mnist", "svhn", "tiny-imagenet-32"])
@pytest.mark.real_data
def test_lists_are_of_the_corpora_that_are_here(corpus):
    try:
        images = data.load(corpus, chosen_root(os.environ.get("DATA_ROOT")), download=False).train_images
    except InputError as error:
        pytest.skip(str(error))
    found = near_test_images(corpus)
    assert found is not None
    if len(images) == found.images:
        assert array_digest(images) == found.digest
