"""The command that shows near-duplicates before any is left out."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.hashing import array_digest
from dcgan_features.gan.folders.autoencoder_hash import HashSettings
from dcgan_features.gan.folders.near_duplicates import buckets, contact_sheet, find_images, near_duplicates
from dcgan_features.gan.folders.prepare import prepare_folders
from dcgan_features.gan.near_duplicates import app
from dcgan_features.gan.training.recipe import read_recipe

RECIPE = "network: svhn-32\nhash_images: 3000\n"


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PICTURE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(RECIPE)

    def call_with(*arguments):
        monkeypatch.setattr(sys, "argv", ["gan.near_duplicates", "--out", "look", "--recipe", "my.yaml", *arguments])
        with pytest.raises(SystemExit) as raised:
            run(app)
        captured = capsys.readouterr()
        return raised.value.code, captured.out, captured.err

    return call_with


@pytest.fixture
def pictures(tmp_path):
    """60 pictures; 0 again as z0 and z1, 1 again as z2, and one that is broken."""
    images = stand_in(n_train=250, n_test=1).train_images[:60]
    (tmp_path / "pictures").mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "pictures" / f"{index:02d}.png")
    for name, index in (("z0", 0), ("z1", 0), ("z2", 1)):
        Image.fromarray(images[index]).save(tmp_path / "pictures" / f"{name}.png")
    return tmp_path / "pictures"


def test_what_would_go_is_listed_and_shown_and_nothing_is_touched(call, pictures, tmp_path):
    before = sorted(file.name for file in pictures.iterdir())
    code, out, err = call("--data", "pictures")
    assert code == 0, err
    assert "3 of pictures (63 images) are near-duplicates" in out
    listed = json.loads((tmp_path / "look" / "near-duplicates.json").read_text())
    assert listed["would_go"] == 3
    assert listed["groups"] == [
        {"kept": "pictures/00.png", "would_go": ["pictures/z0.png", "pictures/z1.png"]},
        {"kept": "pictures/01.png", "would_go": ["pictures/z2.png"]},
    ]
    assert Image.open(tmp_path / "look" / "near-duplicates.png").height == 30 + 38 + 6  # one line of images
    assert sorted(file.name for file in pictures.iterdir()) == before


def test_what_is_shown_is_what_training_leaves_out(call, pictures, tmp_path):
    call("--data", "pictures")
    cached = {file.name for file in (tmp_path / "cache").glob("*.npy")}
    recipe = read_recipe(tmp_path / "my.yaml", {"near_duplicates": "remove"})
    prepared = prepare_folders(["pictures"], 32, 0, tmp_path)
    found = find_images(prepared, recipe)
    assert found.removed == 3
    assert found.description == "pictures (63 images), less 3 near-duplicates"
    assert np.array_equal(found.images, np.load(prepared.sources[0])[:60])
    assert isinstance(found.images, np.memmap)
    assert found.digest == array_digest(np.array(found.images))
    assert {file.name for file in (tmp_path / "cache").glob("near-duplicates-*.npy")} == cached
    kept = find_images(prepared, read_recipe(tmp_path / "my.yaml"))
    assert (len(kept.images), kept.removed) == (63, 0)


def test_a_damaged_cache_is_made_again(call, pictures, tmp_path):
    call("--data", "pictures")
    (file,) = (tmp_path / "cache").glob("near-duplicates-*.npy")
    file.write_bytes(file.read_bytes()[:-1])
    assert call("--data", "pictures")[0] == 0
    assert len(np.load(file)) == 63


def test_arrays_and_what_cannot_be_looked_at(call, tmp_path):
    images = stand_in(n_train=250, n_test=1).train_images[:50]
    np.save(tmp_path / "a.npy", np.concatenate([images, images[:1]]))
    np.save(tmp_path / "one.npy", images[:1])
    code, _, err = call("--data", "a.npy", "--threshold", "0.5")
    assert code == 0, err
    listed = json.loads((tmp_path / "look" / "near-duplicates.json").read_text())
    assert listed["groups"] == [{"kept": "image 0", "would_go": ["image 50"]}]
    assert listed["settings"]["threshold"] == 0.5
    code, _, err = call("--data", "one.npy")
    assert (code, err) == (2, "error: one (1 images): one image has no near-duplicate; give a folder of several\n")


def test_the_result_is_kept_by_images_and_settings(call, monkeypatch):
    images = stand_in(n_train=250, n_test=1).train_images[:20]
    calls = []

    def hashed(images, settings):
        calls.append(settings)
        return images[:, 0, None, :2, 0].astype(np.uint64)

    monkeypatch.setattr("dcgan_features.gan.folders.near_duplicates.hash_images", hashed)
    settings = HashSettings(1.0, 0.5, 0.5, 100)
    first = near_duplicates(images, "digest", settings)
    assert np.array_equal(near_duplicates(images, "digest", settings), first)
    assert len(calls) == 1
    near_duplicates(images, "other", settings)
    near_duplicates(images, "digest", HashSettings(1.0, 0.5, 0.6, 100))
    assert len(calls) == 3


def test_buckets_by_hand():
    first = np.array([0, 1, 0, 3, 1, 1, 6])
    assert [group.tolist() for group in buckets(first)] == [[1, 4, 5], [0, 2]]
    assert buckets(np.arange(4)) == []


def test_the_sheet_shows_kept_images_in_blue_and_others_in_orange():
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * 40 + np.zeros((1, 16, 16, 3), np.uint8)
    sheet = np.asarray(contact_sheet(images, [np.array([1, 4, 5]), np.array([0, 2])]))
    row = sheet[30 + 10]
    assert [row[6 + 22 * k + 10, 0] for k in range(3)] == [40, 160, 200]
    assert [row[6 + 66 + 6 + 22 * k + 10, 0] for k in range(2)] == [0, 80]
    blue, orange = [0, 0x72, 0xB2], [0xE6, 0x9F, 0]
    assert [row[6 + 22 * k].tolist() for k in range(3)] == [blue, orange, orange]
    assert row[6 + 66 + 6].tolist() == blue


def test_many_groups_are_thinned_and_large_ones_cut():
    images = np.zeros((5000, 8, 8, 1), np.uint8)
    groups = [np.arange(100), *(np.array([index, index + 1]) for index in range(100, 4900, 2))]
    sheet = contact_sheet(images, groups)
    assert sheet.height <= 30 + 30 * (8 + 6 + 6)
    assert sheet.width < 1200
    assert contact_sheet(images, []).height == 30
