import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from torchvision.datasets import SVHN

from dcgan_features.data import (
    class_balanced_draws,
    group_holdout,
    load,
    training_images,
)
from dcgan_features.data.dataset import Dataset
from dcgan_features.data.download import verify
from dcgan_features.data.svhn import (
    RECUT,
    read,
    read_recut,
    svhn,
    svhn_extra,
)
from dcgan_features.data.utils.errors import InputError

PARTS = {"train": 60, "test": 20, "extra": 5000}  # more extra images than are put in order at a time


@dataclass
class FakeSvhn:
    """Where it lies, and the pixels and labels as the files have them."""

    root: Path
    X: dict
    y: dict

    def file(self, part):
        return self.root / f"{part}_32x32.mat"


@pytest.fixture
def fake_svhn(tmp_path, monkeypatch):
    """Small files of the official format, whose digests count as the official ones."""
    fake = FakeSvhn(tmp_path / "fake", {}, {})
    fake.root.mkdir()
    generator = np.random.default_rng(3)
    for part, count in PARTS.items():
        fake.X[part] = generator.integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
        fake.y[part] = (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]
        write(fake, part, monkeypatch, X=fake.X[part], y=fake.y[part])
    return fake


def write(fake, part, monkeypatch, **content):
    """Save a file and let its digest be the official one."""
    savemat(fake.file(part), content, do_compression=part != "extra")
    make_official(fake, part, monkeypatch)


def make_official(fake, part, monkeypatch, url="http://127.0.0.1:9/"):
    name = fake.file(part).name
    listed = [url + name, name, hashlib.md5(fake.file(part).read_bytes()).hexdigest()]
    monkeypatch.setattr("torchvision.datasets.SVHN.split_list", {**SVHN.split_list, part: listed})


def expected(X):
    """Image i, row h, column w, channel c, one by one."""
    return np.array([[[[X[h, w, c, i] for c in range(3)] for w in range(32)] for h in range(32)] for i in range(3)])


def test_pixels_and_labels_are_those_of_the_files(fake_svhn):
    made: Any = svhn(fake_svhn.root, download=False)
    assert made.train_images.shape == (60, 32, 32, 3)
    assert made.train_images.flags.c_contiguous
    assert np.array_equal(made.train_images[:3], expected(fake_svhn.X["train"]))
    assert np.array_equal(made.test_images[:3], expected(fake_svhn.X["test"]))
    assert made.train_labels.tolist() == [*range(1, 10), 0] * 6  # 10 stands for the digit 0
    assert (made.name, made.classes, made.stand_in) == ("svhn", tuple("0123456789"), False)
    assert "without the extra one" in made.note
    for images, labels, part in (
        (made.train_images, made.train_labels, "train"),
        (made.test_images, made.test_labels, "test"),
    ):
        official = SVHN(fake_svhn.root, split=part)
        assert np.array_equal(images.transpose(0, 3, 1, 2), official.data)
        assert np.array_equal(labels, official.labels)


def test_the_extra_images_follow_without_labels(fake_svhn):
    plain: Any = svhn(fake_svhn.root, False)
    made: Any = svhn_extra(fake_svhn.root, False)
    assert made.train_images.shape == (5060, 32, 32, 3)
    assert made.train_images.flags.c_contiguous
    assert np.array_equal(made.train_images[:60], plain.train_images)
    assert np.array_equal(made.train_images[60:], fake_svhn.X["extra"].transpose(3, 0, 1, 2))
    assert np.array_equal(made.train_labels, [*plain.train_labels, *[-1] * 5000])
    assert np.array_equal(made.test_images, plain.test_images)
    assert made.name == "svhn-extra"
    assert "5,000 images of the extra set without their labels" in made.note
    for draw in class_balanced_draws(made.train_labels, 3, 4, seed=0):
        assert draw.max() < 60


def test_both_are_corpora_to_train_on(fake_svhn, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(fake_svhn.root))
    images, description, _ = training_images(["svhn-extra", "svhn"])
    assert images.shape == (5120, 32, 32, 3)
    assert description == "svhn-extra (5,060 images) + svhn (60 images)"


@pytest.mark.parametrize("damage", ["missing", "truncated", "altered"])
@pytest.mark.parametrize("part", PARTS)
def test_a_file_that_is_not_the_official_one_is_named(fake_svhn, part, damage):
    file = fake_svhn.file(part)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else whole[:-1] + bytes([whole[-1] ^ 1]))
    if damage == "missing":
        file.unlink()
    sentence = f"lacks {file.name}: pass --data-root .*--preset demo" if damage == "missing" else (
        f"{file.name} is truncated or altered, .* put the official {file.name} there"
    )  # fmt: skip
    with pytest.raises(InputError, match=sentence):
        svhn_extra(fake_svhn.root, download=False)
    if part == "extra":
        assert len(svhn(fake_svhn.root, download=False).train_images) == 60  # it does without


IMAGES, LABELS = np.zeros((32, 32, 3, 4), np.uint8), np.array([[1], [2], [3], [10]], np.uint8)


@pytest.mark.parametrize(("content", "sentence"), [
    ({"X": IMAGES}, "no y"),
    ({"y": LABELS}, "no X"),
    ({"X": IMAGES.astype(float), "y": LABELS}, r"an X of float64 and shape \(32, 32, 3, 4\)"),
    ({"X": IMAGES[:28], "y": LABELS}, r"an X of uint8 and shape \(28, 32, 3, 4\)"),
    ({"X": IMAGES.transpose(3, 0, 1, 2), "y": LABELS}, r"shape \(4, 32, 32, 3\)"),
    ({"X": IMAGES, "y": LABELS[:3]}, r"4 images but a y of uint8 and shape \(3, 1\)"),
    ({"X": IMAGES, "y": LABELS.reshape(2, 2)}, r"shape \(2, 2\)"),
    ({"X": IMAGES, "y": np.array(["a", "b", "c", "d"])}, "a y of <U1"),
    ({"X": IMAGES, "y": LABELS - 1}, "labels from 0 to 9 instead of"),
    ({"X": IMAGES, "y": LABELS + 1}, "labels from 2 to 11 instead of"),
    ({"X": IMAGES, "y": LABELS / 2}, "instead of whole numbers from 1 to 10"),
])  # fmt: skip
def test_a_file_of_other_content_is_refused(fake_svhn, monkeypatch, content, sentence):
    write(fake_svhn, "train", monkeypatch, **content)
    with pytest.raises(InputError, match=f"train_32x32.mat holds .*{sentence}"):
        svhn(fake_svhn.root, download=False)


@pytest.mark.parametrize("kept", [0, 100, 200, 5000, -1])
def test_a_truncated_file_is_one_sentence_whatever_its_digest(fake_svhn, monkeypatch, kept):
    file = fake_svhn.file("train")
    file.write_bytes(file.read_bytes()[:kept])
    make_official(fake_svhn, "train", monkeypatch)
    with pytest.raises(InputError, match=r"train_32x32.mat (cannot be read as a MATLAB file|holds no)") as caught:
        read(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"train_32x32.mat"):
        svhn(fake_svhn.root, download=False)


def test_download_of_what_is_absent(fake_svhn, web, tmp_path, monkeypatch, capfd):
    for part in ("train", "test"):
        (web.folder / fake_svhn.file(part).name).write_bytes(fake_svhn.file(part).read_bytes())
        make_official(fake_svhn, part, monkeypatch, web.url)
    root = tmp_path / "new" / "root"
    made: Any = load("svhn", root)
    assert sorted(file.name for file in root.iterdir()) == ["test_32x32.mat", "train_32x32.mat"]
    assert made.digest == svhn(fake_svhn.root, False).digest
    (root / "test_32x32.mat").unlink()
    (web.folder / "train_32x32.mat").unlink()  # this one is there and not asked for again
    assert load("svhn", root).digest == made.digest
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("failure", ["not found", "truncated"])
def test_a_failed_download_leaves_nothing(fake_svhn, web, tmp_path, monkeypatch, failure):
    make_official(fake_svhn, "train", monkeypatch, web.url)
    if failure == "truncated":
        (web.folder / "train_32x32.mat").write_bytes(fake_svhn.file("train").read_bytes()[:-100])
    before = set(tmp_path.iterdir())
    sentence = r"SVHN is not in .* could not be downloaded .*--data-root .*train_32x32.mat and test_.*--preset demo"
    with pytest.raises(InputError, match=sentence):
        svhn(tmp_path / "new" / "root")
    assert set(tmp_path.iterdir()) == before


def recut_arrays():
    """A small file's arrays in the recut form, of the types that it is kept in."""
    generator = np.random.default_rng(5)
    arrays = {}
    for part, count in (("train", 30), ("test", 10)):
        arrays[f"{part}_images"] = generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % 10).astype(np.uint8)
        arrays[f"{part}_house"] = (np.arange(count) // 3 + 1).astype(np.int32)
    return arrays


def save_recut(folder, monkeypatch, arrays):
    """Save them, and let their digests be those on record. Pixels count as bytes, all else as little-endian int64."""
    folder.mkdir(exist_ok=True)
    np.savez(folder / RECUT, **arrays)
    digests = {
        key: hashlib.sha256(value.tobytes() if value.ndim == 4 else value.astype("<i8").tobytes()).hexdigest()
        for key, value in arrays.items()
    }
    monkeypatch.setattr("dcgan_features.data.svhn._RECUT_SHA256", digests)
    return folder / RECUT


def test_digits_cut_again_stand_in_for_absent_official_files(fake_svhn, tmp_path, monkeypatch):
    arrays = recut_arrays()
    save_recut(tmp_path, monkeypatch, arrays)
    made: Any = svhn(tmp_path, download=True)  # and so nothing is downloaded
    assert made.title == "SVHN, cut again"
    assert "differ from the official crops by one grey level" in made.note
    for part in ("train", "test"):
        assert np.array_equal(getattr(made, f"{part}_images"), arrays[f"{part}_images"])
        assert np.array_equal(getattr(made, f"{part}_labels"), arrays[f"{part}_labels"])
    assert np.array_equal(made.train_groups, arrays["train_house"])
    train, held = group_holdout(made.train_groups, 10, seed=0)
    assert not set(made.train_groups[train]) & set(made.train_groups[held])
    os.link(fake_svhn.file("train"), tmp_path / "train_32x32.mat")
    assert svhn(tmp_path, download=False).title == "SVHN, cut again"  # one official file is not both
    os.link(fake_svhn.file("test"), tmp_path / "test_32x32.mat")
    official = svhn(tmp_path, download=False)
    assert (official.title, official.train_groups) == ("svhn", None)


@pytest.mark.parametrize("key", ["train_images", "test_images", "train_labels", "test_labels", "train_house"])
def test_a_recut_file_of_other_values_is_refused(tmp_path, monkeypatch, key):
    arrays = recut_arrays()
    file = save_recut(tmp_path, monkeypatch, arrays)
    arrays[key].flat[7] ^= 1
    np.savez(file, **arrays)
    with pytest.raises(InputError, match=f"{RECUT} holds other {key} than"):
        read_recut(file)


def test_a_damaged_recut_file_is_named(tmp_path, monkeypatch):
    arrays = recut_arrays()
    file = save_recut(tmp_path, monkeypatch, arrays)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=f"{RECUT} is not a whole"):
        svhn(tmp_path, download=False)
    del arrays["test_house"]
    np.savez(file, **arrays)
    with pytest.raises(InputError, match=f"{RECUT} holds no test_house"):
        read_recut(file)


@pytest.mark.real_data
def test_the_real_digits_cut_again() -> None:
    try:
        dataset: Any = svhn(download=False)
    except InputError as error:
        pytest.skip(str(error))
    # The official counts of the digits 0 to 9, from SVHN's own description.
    assert np.bincount(dataset.train_labels).tolist() == [
        4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659,
    ]  # fmt: skip
    if dataset.train_groups is not None:
        assert len(np.unique(dataset.train_groups)) == 33_402


@pytest.mark.real_data
def test_official_sizes() -> None:
    try:
        dataset: Dataset = svhn(download=False)
    except InputError as error:
        pytest.skip(str(error))
    assert dataset.train_images.shape == (73_257, 32, 32, 3)
    assert dataset.test_images is not None
    assert dataset.test_images.shape == (26_032, 32, 32, 3)


def test_verify_names_what_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\): mend it"):
        verify(tmp_path, "0", "mend it")
