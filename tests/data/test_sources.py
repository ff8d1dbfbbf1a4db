from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcgan_features.data import LOADERS, STAND_INS, load, training_images
from dcgan_features.data.dataset import Dataset
from dcgan_features.data.sources import without_downloads
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.hashing import array_digest
from tests.data.conftest import BATCHES, FakeCifar10


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    file = tmp_path / "corpus.npy"
    np.save(file, np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8))
    return file


def test_load_by_name_folder_and_file(fake_cifar10: FakeCifar10, corpus: Path, tmp_path: Path) -> None:
    assert load("cifar10", fake_cifar10.root).name == "cifar10"
    assert np.array_equal(load(str(corpus)).train_images, np.load(corpus))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (5, 4), "red").save(pictures / "a.png")
    assert load(str(pictures)).train_images.shape == (1, 4, 5, 3)
    assert load(str(pictures), size=2).train_images.shape == (1, 2, 2, 3)


def test_a_size_applies_to_any_source(fake_cifar10: FakeCifar10) -> None:
    dataset, plain = (load("cifar10", fake_cifar10.root, size) for size in (16, None))
    assert dataset.train_images.shape == (100, 16, 16, 3)
    assert dataset.test_images is not None
    assert dataset.test_images.shape == (20, 16, 16, 3)
    assert "resized from 32x32 to 16x16" in dataset.note
    assert abs(dataset.train_images.mean() - plain.train_images.mean()) < 1
    assert load("cifar10", fake_cifar10.root, 32).digest == plain.digest


def test_unknown_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="unknown data set 'cifra10': did you mean 'cifar10'"):
        load("cifra10")
    with pytest.raises(InputError, match="none/here does not exist"):
        load("none/here")
    with pytest.raises(InputError, match=r"none\.npy does not exist"):
        load("none.npy")
    Path("notes.txt").write_text("text")
    with pytest.raises(InputError, match="neither a folder"):
        load("notes.txt")
    with pytest.raises(InputError, match="0 pixels"):
        load("stand-in", size=0)


def test_training_images_of_several_sources_leave_the_test_images_out(fake_cifar10: FakeCifar10, corpus: Path) -> None:
    images, description, digest = training_images(["cifar10", str(corpus)], fake_cifar10.root)
    expected = np.concatenate([*(fake_cifar10.images[name] for name in BATCHES[:5]), np.load(corpus)])
    assert np.array_equal(images, expected)
    assert description == "cifar10 (100 images) + corpus (7 images)"
    assert digest == array_digest(expected)
    test = {image.tobytes() for image in fake_cifar10.images["test_batch"]}
    assert not test & {image.tobytes() for image in images}


def test_one_source_is_not_copied(corpus: Path) -> None:
    images, _, digest = training_images([str(corpus)])
    assert isinstance(images, np.memmap)
    assert digest == array_digest(np.load(corpus))


def test_the_stand_in_is_named_as_such() -> None:
    assert training_images(["stand-in"])[1] == "shapes (stand-in) (10,000 images)"


@pytest.mark.parametrize("name", STAND_INS)
def test_every_stand_in_can_be_had_of_any_size(name: str) -> None:
    made = STAND_INS[name](n_train=30, n_test=20, seed=3)
    assert made.test_images is not None
    assert (len(made.train_images), len(made.test_images)) == (30, 20)
    assert made.stand_in
    assert "seed 3" in made.note
    assert name in LOADERS


def test_every_made_up_data_set_is_among_the_stand_ins() -> None:
    assert set(STAND_INS) == {name for name in LOADERS if name.startswith("stand-in")}
    assert len({STAND_INS[name](n_train=1, n_test=1).name for name in STAND_INS}) == len(STAND_INS)


def test_grey_and_colour_do_not_go_together(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOADERS, "grey", lambda root, download: STAND_INS["stand-in-digits"](n_train=5, n_test=1))
    with pytest.raises(InputError, match=r"the images of grey are 28x28 grey but those of .* 32x32"):
        training_images([str(corpus), "grey"])


def test_sources_that_do_not_go_together(corpus: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npy"
    np.save(other, np.zeros((2, 8, 6, 3), np.uint8))
    with pytest.raises(InputError, match=r"other\.npy are 6x8 but those of .*corpus\.npy 32x32"):
        training_images([str(corpus), str(other)])
    assert training_images([str(corpus), str(other)], size=32)[0].shape == (9, 32, 32, 3)
    with pytest.raises(InputError, match="no images to train on"):
        training_images([])


def test_nothing_is_downloaded_where_that_is_ruled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def spied(root: Path | str | None, download: bool) -> Dataset:
        asked.append(download)
        return stand_in(n_train=20, n_test=10)

    monkeypatch.setitem(LOADERS, "spied", spied)
    load("spied")
    with without_downloads():
        load("spied")
        training_images(["spied"])
    load("spied", download=False)
    load("spied")
    assert asked == [True, False, False, False, True]
